import { expect, it } from '@jest/globals';
import { Arrivals } from './arrivals.ts';
import type { Span } from './span.ts';

type Arriving = Pick<Span, 'traceId' | 'spanId' | 'parentSpanId' | 'kind'>;
const span = (traceId: string, spanId: string, parentSpanId?: string, kind: Span['kind'] = 'internal'): Arriving => ({
  ...{ traceId, spanId, kind },
  ...(parentSpanId !== undefined && { parentSpanId }),
});
const ids = (traces: Arriving[][]) => traces.map((spans) => spans.map(({ spanId }) => spanId));
const start = () => new Arrivals<Arriving>({ quietMs: 100, patienceMs: 1_000 });

it('hands a trace out once, when nothing has come for it for a while', () => {
  const arrivals = start();
  arrivals.take([span('a', '1'), span('b', '2')], 0);
  arrivals.take([span('a', '3', '1')], 60);
  expect(ids(arrivals.whole(99))).toEqual([]);
  expect(ids(arrivals.whole(100))).toEqual([['2']]);
  expect(ids(arrivals.whole(160))).toEqual([['1', '3']]);
  expect(ids(arrivals.whole(5_000))).toEqual([]);
  expect(arrivals.rest()).toEqual([]);
});

it('waits longer for the span with which a trace begins', () => {
  const arrivals = start();
  arrivals.take([span('a', '2', '1', 'client')], 0);
  expect(ids(arrivals.whole(999))).toEqual([]);
  arrivals.take([span('a', '1', undefined, 'server')], 999);
  expect(ids(arrivals.whole(1_099))).toEqual([['2', '1']]);
  arrivals.take([span('b', '2', '1', 'client')], 2_000);
  expect(ids(arrivals.whole(3_000))).toEqual([['2']]);
});

it('takes a request from another process for the beginning, and the call that waits for one not', () => {
  const arrivals = start();
  arrivals.take([span('a', '1', 'elsewhere', 'server'), span('b', '1', 'open', 'client')], 0);
  expect(ids(arrivals.whole(100))).toEqual([['1']]);
  expect(ids(arrivals.rest())).toEqual([['1']]);
});
