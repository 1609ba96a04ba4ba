import { expect, it } from '@jest/globals';
import { reference } from './reference.ts';

it('docs/reference/cli.md says what the verbs say of themselves (run "make generate")', () => {
  const { page, text, missing } = reference();
  expect(page).toBe(text);
  expect(missing).toEqual([]);
});
