import { describe, expect, it } from '@jest/globals';
import { shopTraceProblems } from './shop-trace.ts';
import { childSpan, sampleSpan } from '../../cli/trace/sample-span.ts';

const ROOT = sampleSpan('a');
const QUERY = childSpan('b', 'a', { attributes: { 'db.system.name': 'postgresql' } });

const ALL = { services: ['order', 'payment'], systems: ['postgresql', 'kafka'] };
const HEARD = childSpan('d', 'a', {
  service: 'payment',
  kind: 'consumer',
  attributes: { 'messaging.system': 'kafka' },
});

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
