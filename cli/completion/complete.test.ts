import { describe, expect, it } from '@jest/globals';
import { program } from '../program.ts';
import { complete } from './complete.ts';
import type { Names } from './complete.ts';

const asked: unknown[] = [];
const names: Names = {
  namespaces: () => Promise.resolve(['shop', 'store', 'default']),
  workloads: (kind, namespace) => {
    asked.push([kind, namespace]);
    return Promise.resolve(['order', 'payment']);
  },
};
const lines = async (...words: string[]) =>
  (
    await complete(
      program(() => {}),
      words,
      names,
    )
  ).split('\n');

describe('what may come next', () => {
  it('is a verb, with what it does', async () => {
    expect(await lines('ex')).toEqual([
      'explain\twhether a workload is traced, why or why not, and what to do',
      ':4',
      '',
    ]);
    expect(await lines('help', 'mig')).toEqual([expect.stringMatching(/^migrate\t/), ':4', '']);
  });

  it('is an option of the verb that has not been given yet', async () => {
    const found = await lines('inject', '-f', 'web.yaml', '--');
    expect(found.map((line) => line.split('\t')[0])).toEqual([
      ...['--policy', '--namespace', '--agent-image', '--check', '--help'],
      ...[':4', ''],
    ]);
  });

  it('is a file where an option takes one, and a namespace where it takes that', async () => {
    expect(await lines('inject', '-f', 'we')).toEqual([':0', '']);
    expect(await lines('inject', '--policy', '')).toEqual([':0', '']);
    expect(await lines('run', '--agent', '')).toEqual([':0', '']);
    expect(await lines('run', '--', 'node', '-')).toEqual([':0', '']);
    expect(await lines('explain', '-n', 's')).toEqual(['shop', 'store', ':4', '']);
  });

  it('is a kind, and then a workload of the namespace that was given', async () => {
    expect(await lines('explain', 'dep')).toEqual(['deployment/', ':6', '']);
    expect(await lines('explain', '-n', 'shop', 'deploy/o')).toEqual(['deploy/order', ':4', '']);
    expect(await lines('explain', 'deploy/order', '')).toEqual([':4', '']);
    expect(asked).toEqual([['deploy', 'shop']]);
  });

  it('is one of a list where there is one, and nothing for a verb that there is not', async () => {
    expect(await lines('completion', 'z')).toEqual(['zsh', ':4', '']);
    expect(await lines('nope', '')).toEqual([':4', '']);
  });
});
