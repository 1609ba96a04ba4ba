import { describe, expect, it } from '@jest/globals';
import { shopTraceProblems } from './shop-trace.ts';
import type { Span } from './span.ts';

const span = (
  spanId: string,
  parentSpanId: string | undefined,
  service: string,
  attributes: Span['attributes'] = {},
): Span => ({
  traceId: 'a1',
  spanId,
  ...(parentSpanId === undefined ? {} : { parentSpanId }),
  service,
  name: spanId,
  kind: 'internal',
  startUs: 0,
  durationUs: 1,
  attributes,
  resource: {},
});

const ROOT = span('a', undefined, 'order');
const QUERY = span('b', 'a', 'order', { 'db.system.name': 'postgresql' });

describe('shopTraceProblems', () => {
  it('finds none in a whole trace', () => {
    expect(shopTraceProblems([ROOT, QUERY, span('c', 'a', 'payment')], ['order', 'payment'])).toEqual([]);
  });

  it('names the service that is missing', () => {
    expect(shopTraceProblems([ROOT, QUERY], ['order', 'payment'])).toEqual(['there is no span of payment']);
  });

  it('misses the database', () => {
    expect(shopTraceProblems([ROOT], ['order'])).toEqual(['there is no span of the database']);
  });
});
