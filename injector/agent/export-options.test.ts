import { describe, expect, it } from '@jest/globals';
import { batching, checkBatch, checkExporter, sending } from './export-options.ts';

describe('how an exporter sends', () => {
  const usual = {
    signal: 'traces',
    gzip: false,
    timeoutMillis: 10_000,
    retry: { initialMillis: 1_000, maxMillis: 10_000 },
  };

  it('is as ever where nobody says anything, also of a policy by an operator of an earlier version', () => {
    expect(sending({}, 'traces')).toEqual(usual);
    expect(sending({}, 'traces', { name: 'a' })).toEqual(usual);
  });

  it('is as the policy says, unless the owner of the process does', () => {
    const exporter = { compression: 'gzip', timeoutMillis: 500, retry: { maxMillis: 2_000 } } as const;
    const retry = { initialMillis: 1_000, maxMillis: 2_000 };
    expect(sending({}, 'traces', exporter)).toEqual({ signal: 'traces', gzip: true, timeoutMillis: 500, retry });
    const env = { OTEL_EXPORTER_OTLP_COMPRESSION: 'none', OTEL_EXPORTER_OTLP_TIMEOUT: '700' };
    expect(sending(env, 'traces', exporter)).toEqual({ signal: 'traces', gzip: false, timeoutMillis: 700, retry });
    expect(sending({}, 'traces', { retry: false }).retry).toBeUndefined();
  });
});

describe('how spans are batched', () => {
  const usual = { maxQueue: 2048, maxBatch: 512, delayMillis: 1_000, timeoutMillis: 30_000 };

  it('is as the policy says, unless the owner of the process does', () => {
    expect(batching({})).toEqual(usual);
    expect(batching({}, { maxQueue: 100, timeoutMillis: 60_000 })).toEqual({
      ...{ maxQueue: 100, maxBatch: 100, delayMillis: 1_000, timeoutMillis: 60_000 },
    });
    const env = { OTEL_BSP_MAX_QUEUE_SIZE: '9', OTEL_BSP_SCHEDULE_DELAY: '0', OTEL_BSP_EXPORT_TIMEOUT: '5' };
    expect(batching(env, { maxQueue: 100, delayMillis: 7 })).toEqual({
      ...{ maxQueue: 9, maxBatch: 9, delayMillis: 0, timeoutMillis: 5 },
    });
  });
});

describe('a document', () => {
  it.each<[string, object, RegExp]>([
    ['an unknown protocol', { protocol: 'udp' }, /protocol is not one of http\/protobuf, http\/json, grpc/],
    ['an unknown compression', { compression: 'zstd' }, /compression is not gzip/],
    ['no time', { timeoutMillis: 0 }, /timeoutMillis is not a number above 0/],
    ['a time that is text', { timeoutMillis: '10s' }, /timeoutMillis is not a number/],
    ['a wait that is none', { retry: { maxMillis: -1 } }, /retry\.maxMillis is not a number/],
    ['signals that are no list', { signals: 'traces' }, /signals is not a list/],
  ])('may not have %s', (_name, wrong, message) => {
    expect(() => checkExporter({ protocol: 'grpc', ...wrong })).toThrow(message);
  });

  it('may not have a queue of no size', () => {
    expect(() => checkBatch({ maxQueue: 0 })).toThrow(/spec\.batch: maxQueue is not a number above 0/);
    expect(() => checkBatch(undefined)).not.toThrow();
  });

  it('may have a signal that is not known here', () => {
    expect(() => checkExporter({ protocol: 'grpc', signals: ['profiles'], retry: false })).not.toThrow();
  });
});
