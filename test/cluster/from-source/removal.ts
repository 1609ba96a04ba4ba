import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { run } from '../command.ts';
import type { Names } from '../names.ts';
import { identify } from '../process-identity.ts';
import { until } from '../progress.ts';
import { removeCgroup } from './cgroups.ts';
import { findNode, isInNetwork, networkNamespace } from './node.ts';

/**
 * Removes whatever there is of this checkout's cluster, running or left behind by a crash, and nothing else: the node's
 * first process takes the processes and the mounts with it; every other process is known by being in the cluster's
 * network namespace.
 */
export async function removeCluster(names: Names): Promise<void> {
  const node = findNode(names);
  if (node !== undefined) await kill(node.pid);
  for (const pid of processesInNetwork(names)) if (isInNetwork(pid, names)) await kill(pid);
  await removeNetwork(names);
  await removeCgroup(names.cluster);
  rmSync(names.runDir, { recursive: true, force: true });
}

/** Whether anything is there to remove. */
export function hasRemains(names: Names): boolean {
  return existsSync(names.runDir);
}

/** Takes away the network namespace's name, if one is bound there: after a restart of the machine it is a plain file. */
async function removeNetwork(names: Names): Promise<void> {
  const file = networkNamespace(names);
  if (existsSync(file) && statSync(file).dev !== statSync(names.runDir).dev) await run('umount', ['-n', file]);
}

/** All processes in the cluster's network namespace, except this one and those that it was started by. */
export function processesInNetwork(names: Names): number[] {
  const own = ancestors(process.pid);
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => !own.has(pid) && isInNetwork(pid, names));
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
export async function kill(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return;
  }
  await until(`process ${pid} did not end`, 30_000, () => Promise.resolve(identify(pid) === undefined));
}
