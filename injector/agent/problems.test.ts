import { expect, it } from '@jest/globals';
import { Problems } from './problems.ts';

it('tells of a problem when it comes, changes or goes, and not in between', () => {
  let changes = 0;
  const problems = new Problems(() => (changes += 1));
  problems.clear('exporter a');
  problems.set('exporter b', 'no Secret');
  problems.set('exporter b', 'no Secret');
  expect(changes).toBe(1);
  problems.set('exporter b', 'no key in the Secret');
  problems.set('exporter a', 'no Secret');
  expect([changes, problems.list()]).toEqual([3, ['exporter a: no Secret', 'exporter b: no key in the Secret']]);
  problems.clear('exporter b');
  expect([changes, problems.list()]).toEqual([4, ['exporter a: no Secret']]);
});
