import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { ELSEWHERE } from './elsewhere.ts';
import { CHECKOUT, shellBlocks } from './pages.ts';

it('names blocks that there are, and tests that there are', () => {
  const blocks = shellBlocks();
  const wrong = Object.entries(ELSEWHERE).flatMap(([key, why]) => [
    ...(blocks.some(({ page, text }) => page === key || `${page}:${text}`.startsWith(key)) ? [] : [`no block: ${key}`]),
    ...[...why.matchAll(/test\/\S+\.ts/g)].flatMap(([file]) =>
      existsSync(join(CHECKOUT, file)) ? [] : [`${key}: no ${file}`],
    ),
  ]);
  expect(wrong).toEqual([]);
});
