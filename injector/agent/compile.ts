import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeBinary, SUPPORTED_LINES } from './runtimes/index.ts';

// Node 18 has ended: it works, without compiled code.
const COMPILED_LINES = SUPPORTED_LINES.filter((line) => Number(line) >= 20);
// Pieces that no server loads at its start, or few do, do not pay for the space their compiled code takes: without it they
// take about a millisecond longer.
const UNCOMPILED = [
  'address',
  'aws-lambda',
  'aws-sdk',
  'cassandra-driver',
  'cucumber',
  'describe',
  'instrumentations',
  'kafkajs',
  'keep',
  'last',
  'logs',
  'lru-cache',
  'memcached',
  'memjs',
  'metrics',
  'modules',
  'node-cache',
  'old-names',
  'openai',
  'oracledb',
  'propagators',
  'restify',
  'uncaught',
];
// No NODE_OPTIONS of ours: flags are part of what compiled code must fit.
const CLEAN = { encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: process.env['HOME'] } } as const;

/** Node for which architecture, and what runs it here: a program and its arguments, before those of Node. */
export interface Target {
  readonly architecture: string;
  readonly run: readonly string[];
}

/**
 * Has each Node that is to be served quickly compile the agent in a folder beforehand, in place of what was compiled there, and
 * writes the sums of its files for the init container. What does not fit a Node is never used by it (V8 checks version, flags and
 * architecture), so a line that cannot be had here only starts some milliseconds slower: those are returned, with the reason.
 */
export function compile(
  directory: string,
  { architecture, run }: Target = { architecture: process.arch, run: [] },
): string[] {
  for (const file of readdirSync(directory)) if (file.endsWith('.cache')) rmSync(join(directory, file));
  const failed: string[] = [];
  for (const line of COMPILED_LINES) {
    try {
      const binary = nodeBinary(line, architecture);
      const [program = binary, ...before] = [...run, binary];
      const node = (...args: string[]) => execFileSync(program, [...before, ...args], CLEAN);
      const tag = node('-p', '`${process.versions.v8}-${process.platform}-${process.arch}`').trim();
      node(join(import.meta.dirname, 'warm.cjs'), directory, join(directory, `v8-${tag}.cache`), ...UNCOMPILED);
    } catch (error) {
      failed.push(`Node ${line}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  writeChecksums(directory);
  return failed;
}

/** In the format of sha256sum. */
function writeChecksums(directory: string): void {
  const sums = readdirSync(directory)
    .filter((file) => file !== 'SHA256SUMS')
    .sort()
    .map((file) => {
      const sum = createHash('sha256').update(readFileSync(join(directory, file)));
      return `${sum.digest('hex')}  ${file}\n`;
    });
  writeFileSync(join(directory, 'SHA256SUMS'), sums.join(''));
}
