import { describe, expect, it } from '@jest/globals';
import { mayColor } from './output.ts';

describe('mayColor', () => {
  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
  ])('terminal %s, environment %j: %s', (isTTY, env, expected) => {
    expect(mayColor({ isTTY }, env)).toBe(expected);
  });
});
