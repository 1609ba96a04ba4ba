import { describe, expect, it } from '@jest/globals';
import { overriddenPolicy } from '../../injector/sample-overridden-policy.ts';
import { InputError } from '../input-error.ts';
import { entryOf, lengthOf, withEntry, withoutEntry } from './entry.ts';
import type { Whose } from './entry.ts';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const until = '2026-01-31T12:10:00Z';
const whose: Whose = { namespace: 'shop', workload: 'deployment/order', purpose: 'ratio' };
const policy = (override?: unknown) => overriddenPolicy(override === undefined ? undefined : JSON.stringify(override));

describe('the annotation that is written', () => {
  it('has the new entry in the place of the one before, and none that has ended', () => {
    const look = { workload: 'deployment/order', reportSeconds: 5, until };
    const other = { workload: 'deployment/payment', ratio: 1, until };
    const before = policy([
      look,
      other,
      { workload: 'deployment/order', ratio: 0.2, until },
      { workload: 'deployment/stock', ratio: 0.2, until: '2026-01-31T11:59:59Z' },
    ]);
    const after = JSON.parse(withEntry(before, whose, { ratio: 0.5, until }, NOW)) as unknown;
    expect(after).toEqual([look, other, { workload: 'deployment/order', ratio: 0.5, until }]);
    expect(entryOf(before, whose, NOW)).toMatchObject({ ratio: 0.2 });
    expect(JSON.parse(withoutEntry(before, whose, NOW)!)).toEqual([look, other]);
    expect(withoutEntry(policy([{ workload: 'deployment/order', ratio: 0.2, until }]), whose, NOW)).toBeNull();
    expect(entryOf(policy(), whose, NOW)).toBeUndefined();
  });

  it('says its namespace in a cluster policy', () => {
    const { metadata, spec } = policy();
    const { namespace: _, ...rest } = metadata;
    const wide = { kind: 'ClusterTracingPolicy', metadata: rest, spec } as const;
    expect(JSON.parse(withEntry(wide, whose, { ratio: 0.5, until }, NOW))).toEqual([
      { namespace: 'shop', workload: 'deployment/order', ratio: 0.5, until },
    ]);
  });

  it('is refused by what the operator would refuse', () => {
    expect(() => withEntry(policy(), whose, { ratio: 1.5, until }, NOW)).toThrow(InputError);
    const full = policy(Array.from({ length: 16 }, (_, i) => ({ workload: `deployment/w${i}`, ratio: 1, until })));
    expect(() => withEntry(full, whose, { ratio: 1, until }, NOW)).toThrow(/16 overrides already/);
  });
});

describe('a length of time', () => {
  it.each([
    ['90s', 90_000],
    ['10m', 600_000],
    ['24h', 86_400_000],
  ])('%s is %i ms', (text, millis) => expect(lengthOf(text, '--for', ['10s', '24h'])).toBe(millis));

  it.each(['9s', '25h', '10', '1.5h', '10 m', '-1m', ''])('%j is refused with an example', (text) =>
    expect(() => lengthOf(text, '--for', ['10s', '24h'])).toThrow(/--for .*from 10s to 24h.*e\.g\. --for 10m/),
  );
});
