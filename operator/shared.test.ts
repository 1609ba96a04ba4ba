import { describe, expect, it } from '@jest/globals';
import { Shared } from './shared.ts';

describe('shared values', () => {
  it('are one where they are equal', () => {
    const shared = new Shared();
    const first = ['a'];
    expect(shared.of(first)).toBe(first);
    expect(shared.of(['a'])).toBe(first);
    expect(shared.of(['b'])).not.toBe(first);
    expect(shared.of('["a"]')).toBe('["a"]');
    expect(shared.of(undefined)).toBeUndefined();
  });

  it('are forgotten when nobody asks for them, and kept while somebody does', () => {
    const shared = new Shared();
    const [used, unused] = [['used'], ['unused']];
    shared.of(used);
    shared.of(unused);
    for (let value = 0; value < 20_000; value++) {
      shared.of(value);
      if (value % 1_000 === 0) shared.of(['used']);
    }
    expect(shared.of(['used'])).toBe(used);
    expect(shared.of(['unused'])).not.toBe(unused);
  });
});
