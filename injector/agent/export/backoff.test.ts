import { describe, expect, it } from '@jest/globals';
import { backoff, readRetryAfter } from './backoff.ts';

describe('the wait before another try', () => {
  const retry = { initialMillis: 1_000, maxMillis: 10_000 };

  it('doubles up to its longest', () => {
    const waits = [1, 2, 3, 4, 5, 50].map((tries) => backoff(retry, tries, () => 0.5));
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it('varies by half to both sides', () => {
    expect([backoff(retry, 1, () => 0), backoff(retry, 1, () => 1)]).toEqual([500, 1_500]);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');

  it.each([
    ['20', 20_000],
    [' 0 ', 0],
    ['Thu, 01 Jan 2026 00:01:30 GMT', 90_000],
    ['Wed, 31 Dec 2025 23:00:00 GMT', 0],
    ['soon', 0],
    ['-5', 0],
    [undefined, 0],
  ])('%s is %d ms', (value, millis) => {
    expect(readRetryAfter(value, now)).toBe(millis);
  });
});
