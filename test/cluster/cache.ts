import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { withLock } from './lock.ts';
import { announce, step } from './progress.ts';

/** Recipes of one thing that are kept: a few, for other checkouts and for going back and forth between two states. */
const KEPT = 4;

/** The folder for what is slow to make and the same for every checkout. */
export function cacheRoot(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'tracing-operator');
}

/** A short hash of everything that a result depends on. */
export function recipeHash(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 12);
}

export interface CachedThing {
  /** Name and version, as in `kubernetes-1.34.4`. */
  readonly name: string;
  /** Everything else that the result depends on. */
  readonly recipe: readonly (string | Buffer)[];
  /** What to say while it is made. */
  readonly title: string;
  readonly usually: string;
  /** Fills the empty folder `dir`; long output goes to the file `log`. */
  readonly make: (dir: string, log: string) => Promise<void>;
}

/** Where the thing will be or is. */
export function cachePath(thing: Pick<CachedThing, 'name' | 'recipe'>): string {
  return join(cacheRoot(), `${thing.name}-${recipeHash(...thing.recipe)}`);
}

/** The folder with the thing in it, made now if it is not there. It appears complete or not at all. */
export async function cached(thing: CachedThing): Promise<string> {
  const path = cachePath(thing);
  if (markUsed(path)) return path;
  mkdirSync(cacheRoot(), { recursive: true });
  const onWait = (pid: number) => announce(`• ${thing.title}: process ${pid} is at it already, waiting`);
  await withLock(`${path}.lock`, { onWait }, async () => {
    if (existsSync(path)) return;
    const log = `${path}.log`;
    rmSync(log, { force: true });
    dropAbandoned(`${basename(path)}.making-`);
    const making = mkdtempSync(`${path}.making-`);
    try {
      await step(thing.title, { usually: thing.usually }, () => thing.make(making, log));
      renameSync(making, path);
      rmSync(log, { force: true });
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
    dropUnused(`${thing.name}-`);
  });
  return path;
}

/** The time of a folder is when it was last used. Returns whether it is there. */
function markUsed(path: string): boolean {
  try {
    utimesSync(path, new Date(), new Date());
    return true;
  } catch {
    return false;
  }
}

/** Keeps of one thing what was used last. Programs that run are not harmed: the system keeps their files until they end. */
function dropUnused(prefix: string): void {
  const paths = readdirSync(cacheRoot())
    .filter((name) => name.startsWith(prefix) && /^[0-9a-f]{12}$/.test(name.slice(prefix.length)))
    .map((name) => join(cacheRoot(), name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const path of paths.slice(KEPT)) rmSync(path, { recursive: true, force: true });
}

/** Half-made things of processes that were killed: whoever holds the lock is the only one that could still be at it. */
function dropAbandoned(prefix: string): void {
  for (const name of readdirSync(cacheRoot())) {
    if (name.startsWith(prefix)) rmSync(join(cacheRoot(), name), { recursive: true, force: true });
  }
}
