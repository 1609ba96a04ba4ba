import { expect, it } from '@jest/globals';
import type { ReceivedSpan } from '../agent/otlp.ts';
import { Arrivals } from './arrivals.ts';

const span = (traceId: string, spanId: string) => ({ traceId, spanId }) as ReceivedSpan;
const ids = (traces: ReceivedSpan[][]) => traces.map((spans) => spans.map(({ spanId }) => spanId));

it('hands a trace out once, when nothing has come for it for a while', () => {
  const arrivals = new Arrivals(100);
  arrivals.take([span('a', '1'), span('b', '2')], 0);
  arrivals.take([span('a', '3')], 60);
  expect(ids(arrivals.whole(99))).toEqual([]);
  expect(ids(arrivals.whole(100))).toEqual([['2']]);
  expect(ids(arrivals.whole(160))).toEqual([['1', '3']]);
  expect(ids(arrivals.whole(1_000))).toEqual([]);
});
