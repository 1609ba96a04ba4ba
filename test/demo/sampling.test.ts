import { describe, expect, it } from '@jest/globals';
import { firstMissing, firstOfAll } from './sampling.ts';

const traced = (picture: string) => [...picture].map((letter) => ({ x: true, '-': false })[letter]);

describe('firstOfAll', () => {
  it.each([
    ['xxxxxxxxxx', 0],
    ['----xxxxxxxxxx??', 4],
    ['-x--xxxxxxxxxx', 4],
    ['--xxxxxxxxx?', -1],
    ['xxxxxxxxx-', -1],
    ['', -1],
  ])('%s: %d', (picture, index) => {
    expect(firstOfAll(traced(picture))).toBe(index);
  });
});

describe('firstMissing', () => {
  it.each([
    ['xxxx-x--', 4],
    ['xxxx????', -1],
    ['', -1],
  ])('%s: %d', (picture, index) => {
    expect(firstMissing(traced(picture))).toBe(index);
  });
});
