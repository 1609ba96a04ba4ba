import { expect, it } from '@jest/globals';
import { wholeNumber } from './options.ts';

it('takes whole numbers', () => {
  expect(wholeNumber('runs', '12')).toBe(12);
});

it.each(['', '0', '-3', '1.5', '1e3', 'many'])('refuses %j', (text) => {
  expect(() => wholeNumber('runs', text)).toThrow(/--runs must be a whole number from 1 on/);
});
