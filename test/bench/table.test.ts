import { expect, it } from '@jest/globals';
import { result } from './results.ts';
import { table } from './table.ts';

it('lines up names on the left and numbers on the right', () => {
  const text = table([result('live.ratio', 's', 1.5, 30, 12), result('agent.size', 'MB', 0.5911, 54.9, 1)]);
  expect(text).toBe(
    [
      'name         ours  reference   ratio  unit',
      'live.ratio    1.5         30    0.05  s',
      'agent.size  0.591       54.9  0.0108  MB',
      '',
    ].join('\n'),
  );
});

it('has a heading where nothing was measured', () => {
  expect(table([])).toBe('name  ours  reference  ratio  unit\n');
});
