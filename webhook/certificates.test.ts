import tls from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { endOf, isFresh, issue, renew, trusted } from './certificates.ts';
import type { ServingCertificate } from './certificates.ts';

const NOW = Date.parse('2026-11-24T00:00:00Z');
const DAY = 86_400_000;
const NAMES = ['webhook.tracing-system.svc', 'webhook.tracing-system.svc.cluster.local'];

/** What a TLS client that trusts `ca` says of a server. */
async function connect({ certificate, privateKey }: ServingCertificate, ca: string, servername = NAMES[0]!) {
  const server = tls.createServer({ cert: certificate, key: privateKey }, (socket) => socket.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  try {
    return await new Promise<string>((resolve) => {
      const socket = tls.connect({ port, host: '127.0.0.1', servername, ca }, () => resolve('trusted'));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.on('data', () => socket.end());
    });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('a serving certificate', () => {
  it('is trusted by a TLS client that has its authority, under each of its names', async () => {
    const held = await issue(NAMES, Date.now());
    const other = await issue(NAMES, Date.now());
    expect(await connect(held, held.ca)).toBe('trusted');
    expect(await connect(held, held.ca, NAMES[1])).toBe('trusted');
    expect(await connect(held, held.ca, 'other.svc')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await connect(held, other.ca)).toMatch(/SELF_SIGNED|UNABLE_TO_|SIGNATURE/);
  });

  it('is fresh for two thirds of its 30 days', async () => {
    const held = await issue(NAMES, NOW);
    expect(endOf(held.certificate)).toBe(NOW + 30 * DAY);
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
    const renewed = await renew(NAMES, NOW + 20 * DAY, held);
    expect(renewed.ca).toBe(held.ca);
    expect(renewed.certificate).not.toBe(held.certificate);
    expect(await isFresh(renewed, NAMES, NOW + 21 * DAY)).toBe(true);
  });
});

describe('a renewed authority', () => {
  it('comes after two thirds of ten years, and overlaps with the one before until that ends', async () => {
    const first = await issue(NAMES, NOW);
    let day = 2_400;
    let held = await renew(NAMES, NOW + (day - 15) * DAY, first);
    expect(held.ca).toBe(first.ca);
    for (; held.ca === first.ca; day += 15) {
      const now = NOW + day * DAY;
      if (!(await isFresh(held, NAMES, now))) held = await renew(NAMES, now, held);
      expect(await isFresh(held, NAMES, now)).toBe(true);
    }
    expect(day).toBeGreaterThan(2_400);
    expect(day).toBeLessThan(2_480);
    expect(trusted(held, NOW + day * DAY)).toBe(`${held.ca.trimEnd()}\n${first.ca}`);
    // Leaves that follow keep the overlap, up to the end of the first authority and not beyond.
    const before = await renew(NAMES, NOW + 3_640 * DAY, held);
    expect(before.ca).toBe(held.ca);
    expect(trusted(before, NOW + 3_649 * DAY)).toContain(first.ca.trim());
    expect(trusted(before, NOW + 3_651 * DAY)).toBe(held.ca);
    const after = await renew(NAMES, NOW + 3_651 * DAY, before);
    expect(after.previous).toBeUndefined();
    expect(after.certificate.match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
  });

  it('is trusted by who has only the one before, only the new one, or both', async () => {
    const first = await issue(NAMES, Date.now());
    const second = await renew(NAMES, Date.now(), first, true);
    expect(second.ca).not.toBe(first.ca);
    const both = trusted(second, Date.now());
    expect(await connect(second, first.ca)).toBe('trusted');
    expect(await connect(second, second.ca)).toBe('trusted');
    expect(await connect(second, both)).toBe('trusted');
    // A replica that has not heard of it yet.
    expect(await connect(first, both)).toBe('trusted');
    // And so on after the next certificate.
    const third = await renew(NAMES, Date.now(), second);
    expect(third.ca).toBe(second.ca);
    expect(await connect(third, first.ca)).toBe('trusted');
  });

  it('is made where the key of the one before is lost, which stays trusted for whoever still serves under it', async () => {
    const first = await issue(NAMES, Date.now());
    const other = await issue(NAMES, Date.now());
    for (const caKey of ['garbage', other.caKey]) {
      const second = await renew(NAMES, Date.now(), { ...first, caKey });
      expect(second.ca).not.toBe(first.ca);
      expect(await connect(second, second.ca)).toBe('trusted');
      expect(await connect(first, trusted(second, Date.now()))).toBe('trusted');
    }
  });

  it('does not take over one that has ended or is none', async () => {
    const first = await issue(NAMES, NOW);
    expect((await renew(NAMES, NOW + 3_651 * DAY, first)).previous).toBeUndefined();
    expect((await renew(NAMES, NOW, { ...first, ca: 'garbage' })).previous).toBeUndefined();
  });
});
