import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { program } from '../../cli/program.ts';
import { CHECKOUT } from './pages.ts';
import type { Words } from './shell.ts';

interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  definitions?: Record<string, Schema>;
}

const VALUES = JSON.parse(readFileSync(join(CHECKOUT, 'charts/tracing-operator/values.schema.json'), 'utf8')) as Schema;
const { scripts } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const TARGETS = new Set(
  [...readFileSync(join(CHECKOUT, 'Makefile'), 'utf8').matchAll(/^([a-z-]+):/gm)].map(([, target]) => target),
);

/** What is wrong with a command that a page shows; undefined: nothing, or it is a program that is not ours. */
export function commandProblem(words: Words, page: string): string | undefined {
  const [command = '', ...args] = words.map((word) => word.replace(/^(\.\/)?node_modules\/\.bin\//, ''));
  const flags = args.findIndex((arg) => !arg.startsWith('-'));
  if (command === 'kubectl' && args[0] === 'tracing') return verbProblem(args.slice(1));
  if (command === 'kubectl-tracing') return verbProblem(args);
  if (command === 'helm') return helmProblem(args, page);
  if (command === 'make')
    return args.find((arg) => /^[a-z-]+$/.test(arg) && !TARGETS.has(arg)) && `make has no target in ${args.join(' ')}`;
  if (command === 'node') {
    const file = flags === -1 ? undefined : args[flags];
    // A reader's own program.
    if (file === undefined || !/^(test|cli|operator|injector|crds)\//.test(file)) return undefined;
    return existsSync(join(CHECKOUT, file)) ? undefined : `there is no ${file}`;
  }
  if (command === 'npm' && args[0] === 'run' && page.startsWith('examples/') === false) {
    const script = args.slice(1).find((arg) => !arg.startsWith('-'));
    return script !== undefined && script in scripts ? undefined : `package.json has no script ${script}`;
  }
  return undefined;
}

/** Parses arguments by the real program, without doing what they say. */
export function verbProblem(args: readonly string[]): string | undefined {
  const root = program(() => undefined);
  for (const verb of root.commands) verb.action(() => undefined).configureOutput({ writeOut: () => undefined });
  root.configureOutput({ writeOut: () => undefined });
  const name = (args[0] === 'help' ? args[1] : args[0]) ?? '-';
  if (!name.startsWith('-') && !root.commands.some((verb) => verb.name() === name))
    return `kubectl tracing has no verb ${name}`;
  try {
    root.parse([...args], { from: 'user' });
    return undefined;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return code?.startsWith('commander.help') ? undefined : message;
  }
}

function helmProblem(args: readonly string[], page: string): string | undefined {
  const chart = args.find((arg) => arg.includes('charts/tracing-operator'));
  if (chart === undefined) return undefined;
  const isThere = [CHECKOUT, join(CHECKOUT, dirname(page))].some((from) => existsSync(join(from, chart)));
  if (!isThere) return `there is no ${chart}`;
  for (const [at, arg] of args.entries()) {
    const set = /^--set(-string|-json|-file)?(=(.*))?$/.exec(arg);
    const [, , , value = args[at + 1] ?? ''] = set ?? [];
    const key = value.split('=', 1)[0]!;
    if (set && !hasValue(VALUES, key.split('.'))) return `the chart has no value ${key}`;
  }
  return undefined;
}

/** Keys of a values file that the chart does not have. */
export function unknownValues(values: object, schema = VALUES, path: string[] = []): string[] {
  return Object.entries(values).flatMap(([key, value]: [string, unknown]) => {
    const at = [...path, key];
    if (!hasValue(VALUES, at)) return [at.join('.')];
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? unknownValues(value, schema, at) : [];
  });
}

function hasValue(schema: Schema, path: readonly string[]): boolean {
  const known = schema.$ref ? VALUES.definitions![schema.$ref.split('/').at(-1)!]! : schema;
  const [key, ...rest] = path;
  if (key === undefined) return true;
  const name = key.replace(/\[\d+\]$/, '');
  const inner = known.properties?.[name];
  if (inner) return hasValue(key === name || !inner.items ? inner : inner.items, rest);
  if (typeof known.additionalProperties === 'object') return hasValue(known.additionalProperties, rest);
  return known.additionalProperties !== false;
}
