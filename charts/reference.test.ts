import { expect, it } from '@jest/globals';
import { reference, values } from './reference.ts';

it('the chart\'s README has the values as they are (run "make generate")', () => {
  const { page, text } = reference();
  expect(page).toBe(text);
});

it('every value that does not speak for itself has a comment in values.yaml', () => {
  const speaking = /(^|\.)(repository|pullPolicy|nodeSelector|tolerations|affinity|interval|webhook|reports)$/;
  expect(values().filter(({ path, meaning }) => meaning === '' && !speaking.test(path))).toEqual([]);
});
