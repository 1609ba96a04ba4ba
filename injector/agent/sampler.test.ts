import { describe, expect, it } from '@jest/globals';
import { SpanKind, type SpanContext } from '@opentelemetry/api';
import type { SamplingRule } from '../../crds/sampling.ts';
import { LiveSampler, type Decision } from './sampler.ts';
import type { SpanStart } from './sampling-rules.ts';
import { randomHex } from './tracer.ts';

function sampler(ratio: number, rule?: 'parent' | 'ignore-parent'): LiveSampler {
  const made = new LiveSampler();
  made.set({ ratio, ...(rule && { rule }) });
  return made;
}

/** Whether a decision is to record. */
const sampled = (decision: Decision): boolean => decision !== 'unsampled' && decision !== 'dropped';

describe('LiveSampler', () => {
  const ids = Array.from({ length: 20_000 }, () => randomHex(16));

  it.each([0, 0.01, 0.25, 0.5, 1])('keeps a share of %d', (ratio) => {
    const kept = ids.filter((id) => sampled(sampler(ratio).decide(id, undefined, undefined))).length / ids.length;
    expect(Math.abs(kept - ratio)).toBeLessThan(0.015);
  });

  it('decides by the trace id: a higher ratio keeps all that a lower one keeps', () => {
    const low = sampler(0.2);
    const high = sampler(0.6);
    for (const id of ids)
      if (sampled(low.decide(id, undefined, undefined)))
        expect(sampled(high.decide(id, undefined, undefined))).toBe(true);
  });

  it('uses the randomness that the W3C defines: the last 56 bits', () => {
    expect(sampled(sampler(0.5).decide('ffffffffffffffffff7fffffffffffff', undefined, undefined))).toBe(false);
    expect(sampled(sampler(0.5).decide('00000000000000000080000000000000', undefined, undefined))).toBe(true);
  });

  const parent = (sampled: boolean, isRemote: boolean): SpanContext => {
    return { traceId: ids[0]!, spanId: randomHex(8), traceFlags: Number(sampled), isRemote };
  };

  it('follows the parent, unless it is elsewhere and does not count', () => {
    expect(sampled(sampler(0).decide(ids[0]!, parent(true, true), undefined))).toBe(true);
    expect(sampled(sampler(1).decide(ids[0]!, parent(false, true), undefined))).toBe(false);
    expect(sampled(sampler(1, 'ignore-parent').decide(ids[0]!, parent(false, true), undefined))).toBe(true);
    expect(sampled(sampler(0, 'ignore-parent').decide(ids[0]!, parent(true, true), undefined))).toBe(false);
    expect(sampled(sampler(1, 'ignore-parent').decide(ids[0]!, parent(false, false), undefined))).toBe(false);
    expect(sampled(sampler(0, 'ignore-parent').decide(ids[0]!, parent(true, false), undefined))).toBe(true);
  });

  describe('with rules', () => {
    const rules: SamplingRule[] = [
      { paths: ['/checkout'], ratio: 1 },
      { paths: ['/healthz', '/checkout'], drop: true },
      { paths: ['/never'], ratio: 0 },
      { paths: ['/seldom'], maxPerSecond: 1 },
    ];
    const at = (path: string): SpanStart => ({
      name: 'GET',
      kind: SpanKind.SERVER,
      attribute: (name) => (name === 'url.path' ? path : undefined),
    });
    const made = (ratio: number, rule?: 'parent' | 'ignore-parent', now?: () => number) => {
      const result = new LiveSampler(now);
      result.set({ ratio, ...(rule && { rule }), rules });
      return result;
    };

    it('has the first that matches decide where nobody has, else the ratio', () => {
      expect(sampled(made(0).decide(ids[0]!, undefined, at('/checkout')))).toBe(true);
      expect(sampled(made(1).decide(ids[0]!, undefined, at('/healthz')))).toBe(false);
      expect(sampled(made(1).decide(ids[0]!, undefined, at('/never')))).toBe(false);
      expect(sampled(made(1).decide(ids[0]!, undefined, at('/other')))).toBe(true);
      expect(sampled(made(0).decide(ids[0]!, undefined, at('/other')))).toBe(false);
    });

    it('lets only what is dropped count where a parent has decided', () => {
      for (const remote of [true, false]) {
        expect(sampled(made(1).decide(ids[0]!, parent(true, remote), at('/healthz')))).toBe(false);
        expect(sampled(made(1).decide(ids[0]!, parent(true, remote), at('/never')))).toBe(true);
        expect(sampled(made(1).decide(ids[0]!, parent(false, remote), at('/checkout')))).toBe(false);
      }
      expect(sampled(made(0, 'ignore-parent').decide(ids[0]!, parent(false, true), at('/checkout')))).toBe(true);
      expect(sampled(made(1, 'ignore-parent').decide(ids[0]!, parent(true, true), at('/never')))).toBe(false);
    });

    it('says by which ratio, and not how probable what a rate lets through was', () => {
      expect(made(0.1).decide('f'.repeat(32), undefined, at('/other'))).toMatchObject({ text: 'e666' });
      expect(made(0).decide(ids[0]!, undefined, at('/checkout'))).toMatchObject({ text: '0' });
      expect(made(1).decide(ids[0]!, undefined, at('/seldom'))).toBe('admitted');
      expect(made(1).decide(ids[0]!, parent(true, true), at('/seldom'))).toBe('followed');
    });

    it('goes on counting when rules are set that are the same', () => {
      const live = made(1, 'parent', () => 0);
      expect(sampled(live.decide(ids[0]!, undefined, at('/seldom')))).toBe(true);
      live.set({ ratio: 0.5, rules: structuredClone(rules) });
      expect(sampled(live.decide(ids[0]!, undefined, at('/seldom')))).toBe(false);
      live.set({ ratio: 0.5, rules: [{ paths: ['/seldom'], maxPerSecond: 2 }] });
      expect(sampled(live.decide(ids[0]!, undefined, at('/seldom')))).toBe(true);
    });
  });

  describe('with a header that forces', () => {
    const force = { header: 'x-trace-me', maxPerSecond: 1 };
    const asks = (path = '/'): SpanStart => ({
      name: 'GET',
      kind: SpanKind.SERVER,
      attribute: (name) => (name === 'url.path' ? path : undefined),
      header: (name) => name === 'x-trace-me',
    });
    let now = 0;
    const live = (settings: object) => {
      const made = new LiveSampler(() => now);
      made.set({ ratio: 0, force, ...settings });
      return made;
    };

    it('samples what asks for it where nobody else would, so many a second', () => {
      const made = live({});
      expect(made.decide(ids[0]!, undefined, asks())).toBe('forced');
      expect(made.decide(ids[0]!, undefined, asks())).toBe('unsampled');
      made.set({ ratio: 0, force: { ...force } });
      expect(made.decide(ids[0]!, undefined, asks())).toBe('unsampled');
      now += 1000;
      expect(made.decide(ids[0]!, undefined, { name: 'GET', kind: SpanKind.SERVER, attribute: () => '' })).toBe(
        'unsampled',
      );
      expect(made.decide(ids[0]!, undefined, asks())).toBe('forced');
      now += 1000;
      made.set({ ratio: 0 });
      expect(made.looksAtStart).toBe(false);
      expect(made.decide(ids[0]!, undefined, asks())).toBe('unsampled');
    });

    it('adds to what others sample, and counts nothing for that', () => {
      const made = live({ ratio: 1 });
      expect(made.decide(ids[0]!, undefined, asks())).toMatchObject({ text: '0' });
      made.set({ ratio: 0, force, rules: [{ paths: ['/seldom'], maxPerSecond: 1 }] });
      expect(made.decide(ids[0]!, undefined, asks('/seldom'))).toBe('admitted');
      expect(made.decide(ids[0]!, undefined, asks('/seldom'))).toBe('forced');
    });

    it('counts for nothing where a caller has decided, or a rule drops', () => {
      const rules = [{ paths: ['/healthz'], drop: true }];
      expect(live({ rules }).decide(ids[0]!, undefined, asks('/healthz'))).toBe('dropped');
      expect(live({}).decide(ids[0]!, parent(false, true), asks())).toBe('unsampled');
      expect(live({}).decide(ids[0]!, parent(true, true), asks())).toBe('followed');
      expect(live({ rule: 'ignore-parent' }).decide(ids[0]!, parent(false, true), asks())).toBe('forced');
    });
  });

  it('asks about drops of what is not sampled only where it may be kept', () => {
    const made = sampler(1);
    const healthz: SpanStart = { name: 'GET', kind: SpanKind.SERVER, attribute: () => '/healthz' };
    const rules = [{ paths: ['/healthz'], drop: true }];
    made.set({ ratio: 1, rules });
    expect(made.decide(ids[0]!, parent(false, true), healthz)).toBe('unsampled');
    made.set({ ratio: 1, rules, keep: { errors: true } });
    expect(made.decide(ids[0]!, parent(false, true), healthz)).toBe('dropped');
    made.set({ ratio: 1, rules: [{ paths: ['/healthz'], ratio: 1 }], keep: { errors: true } });
    expect(made.decide(ids[0]!, parent(false, true), healthz)).toBe('unsampled');
  });

  it('takes the nearest ratio for one out of range, and none for NaN', () => {
    expect(sampled(sampler(7).decide(ids[0]!, undefined, undefined))).toBe(true);
    expect(sampled(sampler(-1).decide(ids[0]!, undefined, undefined))).toBe(false);
    expect(sampled(sampler(NaN).decide(ids[0]!, undefined, undefined))).toBe(false);
  });
});
