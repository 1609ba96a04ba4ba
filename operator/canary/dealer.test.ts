import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Dealer } from './dealer.ts';

describe('the dealer of canaries', () => {
  const share = (dealer: Dealer, percent: number, pods: number) =>
    Array.from({ length: pods }, () => dealer.deal('p', percent, false)).filter(Boolean).length;

  it('keeps the share over any number of pods in a row, up to one', () => {
    const fraction = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    fc.assert(
      fc.property(
        fraction,
        fc.integer({ min: 0, max: 100 }),
        fc.nat(300),
        fc.nat(300),
        (random, percent, before, pods) => {
          const dealer = new Dealer(() => random);
          share(dealer, percent, before);
          expect(Math.abs(share(dealer, percent, pods) - (pods * percent) / 100)).toBeLessThan(1.000001);
        },
      ),
    );
  });

  it('begins anywhere, so that replicas together, and policies of few pods, keep it as well', () => {
    let state = 1;
    const random = () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
    const first = Array.from({ length: 2_000 }, () => new Dealer(random).deal('p', 10, false));
    expect(first.filter(Boolean).length).toBeGreaterThan(150);
    expect(first.filter(Boolean).length).toBeLessThan(250);
  });

  it('counts each policy by itself, and nothing of which nothing is made', () => {
    const dealer = new Dealer(() => 0);
    expect([dealer.deal('p', 50, false), dealer.deal('q', 50, false)]).toEqual([false, false]);
    expect([dealer.deal('p', 50, true), dealer.deal('p', 50, true)]).toEqual([true, true]);
    expect([dealer.deal('p', 50, false), dealer.deal('p', 50, false)]).toEqual([true, false]);
  });

  it('gives all, or none', () => {
    expect(share(new Dealer(() => 0), 100, 50)).toBe(50);
    expect(share(new Dealer(() => 0.99), 0, 50)).toBe(0);
  });
});
