import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { packageOf } from './packages.ts';

/** An app's own code in one file is seldom so large; a bundle with a library in it nearly always is. */
const SMALLEST = 30_000;
/** What is looked at in all: enough for the largest bundles, and an end. */
const MOST_BYTES = 32 * 2 ** 20;
const CHUNK = 64 * 1024;
/** A mark may lie across two chunks. */
const LONGEST_MARK = 512;
const PAUSE_MILLIS = 20;

/**
 * How bundlers note where a module came from: a comment line (esbuild, Rollup's banner, webpack's development mode), the key
 * of a module (webpack, esbuild), or the list of licenses that minifying keeps. In pnpm's and Yarn's folders the last
 * `node_modules` counts.
 */
const MARK =
  /(?:^[ \t]*\/\/ |["'])(?:[^"'\n]*\/)?node_modules\/((?:@[\w.-]+\/)?[\w.-]+)\/[^"'\n]*(?:\.[cm]?js["']?\s*[(:]|\.[cm]?js$)/gm;
const LICENSE = /^((?:@[\w.-]+\/)?[\w.-]+)\/[\w./-]+\.[cm]?js:$/gm;

/** Packages that a part of a bundle says it holds. */
export function packagesInBundle(text: string): string[] {
  const found = new Set<string>();
  for (const pattern of text.includes('Bundled license information') ? [MARK, LICENSE] : [MARK])
    for (const [, name] of text.matchAll(pattern)) if (name !== undefined) found.add(name);
  return [...found];
}

/**
 * Reads the files that the app itself consists of, a piece at a time, and gives the packages that were bundled into each.
 * Runs on timers that keep no process alive, with reads of well below a millisecond.
 */
export function findBundled(files: readonly string[], done: (file: string, packages: string[]) => void): void {
  const own = files.filter((file) => packageOf(file) === undefined);
  let left = MOST_BYTES;
  const later = (work: () => void): void => void setTimeout(work, PAUSE_MILLIS).unref();
  const next = (index: number): void => {
    const file = own[index];
    if (file === undefined || left <= 0) return;
    const packages = new Set<string>();
    const read = (position: number, rest: string): void => {
      const text = readPart(file, position);
      if (text === undefined) {
        if (packages.size > 0) done(file, [...packages]);
        return later(() => next(index + 1));
      }
      left -= CHUNK;
      for (const name of packagesInBundle(rest + text)) packages.add(name);
      later(() => read(position + CHUNK, text.slice(-LONGEST_MARK)));
    };
    read(0, '');
  };
  later(() => next(0));
}

/** Undefined at the end of the file, and for one that is too small to be a bundle or cannot be read. */
function readPart(file: string, position: number): string | undefined {
  let handle: number | undefined;
  try {
    handle = openSync(file, 'r');
    if (fstatSync(handle).size < SMALLEST) return undefined;
    const buffer = Buffer.allocUnsafe(CHUNK);
    const length = readSync(handle, buffer, 0, CHUNK, position);
    return length === 0 ? undefined : buffer.toString('latin1', 0, length);
  } catch {
    return undefined;
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
