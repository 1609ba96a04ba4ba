import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { run } from '../command.ts';
import type { Names } from '../names.ts';
import { identify } from '../process-identity.ts';
import { until } from '../progress.ts';
import { removeCgroup } from './cgroups.ts';
import { findNode, networkNamespace } from './node.ts';

/**
 * Removes whatever there is of this checkout's cluster, running or left behind by a crash, and nothing else: the node's
 * first process takes the processes and the mounts with it; every other process is known by being in the cluster's
 * network namespace.
 */
export async function removeCluster(names: Names): Promise<void> {
  const node = findNode(names);
  if (node !== undefined) await kill(node.pid);
  for (const pid of await processesInNetwork(names)) await kill(pid);
  if (existsSync(networkNamespace(names))) await run('ip', ['netns', 'del', names.cluster]);
  removeCgroup(names.cluster);
  rmSync(names.runDir, { recursive: true, force: true });
}

/** Whether anything is there to remove. */
export function hasRemains(names: Names): boolean {
  return existsSync(names.runDir) || existsSync(networkNamespace(names));
}

/** All processes in the cluster's network namespace, except this one and those that it was started by. */
async function processesInNetwork(names: Names): Promise<number[]> {
  if (!existsSync(networkNamespace(names))) return [];
  const pids = (await run('ip', ['netns', 'pids', names.cluster], { tolerant: true }))
    .split('\n')
    .filter(Boolean)
    .map(Number);
  const own = ancestors(process.pid);
  return pids.filter((pid) => !own.has(pid) && isInNetwork(pid, names));
}

/** Asked again just before the signal: the number may be another process's by now. */
function isInNetwork(pid: number, names: Names): boolean {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino === statSync(networkNamespace(names)).ino;
  } catch {
    return false;
  }
}

function ancestors(pid: number): Set<number> {
  const found = new Set<number>();
  for (let at = pid; at > 1 && !found.has(at); at = parentOf(at)) found.add(at);
  return found;
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}

/** Ends a process and waits until it is gone; a node's first process is gone only after all others in it. */
async function kill(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return;
  }
  await until(`process ${pid} did not end`, 30_000, () => Promise.resolve(identify(pid) === undefined));
}

/** Names of other things on the machine that carry this cluster's name; empty after a removal. For people and tests. */
export function remains(names: Names): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(names.cluster));
  const files = [names.runDir, networkNamespace(names)].filter((path) => existsSync(path));
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && belongs(Number(name), names));
  return [...mounts, ...files, ...processes.map((pid) => `process ${pid}`)];
}

function belongs(pid: number, names: Names): boolean {
  if (ancestors(process.pid).has(pid)) return false;
  try {
    return `${readFileSync(`/proc/${pid}/cmdline`, 'utf8')} ${readlinkSync(`/proc/${pid}/cwd`)}`.includes(names.runDir);
  } catch {
    return false;
  }
}
