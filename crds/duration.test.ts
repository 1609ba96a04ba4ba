import { describe, expect, it } from '@jest/globals';
import { duration, millisOf } from './duration.ts';

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['2m', 120_000],
    ['0s', 0],
  ])('%s has %d ms', (text, millis) => {
    expect(millisOf(text)).toBe(millis);
  });

  it.each(['', '10', '10 s', '1.5s', '1h', '1m30s', '-1s', '1000000s'])('is not %j', (text) => {
    expect(millisOf(text)).toBeNaN();
  });

  it('is held between its bounds, and shows an example', () => {
    const field = duration({ least: '100ms', most: '5m', example: '10s' });
    for (const text of ['100ms', '5m', '300s']) expect(field.parse(text)).toBe(text);
    for (const text of ['99ms', '301s', '6m', 'soon'])
      expect(() => field.parse(text)).toThrow(/whole number of ms, s or m from 100ms to 5m, e\.g\. 10s/);
  });
});
