import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { writePolicy } from './mounted.ts';
import type { ReceivedSpan } from './otlp.ts';
import { ROOT, startServer, type RunningServer } from './process.ts';
import { Sink } from './sink.ts';

/** The agent looks once a second. */
const LOOK_MILLIS = 1600;
const RANDOM = 2;
const SAMPLED = 1;

let scratch: string;
let sink: Sink;
const servers: RunningServer[] = [];
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tracing-sampling-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop('SIGKILL')));
  await sink.stop();
});

/** A service with a policy of its own, in front of another one. */
interface Service {
  name: string;
  url: string;
  server: RunningServer;
  follow(sampling: object): Promise<void>;
}

async function start(name: string, sampling: object, next?: Service, program = 'relay.cjs'): Promise<Service> {
  const directory = mkdtempSync(join(scratch, `${name}-`));
  writePolicy(directory, sink.url, sampling);
  const server = await startServer({
    args: [join(ROOT, 'test/agent/programs', program)],
    env: {
      TRACING_ACME_POLICY_DIR: directory,
      TRACING_ACME_RESOURCE: `service.name=${name}`,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      ...(next && { NEXT: next.url }),
    },
  });
  servers.push(server);
  return {
    name,
    url: server.url,
    server,
    follow: async (changed) => {
      writePolicy(directory, sink.url, changed);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
    },
  };
}

/** What the last service was asked with. */
async function ask(service: Service, headers: Record<string, string> = {}, path = '/') {
  const answer = await fetch(service.url + path, { headers });
  const { traceparent = '', tracestate } = (await answer.json()) as { traceparent?: string; tracestate?: string };
  const [, traceId = '', , flags = ''] = traceparent.split('-');
  return { traceId, flags: parseInt(flags, 16), tracestate };
}

const ofTrace = (traceId: string) => (spans: ReceivedSpan[]) => spans.filter((span) => span.traceId === traceId);

describe('the probability of a trace', () => {
  it('is in its tracestate and in all its spans, through two processes and whatever the ratio is of the second', async () => {
    const last = await start('last', { ratio: 0 });
    const first = await start('first', { ratio: 1 }, last);
    const found: Record<string, string | undefined> = {};
    for (const ratio of [1, 0.5, 0.1]) {
      await first.follow({ ratio });
      let seen = await ask(first);
      while ((seen.flags & SAMPLED) === 0) {
        expect(seen).toMatchObject({ flags: RANDOM, tracestate: undefined });
        seen = await ask(first);
      }
      expect(seen.flags).toBe(SAMPLED | RANDOM);
      found[ratio] = seen.tracestate;
      const spans = await sink.until((all) => ofTrace(seen.traceId)(all).length === 3);
      for (const span of ofTrace(seen.traceId)(spans))
        expect([span.traceState, span.flags & 255]).toEqual([seen.tracestate, SAMPLED | RANDOM]);
    }
    expect(found).toEqual({ 1: 'ot=th:0', 0.5: 'ot=th:8', 0.1: 'ot=th:e666' });
  }, 30_000);

  it('is that of the rule that has sampled it, and none where that was a rate', async () => {
    const rules = [
      { paths: ['/half'], ratio: 0.5 },
      { paths: ['/seldom'], maxPerSecond: 1000 },
    ];
    const last = await start('last', { ratio: 0 });
    const first = await start('first', { ratio: 0.1, rules }, last);
    let half = await ask(first, {}, '/half');
    while ((half.flags & SAMPLED) === 0) half = await ask(first, {}, '/half');
    expect(half.tracestate).toBe('ot=th:8');
    expect(await ask(first, {}, '/seldom')).toMatchObject({ flags: SAMPLED | RANDOM, tracestate: undefined });
    // One that came along is not passed on as if it were right.
    await first.follow({ ratio: 0.1, rules, parentBased: false });
    const traceparent = '00-0af7651916cd43dd84ffffffffffffff-b7ad6b7169203331-01';
    const ask2 = (path: string, tracestate: string) => ask(first, { traceparent, tracestate }, path);
    expect(await ask2('/seldom', 'ot=th:0;rv:00000000000000,a=b')).toMatchObject({
      tracestate: 'ot=rv:00000000000000,a=b',
    });
    expect(await ask2('/half', 'ot=th:0,a=b')).toMatchObject({ flags: SAMPLED, tracestate: 'ot=th:8,a=b' });
    expect(await ask2('/half', 'ot=rv:70000000000000,a=b')).toMatchObject({
      flags: 0,
      tracestate: 'ot=rv:70000000000000,a=b',
    });
  }, 30_000);

  it('is left as it came, unless it cannot be right', async () => {
    const last = await start('last', { ratio: 1 });
    const first = await start('first', { ratio: 1 }, last);
    const traceparent = (flags: string) => `00-0af7651916cd43dd8480000000000000-b7ad6b7169203331-${flags}`;
    const passedOn = async (tracestate: string, flags = '03') =>
      (await ask(first, { traceparent: traceparent(flags), tracestate })).tracestate;
    expect(await passedOn('vendor=a,ot=th:8')).toBe('vendor=a,ot=th:8');
    expect(await passedOn('vendor=a,ot=th:9')).toBe('vendor=a');
    expect(await passedOn('ot=th:nonsense')).toBeUndefined();
    expect(await passedOn('ot=th:e666', '02')).toBe('ot=th:e666');
    expect((await ask(first, { traceparent: traceparent('ff') })).flags).toBe(SAMPLED | RANDOM);
    expect((await ask(first, { traceparent: traceparent('f0') })).flags).toBe(0);
  }, 30_000);
});

describe('requests that were not sampled', () => {
  const keep = { errors: true, slowerThanMillis: 1000 };
  const describeSpan = (span: ReceivedSpan) =>
    `${String(span.resource['service.name'])} ${span.kind} ${String(span.attributes['tracing.acme.kept.reason'])}`;
  /** What came of requests, once one that is always recorded has come. */
  async function seen(service: Service, ...requests: [path: string, headers?: Record<string, string>][]) {
    const before = sink.spans.length;
    const answers: Awaited<ReturnType<typeof ask>>[] = [];
    for (const [path, headers] of requests) answers.push(await ask(service, headers, path));
    const end = { traceparent: `00-${'e'.repeat(32)}-b7ad6b7169203331-01` };
    await ask(service, end);
    const isEnd = (span: ReceivedSpan) => span.traceId === 'e'.repeat(32);
    await sink.until((spans) => spans.slice(before).filter(isEnd).length === 3);
    const spans = sink.spans.slice(before).filter((span) => !isEnd(span));
    return { spans, answers, names: spans.map(describeSpan).sort() };
  }

  it('are kept when they fail or are slow, marked, and are not sampled for who is called', async () => {
    const last = await start('last', { ratio: 0 });
    const rules = [{ paths: ['/healthz'], drop: true }];
    const first = await start('first', { ratio: 0, keep, rules }, last);
    const { spans, answers, names } = await seen(
      first,
      ['/'],
      ['/?status=503'],
      ['/?millis=1500'],
      ['/healthz?status=503'],
    );
    expect(names).toEqual(['first client error', 'first client slow', 'first server error', 'first server slow']);
    for (const span of spans) {
      const reason = String(span.attributes['tracing.acme.kept.reason']);
      expect([span.traceState, span.flags & 255]).toEqual([`tracing-acme=kept:${reason}`, RANDOM]);
    }
    for (const answer of answers) expect(answer).toMatchObject({ flags: RANDOM, tracestate: undefined });
    const server = spans.find((span) => span.kind === 'server');
    expect(server).toMatchObject({ status: { code: 2 }, attributes: { 'http.response.status_code': 503 } });
    expect(spans.find((span) => span.kind === 'client')?.parentSpanId).toBe(server?.spanId);

    // A caller that has not sampled is no reason not to keep, and its tracestate goes on as it was.
    const traceparent = '00-0af7651916cd43dd84ffffffffffff00-b7ad6b7169203331-00';
    const unsampled = await seen(first, ['/?status=503', { traceparent, tracestate: 'ot=th:ffffffffffffff,a=b' }]);
    expect(unsampled.names).toEqual(['first client error', 'first server error']);
    expect(unsampled.spans.map((span) => span.traceState)).toEqual(Array(2).fill('tracing-acme=kept:error,a=b'));
    expect(unsampled.spans.find((span) => span.kind === 'server')?.parentSpanId).toBe('b7ad6b7169203331');
    expect(unsampled.answers[0]?.tracestate).toBe('ot=th:ffffffffffffff,a=b');

    // Each decides for itself; where both keep, the fragments of a trace fit together.
    await last.follow({ ratio: 0, keep: { errors: true } });
    const both = await seen(first, ['/?status=503'], ['/?millis=1500']);
    expect(both.names).toEqual([
      'first client error',
      'first client slow',
      'first server error',
      'first server slow',
      'last server error',
    ]);
    const [client, called] = ['first client error', 'last server error'].map((name) =>
      both.spans.find((span) => describeSpan(span) === name),
    );
    expect([called?.traceId, called?.parentSpanId]).toEqual([client?.traceId, client?.spanId]);

    await first.follow({ ratio: 0, rules });
    expect((await seen(first, ['/?status=503'])).names).toEqual(['last server error']);
    expect(first.server.output()).not.toContain('tracing-operator:');
  }, 60_000);

  it('are dropped by their path where they arrive, and not where they are sent, by http or fetch', async () => {
    const rules = [{ paths: ['/leaf'], drop: true }];
    const shop = await start('shop', { ratio: 1, rules }, undefined, 'http-server.cjs');
    for (const path of ['/leaf', '/http', '/fetch']) await fetch(shop.url + path);
    const spans = await sink.until((all) => all.filter(({ kind }) => kind === 'server').length === 2);
    expect(
      spans.map(({ kind, attributes }) => [kind, attributes['url.path']].filter(Boolean).join(' ')).sort(),
    ).toEqual(['client', 'client /leaf', 'server /fetch', 'server /http']);
  });

  it('are kept with their route and what a framework did', async () => {
    const shop = await start('shop', { ratio: 0, keep: { errors: true } }, undefined, 'express-server.cjs');
    for (const path of ['/users/7', '/fails', '/users/8']) await fetch(shop.url + path);
    const spans = await sink.until((all) => all.some((span) => span.kind === 'server'));
    expect(spans.find((span) => span.kind === 'server')).toMatchObject({
      name: 'GET /fails',
      attributes: { 'http.route': '/fails', 'http.response.status_code': 500, 'tracing.acme.kept.reason': 'error' },
    });
    expect(new Set(spans.map((span) => span.traceId)).size).toBe(1);
    expect(spans.some((span) => span.events.some(({ name }) => name === 'exception'))).toBe(true);
  });

  it('are sampled when a header asks for it, so many a second, where the trace begins', async () => {
    const last = await start('last', { ratio: 0 });
    const rules = [{ paths: ['/healthz'], drop: true }];
    const force = { header: 'x-trace-me', maxPerSecond: 0.1 };
    const first = await start('first', { ratio: 0, rules }, last);
    const please = { 'X-Trace-Me': '1' };
    const unsampled = { ...please, traceparent: '00-0af7651916cd43dd84ffffffffffff00-b7ad6b7169203331-00' };
    expect((await seen(first, ['/', please])).names).toEqual([]);
    await first.follow({ ratio: 0, rules, force });
    const { spans, answers } = await seen(
      first,
      ['/'],
      ['/', { 'X-Trace-Me': 'false' }],
      ['/healthz', please],
      ['/', unsampled],
      ['/', please],
      ['/', please],
    );
    expect(answers.map(({ flags }) => flags & SAMPLED)).toEqual([0, 0, 0, 0, SAMPLED, 0]);
    expect(answers[4]?.tracestate).toBeUndefined();
    expect(spans.map((span) => `${String(span.resource['service.name'])} ${span.kind}`).sort()).toEqual([
      'first client',
      'first server',
      'last server',
    ]);
    expect(spans.filter((span) => span.attributes['tracing.acme.forced'] === true)).toHaveLength(1);
    await first.follow({ ratio: 0 });
    expect((await seen(first, ['/', please])).names).toEqual([]);
  }, 60_000);
});

describe('at a ratio of 0.1', () => {
  const REQUESTS = 20_000;
  const RATIO = 0.1;

  /** Has so many requests answered, some of them at a time. */
  async function load(url: string, requests: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 32 });
    let left = requests;
    const worker = async (): Promise<void> => {
      while (left-- > 0)
        await new Promise<void>((resolve, reject) => {
          get(url, { agent }, (answer) => answer.resume().on('end', resolve)).on('error', reject);
        });
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    agent.destroy();
  }

  const tracesOf = (spans: ReceivedSpan[]) => {
    const traces = new Map<string, ReceivedSpan[]>();
    for (const span of spans) traces.set(span.traceId, [...(traces.get(span.traceId) ?? []), span]);
    return [...traces.values()];
  };

  it('that share of 20,000 requests is traced, each through all of three services', async () => {
    // Of the three only the first decides.
    const third = await start('third', { ratio: 1 });
    const second = await start('second', { ratio: 0 }, third);
    const first = await start('first', { ratio: RATIO }, second);
    const deviation = Math.sqrt(REQUESTS * RATIO * (1 - RATIO));
    const differences: number[] = [];
    // Chance itself is outside once in 370 times, and twice in succession once in 137,000.
    for (let turn = 0; turn < 2; turn++) {
      sink.spans.length = 0;
      await load(first.url, REQUESTS);
      await sink.until((spans) => {
        const complete = tracesOf(spans).filter((trace) => trace.length === 5).length;
        return complete > 0 && spans.length === 5 * complete;
      }, 30_000);
      // What is to come comes within a batch.
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const traces = tracesOf(sink.spans);
      for (const trace of traces) {
        const names = trace.map((span) => `${String(span.resource['service.name'])} ${span.kind}`);
        expect(names.sort()).toEqual([
          'first client',
          'first server',
          'second client',
          'second server',
          'third server',
        ]);
        const ids = new Set(trace.map((span) => span.spanId));
        expect(trace.filter((span) => !ids.has(span.parentSpanId)).map((span) => span.parentSpanId)).toEqual(['']);
        expect(new Set(trace.map((span) => span.traceState))).toEqual(new Set(['ot=th:e666']));
      }
      differences.push((traces.length - REQUESTS * RATIO) / deviation);
      if (Math.abs(differences.at(-1)!) <= 3) return;
    }
    throw new Error(
      `the share is off by ${differences.map((each) => each.toFixed(1)).join(' and ')} standard deviations`,
    );
  }, 400_000);
});
