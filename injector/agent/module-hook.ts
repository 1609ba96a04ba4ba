import Module from 'node:module';
import { failed } from './report.ts';

/** What to do with a library's file once it is loaded: gives what `require` should return. */
export type Patch = (exports: unknown) => unknown;

/** Looks at a file about to be loaded; undefined means it is of no interest (nearly always). */
export type Interest = (filename: string) => Patch | undefined;

interface LoaderInternals {
  _findPath(request: string, paths: string[] | null, isMain?: boolean): string | false;
  _resolveFilename(...values: unknown[]): string;
  _cache: Record<string, { loaded: boolean } | undefined>;
  prototype: { load: Load };
}
type Load = (this: { exports: unknown }, filename: string) => void;

const loader = Module as unknown as LoaderInternals;

/**
 * Watches which files CommonJS is about to load (also when ES modules import them). The hook sits where Node looks a
 * path up, not around `require` or `load`: it has returned before any code of the app runs, so it is in no stack trace
 * of the app, and costs one string search per file. Only while a library of interest is being loaded is `load` replaced.
 */
export function watchLibraries(interest: Interest): void {
  const findPath = loader._findPath;
  loader._findPath = function _findPath(request, paths, isMain) {
    const filename = findPath.call(this, request, paths, isMain);
    if (filename === false) return filename;
    if (filename.includes('node_modules')) notice(filename, interest);
    else if (filename.endsWith('.pnp.cjs')) notice(filename, () => (exports) => watchPlugnplay(interest, exports));
    return filename;
  };
  if (process.versions['pnp'] !== undefined) watchPlugnplay(interest);
}

/** Yarn's Plug'n'Play looks no path up: what it finds is what it makes of a request. */
function watchPlugnplay(interest: Interest, exports?: unknown): unknown {
  const resolve = loader._resolveFilename;
  loader._resolveFilename = function _resolveFilename(...values) {
    const filename = Reflect.apply(resolve, this, values);
    if (filename.includes('node_modules')) notice(filename, interest);
    return filename;
  };
  return exports;
}

const awaited = new Map<string, Patch>();
let originalLoad: Load | undefined;
let looking = false;

/** Looks at a resolved file and, if it is of interest and not loaded yet, has it patched when it is. */
export function notice(filename: string, interest: Interest): void {
  // Looking something up resolves paths itself.
  if (looking || awaited.has(filename)) return;
  looking = true;
  try {
    if (loader._cache[filename]?.loaded) return;
    const patch = interest(filename);
    if (patch === undefined) return;
    awaited.set(filename, patch);
    if (originalLoad === undefined) {
      originalLoad = loader.prototype.load;
      loader.prototype.load = loadAndPatch;
    }
  } catch (error) {
    failed(`${filename} could not be instrumented`, error);
  } finally {
    looking = false;
  }
}

const loadAndPatch: Load = function load(filename) {
  const original = originalLoad as Load;
  const patch = awaited.get(filename);
  if (patch !== undefined) {
    awaited.delete(filename);
    // What this file loads in turn should see Node's own function.
    if (awaited.size === 0 && loader.prototype.load === loadAndPatch) {
      loader.prototype.load = original;
      originalLoad = undefined;
    }
  }
  Reflect.apply(original, this, [filename]);
  if (patch === undefined) return;
  try {
    this.exports = patch(this.exports);
  } catch (error) {
    failed(`${filename} could not be instrumented`, error);
  }
};
