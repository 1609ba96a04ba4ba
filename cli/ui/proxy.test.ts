import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServingCertificate } from '../../webhook/certificates.ts';
import { issue } from '../../webhook/certificates.ts';
import type { TlsServer } from '../../webhook/tls-server.ts';
import { serve } from '../../webhook/tls-server.ts';
import type { Proxy } from './proxy.ts';
import { startProxy } from './proxy.ts';

const SERVER = 'tracing-operator.tracing-system.svc';

interface Answer {
  status: number | undefined;
  headers: http.IncomingHttpHeaders;
  body: string;
}

describe('the proxy of kubectl tracing ui', () => {
  const asked: { path: string | undefined; authorization: string | undefined }[] = [];
  let upstream: TlsServer;
  let certificate: ServingCertificate;
  const proxies: Proxy[] = [];

  const start = async (authority = certificate.ca) => {
    const proxy = await startProxy({
      upstream: () => Promise.resolve(upstream.port),
      ...{ serverName: SERVER, authority, port: 0 },
      credential: () => Promise.resolve({ token: 'of-the-user' }),
    });
    proxies.push(proxy);
    const link = new URL(proxy.link('?namespace=shop'));
    return { link, port: Number(link.port), key: link.hash.replace('#open=', '') };
  };
  /** Unlike fetch, with whatever Host. */
  const get = (port: number, path: string, headers: Record<string, string> = {}, method = 'GET') =>
    new Promise<Answer>((resolve, reject) => {
      http
        .request({ host: '127.0.0.1', port, path, headers, method, agent: false }, (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text: string) => (body += text));
          response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
        })
        .on('error', reject)
        .end();
    });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  beforeAll(async () => {
    certificate = await issue([SERVER], Date.now());
    const answer = ({ url, headers }: IncomingMessage, response: ServerResponse) => {
      asked.push({ path: url, authorization: headers.authorization });
      response.writeHead(200, { 'x-frame-options': 'DENY', 'set-cookie': 'a=b' }).end('seen');
    };
    upstream = await serve(answer, { port: 0, host: '127.0.0.1', certificate });
  });
  afterAll(async () => {
    for (const proxy of proxies) proxy.close();
    await upstream.close(0);
  });

  it('asks as the user for whoever has opened the link, which is good once', async () => {
    const { link, port, key } = await start();
    expect([link.hostname, link.search]).toEqual(['127.0.0.1', '?namespace=shop']);
    expect(await get(port, '/api/stream')).toMatchObject({ status: 401 });
    expect(await get(port, '/api/stream', bearer(key))).toMatchObject({ status: 401 });
    expect(await get(port, '/open', bearer('x'.repeat(key.length)))).toMatchObject({ status: 403 });
    const { status, body: session } = await get(port, '/open', bearer(key));
    expect(status).toBe(200);
    expect(await get(port, '/open', bearer(key))).toMatchObject({ status: 403, body: 'this link has been used\n' });
    expect(asked).toEqual([]);

    const answer = await get(port, '/api/workload?name=order', bearer(session));
    expect(answer).toMatchObject({ status: 200, body: 'seen', headers: { 'x-frame-options': 'DENY' } });
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(asked).toEqual([{ path: '/api/workload?name=order', authorization: 'Bearer of-the-user' }]);
    // Files of the page are asked for as nobody.
    await get(port, '/page.js');
    expect(asked.at(-1)).toEqual({ path: '/page.js', authorization: undefined });
  });

  it('answers nobody who asks for another host, nor what would write', async () => {
    const { port, key } = await start();
    const evil = { host: `evil.example:${port}`, ...bearer(key) };
    for (const path of ['/', '/open', '/api/stream'])
      expect(await get(port, path, evil)).toMatchObject({ status: 403, body: `ask for 127.0.0.1:${port}\n` });
    expect(await get(port, '/open', bearer(key), 'POST')).toMatchObject({ status: 405 });
    expect(await get(port, '/open', { host: `localhost:${port}`, ...bearer(key) })).toMatchObject({ status: 200 });
  });

  it('shows the credential to nobody but the operator', async () => {
    const { port, key } = await start((await issue([SERVER], Date.now())).ca);
    const { body: session } = await get(port, '/open', bearer(key));
    const before = asked.length;
    const answer = await get(port, '/api/stream', bearer(session));
    expect(answer).toMatchObject({
      status: 502,
      body: expect.stringContaining('the operator does not answer') as unknown,
    });
    expect(asked.length).toBe(before);
  });
});
