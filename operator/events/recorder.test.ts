import { beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { SimulatedTime } from '../../test/simulated-time.ts';
import type { KubeClient, RequestOptions } from '../kube/client.ts';
import { ApiError } from '../kube/client.ts';
import type { RecordedEvent } from './recorder.ts';
import { EventRecorder } from './recorder.ts';

interface Written {
  method: string;
  path: string;
  at: number;
  body: {
    metadata?: { name: string; namespace: string };
    series?: { count: number; lastObservedTime: string };
    note?: string;
    eventTime?: string;
  };
}

describe('EventRecorder', () => {
  let time: SimulatedTime;
  let written: Written[];
  let dropped: Record<string, number>;
  let recorder: EventRecorder;
  /** What the API server says to a request; undefined is yes. */
  let answer: (method: string) => number | 'no answer' | undefined;

  beforeEach(() => {
    time = new SimulatedTime();
    written = [];
    dropped = {};
    answer = () => undefined;
    const request = async (method: string, path: string, { body, timeout }: RequestOptions) => {
      const status = answer(method);
      await time.sleep(status === 'no answer' ? timeout! : 5);
      if (status === 'no answer') throw new Error('timeout');
      if (status !== undefined) throw new ApiError(method, path, status, 'Reason', 'message');
      written.push({ method, path, at: time.now, body: structuredClone(body) as Written['body'] });
      return {};
    };
    recorder = new EventRecorder({
      client: { request: request as KubeClient['request'] },
      instance: 'operator-abc',
      logger: pino({ level: 'silent' }),
      onDropped: (why, count) => (dropped[why] = (dropped[why] ?? 0) + count),
      clock: time.clock(),
    });
  });

  const event = (changes: Partial<RecordedEvent> = {}, name = 'shop'): RecordedEvent => ({
    regarding: {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
    },
    type: 'Normal',
    reason: 'TracingSwitchedOff',
    action: 'Deliver',
    note: 'told 3 pods',
    ...changes,
  });
  const summary = () => written.map(({ method, body }) => `${method} ${body.series?.count ?? 1}`);

  it('writes an event as the API describes it', async () => {
    recorder.record(event());
    await time.advance(1_000);
    expect(written).toEqual([
      {
        method: 'POST',
        path: '/apis/events.k8s.io/v1/namespaces/shop/events',
        at: 5,
        body: {
          apiVersion: 'events.k8s.io/v1',
          kind: 'Event',
          metadata: { name: expect.stringMatching(/^shop\.[0-9a-f]{16}$/), namespace: 'shop' },
          eventTime: '2026-01-01T00:00:00.000000Z',
          reportingController: 'tracing.acme/operator',
          reportingInstance: 'operator-abc',
          type: 'Normal',
          reason: 'TracingSwitchedOff',
          action: 'Deliver',
          regarding: event().regarding,
          note: 'told 3 pods',
        },
      },
    ]);
  });

  it('makes a series of what happens again: written when it begins, then now and then, with every one counted', async () => {
    for (let i = 0; i < 100; i++) {
      recorder.record(event({ note: `time ${i}` }));
      await time.advance(1_000);
    }
    await time.advance(60_000);
    expect(summary()).toEqual(['POST 1', 'PATCH 2', 'PATCH 32', 'PATCH 62', 'PATCH 92', 'PATCH 100']);
    expect(new Set(written.slice(1).map(({ path }) => path))).toEqual(
      new Set([`/apis/events.k8s.io/v1/namespaces/shop/events/${written[0]!.body.metadata!.name}`]),
    );
    expect(written.at(-1)!.body).toEqual({ series: { count: 100, lastObservedTime: '2026-01-01T00:01:39.000000Z' } });
  });

  it('begins another series after six minutes of silence, or for anything else', async () => {
    recorder.record(event());
    await time.advance(5.9 * 60_000);
    recorder.record(event());
    await time.advance(6.1 * 60_000);
    recorder.record(event());
    recorder.record(event({ reason: 'PolicyOverlaps' }));
    recorder.record(event({ action: 'Resolve' }));
    recorder.record(event({}, 'other'));
    await time.advance(1_000);
    expect(summary()).toEqual(['POST 1', 'PATCH 2', 'POST 1', 'POST 1', 'POST 1', 'POST 1']);
  });

  it('keeps events about what has no namespace in the namespace default', async () => {
    const regarding = { apiVersion: 'tracing.acme/v1alpha1', kind: 'ClusterTracingPolicy', name: 'all' };
    recorder.record(event({ regarding }));
    await time.advance(1_000);
    expect(written[0]!.path).toBe('/apis/events.k8s.io/v1/namespaces/default/events');
    expect(written[0]!.body.metadata!.namespace).toBe('default');
  });

  it('keeps within what the API server takes: a long note, in whole characters, and a long name', async () => {
    recorder.record(event({ note: 'ä'.repeat(2_000) }, `${'a'.repeat(228)}.${'b'.repeat(24)}`));
    await time.advance(1_000);
    const { note, metadata } = written[0]!.body;
    expect(Buffer.byteLength(note!)).toBeLessThanOrEqual(1024);
    expect(note).toMatch(/^ä{510}…$/);
    expect(metadata!.name).toMatch(/^a{228}\.b\.[0-9a-f]{16}$/);
  });

  it('limits different events about one object, and counts those it drops', async () => {
    for (let i = 0; i < 30; i++) recorder.record(event({ action: `Try${i}` }));
    recorder.record(event({}, 'other'));
    await time.advance(60_000);
    expect(written).toHaveLength(11);
    expect(dropped).toEqual({ object: 20 });
    recorder.record(event({ action: 'Again' }));
    await time.advance(1_000);
    expect(written).toHaveLength(12);
  });

  it('limits its requests, and drops what does not fit its memory', async () => {
    for (let i = 0; i < 5_000; i++) recorder.record(event({}, `object-${i}`));
    // Is still known, and counts as a series.
    for (let i = 0; i < 9; i++) recorder.record(event({}, 'object-999'));
    await time.advance(10_000);
    // 25 at once, then five a second.
    expect(written.length).toBeGreaterThan(60);
    expect(written.length).toBeLessThanOrEqual(76);
    await time.advance(300_000);
    // A thousand that wait, and the one that is on its way.
    expect(written).toHaveLength(1_001);
    expect(dropped).toEqual({ overall: 3_999 });
    expect(summary().filter((line) => line !== 'POST 1')).toEqual(['POST 10']);
  });

  it('remembers a thousand series and objects, those that were seen last', async () => {
    for (let i = 0; i < 1_100; i++) {
      recorder.record(event({}, `object-${i}`));
      if (i === 500) recorder.record(event({}, 'object-1'));
      await time.advance(200);
    }
    written = [];
    for (const name of ['object-0', 'object-1', 'object-1099']) recorder.record(event({}, name));
    await time.advance(60_000);
    expect(summary()).toEqual(['POST 1', 'PATCH 3', 'PATCH 2']);

    for (let i = 0; i < 11; i++) recorder.record(event({ action: `Try${i}` }, 'busy'));
    expect(dropped).toEqual({ object: 1 });
    for (let i = 0; i < 1_100; i++) recorder.record(event({}, `new-${i}`));
    recorder.record(event({ action: 'Again' }, 'busy'));
    expect(dropped['object']).toBe(1);
  });

  it('tries again what the API server could not do for the moment, once in the end', async () => {
    let failures = 2;
    answer = () => (failures-- > 0 ? 503 : undefined);
    recorder.record(event());
    await time.advance(10_000);
    expect(summary()).toEqual(['POST 1']);
    // Its answer had got lost.
    answer = (method) => (method === 'POST' ? 409 : undefined);
    recorder.record(event({}, 'other'));
    recorder.record(event({}, 'other'));
    await time.advance(1_000);
    recorder.record(event({}, 'other'));
    await time.advance(40_000);
    expect(summary()).toEqual(['POST 1', 'PATCH 2', 'PATCH 3']);
    expect(dropped).toEqual({});
  });

  it('makes an event anew that the API server has forgotten', async () => {
    recorder.record(event());
    await time.advance(1_000);
    answer = (method) => (method === 'PATCH' ? 404 : undefined);
    recorder.record(event());
    await time.advance(5_000);
    expect(summary()).toEqual(['POST 1', 'POST 2']);
  });

  it.each([403, 404, 422])('drops what is refused with %i, and counts it', async (status) => {
    answer = () => status;
    recorder.record(event());
    await time.advance(60_000);
    answer = () => undefined;
    await time.advance(60_000);
    expect(written).toEqual([]);
    expect(dropped).toEqual({ refused: 1 });
  });

  it('gives up after some tries without an answer, and neither throws nor waits', async () => {
    answer = () => 'no answer';
    recorder.record(event());
    await time.advance(120_000);
    expect(dropped).toEqual({ refused: 1 });
    // Not an event at all: an error in whoever calls must not end the process.
    expect(() => recorder.record({ ...event(), regarding: undefined as never })).not.toThrow();
  });

  it('writes what waits when it stops, for two seconds at most, and takes no more', async () => {
    recorder.record(event());
    await time.advance(1_000);
    recorder.record(event());
    await time.advance(1_000);
    recorder.record(event());
    await Promise.all([recorder.stop(), time.advance(10)]);
    expect(summary()).toEqual(['POST 1', 'PATCH 2', 'PATCH 3']);
    recorder.record(event());
    expect(dropped).toEqual({ overall: 1 });
  });

  it('stops though the API server does not answer', async () => {
    answer = () => 'no answer';
    recorder.record(event());
    let stopped = false;
    void recorder.stop().then(() => (stopped = true));
    await time.advance(2_001);
    expect(stopped).toBe(true);
  });
});
