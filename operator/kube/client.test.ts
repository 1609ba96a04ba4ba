import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { issue } from '../../webhook/certificates.ts';
import { KubeClient } from './client.ts';

describe('a guarded client', () => {
  const seen: string[] = [];
  const server = http.createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.end('{}');
  });
  let client: KubeClient;

  beforeAll(async () => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const config = new KubeConfig();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    config.loadFromClusterAndUser({ name: 'test', server: url, skipTLSVerify: true }, { name: 'none' });
    client = new KubeClient(config);
  });
  afterAll(async () => {
    client.close();
    await new Promise((done) => server.close(done));
  });

  it('sends no write that its check refuses, however late the refusal; reads pass', async () => {
    let allowed = true;
    const guarded = client.guarded(() => {
      if (!allowed) throw new Error('not now');
    });
    await guarded.request('POST', '/first');
    // The check comes after whatever the client waits for before it sends.
    const second = guarded.request('PATCH', '/second');
    allowed = false;
    await expect(second).rejects.toThrow('not now');
    await guarded.request('GET', '/third');
    await client.request('DELETE', '/fourth');
    expect(seen).toEqual(['POST /first', 'GET /third', 'DELETE /fourth']);
  });
});

describe('a proxy to the API server', () => {
  const listen = async (server: net.Server) => {
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return (server.address() as AddressInfo).port;
  };
  const variables = ['HTTPS_PROXY', 'NO_PROXY'] as const;
  const before = variables.map((name) => process.env[name]);
  afterAll(() => {
    for (const [i, name] of variables.entries()) {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    }
  });

  it('is the one that HTTPS_PROXY names, unless NO_PROXY has the host', async () => {
    const { certificate, privateKey } = await issue(['localhost'], Date.now());
    const api = https.createServer({ cert: certificate, key: privateKey }, (_, response) => response.end('{}'));
    const apiPort = await listen(api);
    const asked: string[] = [];
    const proxy = http.createServer().on('connect', ({ url = '' }: http.IncomingMessage, socket: net.Socket) => {
      asked.push(url);
      const onward = net.connect(apiPort, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
    });
    process.env['HTTPS_PROXY'] = `http://127.0.0.1:${await listen(proxy)}`;
    for (const except of ['', 'localhost']) {
      process.env['NO_PROXY'] = except;
      const config = new KubeConfig();
      const server = `https://localhost:${apiPort}`;
      config.loadFromClusterAndUser({ name: 'test', server, skipTLSVerify: true }, { name: 'none' });
      const client = new KubeClient(config);
      expect(await client.request('GET', '/version')).toEqual({});
      client.close();
    }
    expect(asked).toEqual([`localhost:${apiPort}`]);
    for (const server of [api, proxy]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  });
});
