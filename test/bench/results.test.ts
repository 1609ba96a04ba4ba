import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { median, percentile, quartiles, result, slope, writeResults } from './results.ts';

it('merges by name', () => {
  const directory = mkdtempSync(join(tmpdir(), 'results-'));
  const file = join(directory, 'results.json');
  writeResults([result('b', 'ms', 10, 40, 5), result('a', 'ms', 1, 3, 5)], file);
  writeResults([result('b', 'ms', 20, 40, 9)], file);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual([
    { name: 'a', unit: 'ms', ours: 1, reference: 3, ratio: 0.333, runs: 5 },
    { name: 'b', unit: 'ms', ours: 20, reference: 40, ratio: 0.5, runs: 9 },
  ]);
  rmSync(directory, { recursive: true });
});

it('finds the median', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
});

it('finds the quartiles', () => {
  expect(quartiles([5, 1, 4, 2, 3])).toEqual([2, 4]);
  expect(quartiles([7])).toEqual([7, 7]);
});

it('finds a percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1).reverse();
  expect(percentile(hundred, 0.99)).toBe(100);
  expect(percentile(hundred, 0.5)).toBe(51);
  expect(percentile([7], 0.99)).toBe(7);
});

it('finds the slope of a line through noise', () => {
  expect(
    slope([
      [0, 1],
      [1, 3],
      [2, 5],
    ]),
  ).toBe(2);
  expect(
    slope([
      [0, 5],
      [1, 6],
      [2, 4],
      [3, 5],
    ]),
  ).toBeCloseTo(-0.2);
});
