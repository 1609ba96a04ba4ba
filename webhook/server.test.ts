import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { app } from './server.ts';

const logger = pino({ level: 'silent' });
const failures: string[] = [];
const told: unknown[] = [];
const answers: string[] = [];
let time = 0;
/** Called when the head of a request has come. */
let onRequest = () => {};
const options = {
  logger,
  onFailure: ({ uid }: { uid: string }) => void told.push(uid),
  metrics: {
    request: (path: string) => {
      onRequest();
      return (code: number) => void answers.push(`${path} ${code}`);
    },
    decision() {},
    failure: () => void failures.push('failure'),
  },
  now: () => time,
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

  it.each([
    ['3s', 2_999, 3_000],
    ['250ms', 249, 250],
    [undefined, 9_999, 10_000],
    ['nonsense', 9_999, 10_000],
    ['1h', 9_999, 10_000],
  ])('does no work for a review with timeout=%s whose time is over', async (timeout, enough, tooMuch) => {
    const post = async (waited: number) => {
      const half = new ReadableStream<Uint8Array>({
        start(controller) {
          const bytes = Buffer.from(review({}));
          controller.enqueue(bytes.subarray(0, 10));
          // Its time begins when it comes, however long that takes.
          onRequest = () => {
            time += waited;
            onRequest = () => {};
            controller.enqueue(bytes.subarray(10));
            controller.close();
          };
        },
      });
      const query = timeout === undefined ? '' : `?timeout=${timeout}`;
      const init = { method: 'POST', body: half, duplex: 'half' } as RequestInit;
      return ((await (await fetch(`${url}${query}`, init)).json()) as { response: Record<string, unknown> }).response;
    };
    expect(await post(enough)).toMatchObject({ allowed: true, patchType: 'JSONPatch' });
    const late = await post(tooMuch);
    expect(late).toMatchObject({ allowed: true, warnings: [expect.stringContaining('for want of time')] });
    expect(late.patch).toBeUndefined();
  });

  it('does not take in more bodies at once than memory is meant for', async () => {
    const { port } = server.address() as AddressInfo;
    // Nine bodies of 7 MiB are announced, and not sent.
    const hold = Array.from({ length: 9 }, () => {
      const request = http.request({ port, host: '127.0.0.1', path: '/mutate', method: 'POST' });
      request.setHeader('content-length', 7 * 2 ** 20).flushHeaders();
      return request.on('error', () => {});
    });
    await new Promise((done) => setTimeout(done, 200));
    const large = await fetch(url, { method: 'POST', body: ' '.repeat(2 ** 20) + review({}) }).catch(() => undefined);
    expect([503, undefined]).toContain(large?.status);
    expect((await fetch(url, { method: 'POST', body: review({}) })).status).toBe(200);
    for (const request of hold) request.destroy();
    await new Promise((done) => setTimeout(done, 200));
    expect((await fetch(url, { method: 'POST', body: ' '.repeat(2 ** 20) + review({}) })).status).toBe(200);
  });

  it('takes no compressed body: the API server sends none, and little could become much', async () => {
    const response = await fetch(url, { method: 'POST', body: review({}), headers: { 'content-encoding': 'gzip' } });
    expect(response.status).toBe(415);
  });

  it('counts answers by path and code', async () => {
    answers.length = 0;
    await fetch(url, { method: 'POST', body: review({}) });
    await fetch(`${url}/namespace`, { method: 'POST', body: '[]' });
    expect(answers).toEqual(['/mutate 200', '/mutate/namespace 400']);
  });

  it('has nothing elsewhere', async () => {
    expect((await fetch(url.replace('mutate', 'other'))).status).toBe(404);
    expect((await fetch(url)).status).toBe(404);
  });
});
