import tls from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { isFresh, issue } from './certificates.ts';

const NOW = Date.parse('2026-11-24T00:00:00Z');
const DAY = 86_400_000;
const NAMES = ['webhook.tracing-system.svc', 'webhook.tracing-system.svc.cluster.local'];

describe('a serving certificate', () => {
  it('is trusted by a TLS client that has its authority, under each of its names', async () => {
    const held = await issue(NAMES, Date.now());
    const server = tls.createServer({ cert: held.certificate, key: held.privateKey }, (socket) => socket.end('ok'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const connect = (servername: string, ca: string) =>
      new Promise<string>((resolve) => {
        const socket = tls.connect({ port, host: '127.0.0.1', servername, ca }, () => resolve('trusted'));
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
        socket.on('data', () => socket.end());
      });
    const other = await issue(NAMES, Date.now());
    expect(await connect(NAMES[0]!, held.ca)).toBe('trusted');
    expect(await connect(NAMES[1]!, held.ca)).toBe('trusted');
    expect(await connect('other.svc', held.ca)).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await connect(NAMES[0]!, other.ca)).toMatch(/SELF_SIGNED|UNABLE_TO_VERIFY|SIGNATURE/);
    await new Promise((resolve) => server.close(resolve));
  });

  it('is fresh for two thirds of its 30 days', async () => {
    const held = await issue(NAMES, NOW);
    expect(await isFresh(held, NAMES, NOW)).toBe(true);
    expect(await isFresh(held, NAMES, NOW + 19 * DAY)).toBe(true);
    expect(await isFresh(held, NAMES, NOW + 21 * DAY)).toBe(false);
    expect(await isFresh(held, NAMES, NOW - 2 * DAY)).toBe(false);
  });

  it('is not fresh for another name, another authority or when damaged', async () => {
    const held = await issue(NAMES, NOW);
    const { ca } = await issue(NAMES, NOW);
    expect(await isFresh(held, ['elsewhere.svc'], NOW)).toBe(false);
    expect(await isFresh({ ...held, ca }, NAMES, NOW)).toBe(false);
    expect(await isFresh({ ...held, certificate: 'garbage' }, NAMES, NOW)).toBe(false);
  });

  it('is renewed under the same authority', async () => {
    const held = await issue(NAMES, NOW);
    const renewed = await issue(NAMES, NOW + 20 * DAY, held);
    expect(renewed.ca).toBe(held.ca);
    expect(renewed.certificate).not.toBe(held.certificate);
    expect(await isFresh(renewed, NAMES, NOW + 21 * DAY)).toBe(true);
  });
});
