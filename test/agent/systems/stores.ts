import { join } from 'node:path';
import { expect } from '@jest/globals';
import { installedApp } from '../app.ts';
import { ROOT } from '../process.ts';
import type { Scene } from './scene.ts';

const APPS = join(ROOT, 'test/agent/apps');
/** Majors of the libraries: the ones of today, and the ones before. */
export const GENERATIONS = ['stores', 'stores-before'] as const;

/** The folder of the programs that ask databases and caches, with the libraries of one generation, or of another test's app. */
export function storesApp(generation: (typeof GENERATIONS)[number] | 'matrix' = 'stores'): string {
  return installedApp(join(APPS, generation), join(APPS, 'stores'));
}

/** Has a program do each work, one after the other, looks at what it gives, and then at the tree of all spans. */
export async function expectWorks(
  scene: Scene,
  start: { line?: string; args: string[]; cwd: string; env?: Record<string, string> },
  works: Record<string, unknown>,
  golden: string,
): Promise<void> {
  const server = await scene.server('shop', start);
  // What a program does to connect is not of interest, and not always the same.
  await scene.settled();
  const given: Record<string, unknown> = {};
  for (const work of Object.keys(works)) given[work] = await (await fetch(`${server.url}/${work}`)).json();
  expect(given).toEqual(works);
  await scene.expectTree(join(import.meta.dirname, golden));
}
