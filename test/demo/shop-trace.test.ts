import { describe, expect, it } from '@jest/globals';
import { shopTraceProblems } from './shop-trace.ts';
import type { Span } from '../../cli/trace/span.ts';

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

const ALL = { services: ['order', 'payment'], systems: ['postgresql', 'kafka'] };
const HEARD = { ...span('d', 'a', 'payment', { 'messaging.system': 'kafka' }), kind: 'consumer' as const };

describe('shopTraceProblems', () => {
  it('finds none in a whole trace', () => {
    expect(shopTraceProblems([ROOT, QUERY, HEARD], ALL)).toEqual([]);
  });

  it('names the service that is missing', () => {
    expect(shopTraceProblems([ROOT, QUERY], { ...ALL, systems: [] })).toEqual(['there is no span of payment']);
  });

  it('names the system that is missing', () => {
    expect(shopTraceProblems([ROOT, HEARD], ALL)).toEqual(['there is no span of postgresql']);
  });

  it('waits for who gets a message', () => {
    expect(shopTraceProblems([ROOT, QUERY, { ...HEARD, kind: 'producer' }], ALL)).toEqual([
      'there is no span of kafka',
    ]);
  });
});
