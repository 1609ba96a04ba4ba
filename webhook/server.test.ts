import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { issue } from './certificates.ts';
import { app, serve } from './server.ts';

const logger = pino({ level: 'silent' });
const failures: string[] = [];
const told: unknown[] = [];
const options = {
  logger,
  onFailure: ({ uid }: { uid: string }) => void told.push(uid),
  metrics: { request() {}, decision() {}, failure: () => void failures.push('failure') },
  admit: ({ object }: { object: Record<string, unknown> | null }) => {
    if (object?.explode) throw new Error('a bug of ours');
    return { reply: { patch: [{ op: 'add' as const, path: '/x', value: 1 }] }, decisions: [] };
  },
};
const review = (object: unknown, dryRun = false) =>
  JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u', kind: { kind: 'Pod' }, operation: 'CREATE', object, dryRun },
  });

describe('the AdmissionReview endpoint', () => {
  let server: http.Server;
  let url: string;
  beforeAll(async () => {
    server = http.createServer(app(options));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mutate`;
  });
  afterAll(() => new Promise((done) => server.close(done)));

  it.each([
    ['no JSON', '{"kind":', /JSON/],
    ['nothing', '', /kind is missing/],
    ['a list', '[]', /not a JSON object/],
    ['null', 'null', /not a JSON object/],
    ['another kind', '{"kind":"Pod"}', /kind is "Pod", not "AdmissionReview"/],
    ['v1beta1', '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"}', /v1beta1/],
    ['no request', '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', /request is missing/],
    ['no uid', '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{}}', /uid is missing/],
    ['an object that is none', review('text'), /object is not a JSON object/],
  ])('answers 400 to %s, with the reason, and goes on', async (_name, body, reason) => {
    const response = await fetch(url, { method: 'POST', body });
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(reason);
    const good = await fetch(url, { method: 'POST', body: review({}) });
    expect(await good.json()).toMatchObject({ response: { uid: 'u', allowed: true, patchType: 'JSONPatch' } });
  });

  it('answers 413 to a body over 7 MiB', async () => {
    const response = await fetch(url, { method: 'POST', body: 'x'.repeat(8 * 2 ** 20) });
    expect(response.status).toBe(413);
  });

  it('admits unchanged, with a warning and a count, when injection fails', async () => {
    const response = await fetch(url, { method: 'POST', body: review({ explode: true }) });
    const { response: answer } = (await response.json()) as { response: Record<string, unknown> };
    expect(answer).toMatchObject({ uid: 'u', allowed: true, warnings: [expect.stringContaining('without tracing')] });
    expect(answer.patch).toBeUndefined();
    expect(failures).toEqual(['failure']);
    expect(told).toEqual(['u']);
  });

  it('tells nobody of a failure in a dry run', async () => {
    const before = told.length;
    const response = await fetch(url, { method: 'POST', body: review({ explode: true }, true) });
    expect(await response.json()).toMatchObject({ response: { allowed: true, warnings: [expect.any(String)] } });
    expect(told).toHaveLength(before);
  });

  it('has nothing elsewhere', async () => {
    expect((await fetch(url.replace('mutate', 'other'))).status).toBe(404);
    expect((await fetch(url)).status).toBe(404);
  });
});

describe('behind TLS', () => {
  it('takes a new certificate without dropping a connection', async () => {
    const first = await issue(['localhost'], Date.now());
    const second = await issue(['localhost'], Date.now(), first);
    const server = await serve(app(options), { port: 0, host: '127.0.0.1', certificate: first });
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: first.ca, servername: 'localhost' });
    const post = (through: https.Agent) =>
      new Promise<{ status: number; serial: string }>((resolve, reject) => {
        const request = https.request(
          { host: '127.0.0.1', port: server.port, path: '/mutate', method: 'POST', agent: through },
          (response) => {
            const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
            response.resume().on('end', () => resolve({ status: response.statusCode!, serial: serialNumber }));
          },
        );
        request.on('error', reject).end(review({}));
      });
    const before = await post(agent);
    server.setCertificate(second);
    expect(await post(agent)).toEqual({ status: 200, serial: before.serial });
    const fresh = new https.Agent({ ca: first.ca, servername: 'localhost' });
    const after = await post(fresh);
    expect(after.status).toBe(200);
    expect(after.serial).not.toBe(before.serial);
    agent.destroy();
    fresh.destroy();
    await server.close();
  });
});
