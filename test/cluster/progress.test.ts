import { describe, expect, it } from '@jest/globals';
import { formatDuration, until } from './progress.ts';

describe('formatDuration', () => {
  it.each([
    [40, '0.0 s'],
    [9_940, '9.9 s'],
    [12_300, '12 s'],
    [59_700, '1 min 00 s'],
    [185_000, '3 min 05 s'],
  ])('%d ms is %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});

describe('until', () => {
  it('goes on as soon as the check holds', async () => {
    let calls = 0;
    await until('never', 5_000, () => Promise.resolve(++calls === 2));
    expect(calls).toBe(2);
  });

  it('gives up with what it waited for', async () => {
    await expect(until('the moon did not rise', 50, () => Promise.resolve(false))).rejects.toThrow(
      'the moon did not rise',
    );
  });
});
