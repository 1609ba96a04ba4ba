import { expect, it } from '@jest/globals';
import { BehindPods } from './behind.ts';

it('knows since when a pod has been behind, until it follows or is to act on something else', () => {
  const pods = new BehindPods();
  const look = (now: number, ...behind: [podUid: string, mark: string][]) => {
    pods.next();
    return behind.map(([podUid, mark]) => pods.for(podUid, mark, now));
  };
  expect(look(1_000, ['a', 'p 1'], ['b', 'p 1'])).toEqual([0, 0]);
  expect(look(5_000, ['a', 'p 1'], ['b', 'p 2'])).toEqual([4_000, 0]);
  // It has followed meanwhile.
  expect(look(9_000, ['b', 'p 2'])).toEqual([4_000]);
  expect(look(12_000, ['a', 'p 1'], ['b', 'p 2'])).toEqual([0, 7_000]);
});
