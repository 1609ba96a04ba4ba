import http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { Registry } from 'prom-client';
import type { Part } from './manager.ts';

/**
 * /healthz (the process answers), /readyz (it may be sent work; else what it waits for) and /metrics, in plain HTTP.
 * @param waitingFor names of what is not ready; empty when all is.
 */
export function probes(
  port: number,
  registry: Registry,
  waitingFor: () => string[],
): Part & { address(): AddressInfo | null } {
  const app = express().disable('x-powered-by').disable('etag');
  app.get('/healthz', (_request, response) => void response.type('text').send('ok\n'));
  app.get('/readyz', (_request, response) => {
    const missing = waitingFor();
    response
      .status(missing.length === 0 ? 200 : 503)
      .type('text')
      .send(missing.length === 0 ? 'ok\n' : `not ready: ${missing.join(', ')}\n`);
  });
  app.get('/metrics', async (_request, response) => {
    response.type(registry.contentType).send(await registry.metrics());
  });
  const server = http.createServer(app);
  return {
    name: 'probes',
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, resolve);
      }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    address: () => server.address() as AddressInfo | null,
  };
}
