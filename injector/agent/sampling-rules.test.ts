import { describe, expect, it } from '@jest/globals';
import { SpanKind, type Attributes } from '@opentelemetry/api';
import type { SamplingRule } from '../../crds/sampling.ts';
import { CompiledRule, checkRules, unknownField, type SpanStart } from './sampling-rules.ts';

const start = (attributes: Attributes, name = 'GET', kind = SpanKind.SERVER): SpanStart => ({
  name,
  kind,
  attribute: (key) => attributes[key],
});
const matches = (rule: SamplingRule, of: SpanStart) => new CompiledRule(rule, () => 0).matches(of);
const path = (text: string) => start({ 'url.path': text, 'http.request.method': 'GET' });

describe('a sampling rule matches', () => {
  it.each<[string, string, boolean]>([
    ['/healthz', '/healthz', true],
    ['/healthz', '/healthz/', false],
    ['/healthz', '/a/healthz', false],
    ['/orders/*', '/orders/1/items', true],
    ['/orders/*', '/orders', false],
    ['*/health', '/a/b/health', true],
    ['/a*z', '/a/b/z', true],
    ['/a.b', '/aXb', false],
    ['/(x|y)[0-9]+', '/x1', false],
    ['/a**b', '/ab', true],
    ['/line*', '/line\nbreak', true],
  ])('%s against %s: %s', (pattern, text, expected) => {
    expect(matches({ paths: [pattern], drop: true }, path(text))).toBe(expected);
  });

  it('any of a list, and all kinds of condition together', () => {
    const rule: SamplingRule = { paths: ['/a', '/b'], methods: ['POST', 'GET'], spanKinds: ['Server'], ratio: 1 };
    expect(matches(rule, path('/b'))).toBe(true);
    expect(matches(rule, path('/c'))).toBe(false);
    expect(matches({ ...rule, methods: ['POST'] }, path('/b'))).toBe(false);
    expect(matches({ ...rule, spanKinds: ['Client', 'Consumer'] }, path('/b'))).toBe(false);
  });

  it('paths of requests that arrive, and not of those that are sent', () => {
    const sent = start({ 'url.path': '/metrics' }, 'GET', SpanKind.CLIENT);
    expect(matches({ paths: ['/metrics'], drop: true }, sent)).toBe(false);
    expect(matches({ attributes: { 'url.path': '/metrics' }, drop: true }, sent)).toBe(true);
  });

  it('names, and attributes of any type; one that is not there does not match', () => {
    const found = start({ 'db.system.name': 'redis', 'server.port': 6379 }, 'PING', SpanKind.CLIENT);
    expect(matches({ spanNames: ['PI*'], drop: true }, found)).toBe(true);
    expect(matches({ attributes: { 'server.port': '63*', 'db.system.name': 'redis' }, drop: true }, found)).toBe(true);
    expect(matches({ attributes: { 'db.namespace': '*' }, drop: true }, found)).toBe(false);
    expect(matches({ paths: ['*'], drop: true }, found)).toBe(false);
  });
});

describe('maxPerSecond', () => {
  const admitted = (maxPerSecond: number, at: number[]): boolean[] => {
    let now = 0;
    const rule = new CompiledRule({ paths: ['*'], maxPerSecond }, () => now);
    return at.map((time) => {
      now = time;
      return rule.limit!.take();
    });
  };

  it('lets so many through in each second', () => {
    const times = Array.from({ length: 10_000 }, (_, i) => i);
    // What had gathered when it began, and ten seconds.
    expect(admitted(5, times).filter(Boolean)).toHaveLength(54);
  });

  it('takes less than one a second for one at a time', () => {
    expect(admitted(0.1, [0, 1_000, 9_999, 10_000, 10_001, 60_000, 60_001])).toEqual([
      true,
      false,
      false,
      true,
      false,
      true,
      false,
    ]);
  });
});

describe('the rules of a document', () => {
  it('are taken as they are, also with a field of a later version', () => {
    const later = { paths: ['/a'], moonPhase: 'full', drop: true } as SamplingRule;
    expect(() => checkRules([later, { spanKinds: ['Server'], ratio: 0 }])).not.toThrow();
    expect(unknownField(later)).toBe('moonPhase');
    expect(unknownField({ spanKinds: ['Gateway' as 'Server'], drop: true })).toBe('Gateway');
    expect(unknownField({ spanKinds: ['Server'], maxPerSecond: 1 })).toBeUndefined();
  });

  it.each<[unknown, RegExp]>([
    [{}, /rules is not a list/],
    [[1], /rules\[0\] is not an object/],
    [[{ ratio: 1, paths: ['/'] }, { drop: false }], /rules\[1\]\.drop/],
    [[{ ratio: '1' }], /rules\[0\]\.ratio is not what it should be: "1"/],
    [[{ maxPerSecond: -1 }], /maxPerSecond/],
    [[{ paths: '/a' }], /paths/],
    [[{ paths: [1] }], /paths/],
    [[{ attributes: ['a'] }], /attributes/],
    [[{ attributes: { a: 1 } }], /attributes/],
  ])('are refused when they are %j', (rules, message) => {
    expect(() => checkRules(rules)).toThrow(message);
  });
});
