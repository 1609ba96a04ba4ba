import { describe, expect, it } from '@jest/globals';
import { podChanges } from './pods.ts';

const pod = (name: string, rest: object = {}) => ({ name, uid: `uid-${name}`, restarts: 0, injected: true, ...rest });

describe('podChanges', () => {
  it('finds none in the same pods', () => {
    expect(podChanges([pod('a'), pod('b', { restarts: 2 })], [pod('b', { restarts: 2 }), pod('a')])).toEqual([]);
  });

  it.each([
    ['a restart', [pod('a')], [pod('a', { restarts: 1 })], ['a restarted (1)']],
    ['a replacement of the same name', [pod('a')], [pod('a', { uid: 'other' })], ['a is gone', 'a is new']],
    ['a pod that is gone', [pod('a'), pod('b')], [pod('a')], ['b is gone']],
  ])('tells %s', (_what, before, after, changes) => {
    expect(podChanges(before, after)).toEqual(changes);
  });
});
