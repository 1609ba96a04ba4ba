import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identify, isAlive, parseIdentity } from './process-identity.ts';

export interface LockOptions {
  /** Called once when someone else holds the lock. */
  readonly onWait?: (pid: number) => void;
  readonly pollMs?: number;
}

/** Does `work` while no other process on this machine holds the same lock file; the lock of a dead process is taken over. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  while (!tryLock(path)) {
    const holder = parseIdentity(readOr(path, ''));
    if (holder === undefined || !isAlive(holder)) {
      dropStale(path);
      continue;
    }
    if (!told) options.onWait?.(holder.pid);
    told = true;
    await sleep(options.pollMs ?? 250);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** The lock appears with its owner already written in it, so nobody can see it empty: written aside, then linked. */
function tryLock(path: string): boolean {
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, JSON.stringify(identify(process.pid)));
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Another waiter may have replaced the dead lock by its own between our look and our move: then it is put back. */
function dropStale(path: string): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const taken = parseIdentity(readOr(aside, ''));
  if (taken !== undefined && isAlive(taken)) {
    try {
      linkSync(aside, path);
    } catch {
      // A third one has locked meanwhile. What the lock guards is made aside and renamed, so that is waste, not damage.
    }
  }
  rmSync(aside, { force: true });
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}
