import { expect, it } from '@jest/globals';
import type { Read } from './reading.ts';
import { readAll } from './reading.ts';

const reads = (pages: unknown[]): Read => (() => Promise.resolve(pages.shift())) as unknown as Read;

it('reads a list page by page', async () => {
  const pages = [
    { items: [1], metadata: { continue: 'a' } },
    { items: [2, 3], metadata: {} },
  ];
  expect(await readAll(reads(pages), '/pods', 'pods')).toEqual([1, 2, 3]);
});

it('takes what the API server says of a list of metadata in which there is nothing', async () => {
  expect(await readAll(reads([{ items: null, metadata: {} }]), '/pods', 'pods')).toEqual([]);
});

it('says when a list may not be read', async () => {
  expect(await readAll(reads([undefined]), '/pods', 'pods')).toBeUndefined();
});
