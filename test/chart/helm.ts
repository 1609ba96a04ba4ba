import { join, resolve } from 'node:path';
import { loadAll } from 'js-yaml';
import { run } from '../cluster/command.ts';
import { toolsFolder } from '../cluster/tools.ts';

export const CHART = join(resolve(import.meta.dirname, '../..'), 'charts/tracing-operator');

/** Runs helm, without any cluster. */
export async function helm(...args: string[]): Promise<string> {
  const folder = await toolsFolder();
  return run(folder === undefined ? 'helm' : join(folder, 'helm'), args);
}

/** What the chart makes of these values, as text. The namespace is one that YAML would take for a boolean. */
export function render(values: readonly string[] = [], ...args: string[]): Promise<string> {
  return helm('template', 'x', CHART, '--namespace', 'on', ...values.flatMap((each) => ['--set', each]), ...args);
}

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: unknown;
  data?: Record<string, string>;
}

/** The same, as objects. */
export async function manifests(values: readonly string[] = [], ...args: string[]): Promise<Manifest[]> {
  return (loadAll(await render(values, ...args)) as (Manifest | null)[]).filter((each) => each !== null);
}
