import { describe, expect, it } from '@jest/globals';
import { LiveSampler } from './sampler.ts';
import { randomHex } from './tracer.ts';

function sampler(ratio: number, rule?: 'parent' | 'ignore-parent'): LiveSampler {
  const made = new LiveSampler();
  made.set(ratio, rule);
  return made;
}

describe('LiveSampler', () => {
  const ids = Array.from({ length: 20_000 }, () => randomHex(16));

  it.each([0, 0.01, 0.25, 0.5, 1])('keeps a share of %d', (ratio) => {
    const kept = ids.filter((id) => sampler(ratio).keeps(id, undefined)).length / ids.length;
    expect(Math.abs(kept - ratio)).toBeLessThan(0.015);
  });

  it('decides by the trace id: a higher ratio keeps all that a lower one keeps', () => {
    const low = sampler(0.2);
    const high = sampler(0.6);
    for (const id of ids) if (low.keeps(id, undefined)) expect(high.keeps(id, undefined)).toBe(true);
  });

  it('uses the randomness that the W3C defines: the last 56 bits', () => {
    expect(sampler(0.5).keeps('ffffffffffffffffff7fffffffffffff', undefined)).toBe(false);
    expect(sampler(0.5).keeps('00000000000000000080000000000000', undefined)).toBe(true);
  });

  it('follows the parent, unless told not to', () => {
    expect(sampler(0).keeps(ids[0]!, true)).toBe(true);
    expect(sampler(1).keeps(ids[0]!, false)).toBe(false);
    expect(sampler(1, 'ignore-parent').keeps(ids[0]!, false)).toBe(true);
  });

  it('takes the nearest ratio for one out of range, and none for NaN', () => {
    expect(sampler(7).keeps(ids[0]!, undefined)).toBe(true);
    expect(sampler(-1).keeps(ids[0]!, undefined)).toBe(false);
    expect(sampler(NaN).keeps(ids[0]!, undefined)).toBe(false);
  });
});
