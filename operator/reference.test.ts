import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { reference } from './reference.ts';

it('docs/reference/metrics.md says what the metrics say of themselves (run "make generate")', () => {
  expect(readFileSync(new URL('../docs/reference/metrics.md', import.meta.url), 'utf8')).toBe(reference());
});
