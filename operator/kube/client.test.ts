import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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
