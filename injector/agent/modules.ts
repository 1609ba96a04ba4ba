import Module from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Patch } from './module-hook.ts';
import { failed } from './report.ts';

/** `patchFor` gives the patch for the file of a package's main ES module. */
export type WatchModules = (names: readonly string[], patchFor: (file: string) => Patch | undefined) => void;

interface Loaded {
  format?: string | null;
  source?: unknown;
}
type Resolve = (
  specifier: string,
  context: unknown,
  next: (...values: unknown[]) => { url: string },
) => { url: string };
type Load = (url: string, context: unknown, next: (...values: unknown[]) => Loaded) => Loaded;
interface Hooks {
  registerHooks?(hooks: { resolve: Resolve; load: Load }): void;
  register?(url: string): void;
}

// The module calls it as its last statement, in the thread of the app.
const CALL = Symbol.for('tracing.acme.module');

/** What is put at the end of a module: no line of its own moves. */
const ending = (url: string): string =>
  `\n;import * as tracingAcmeSelf from ${url};globalThis[Symbol.for('tracing.acme.module')]?.(${url},tracingAcmeSelf);`;

/**
 * Watches ES modules of these packages whose code is not that of their CommonJS files. It takes hooks of the loader, which
 * change how all modules are loaded and, on Nodes that have them only in a thread of their own, cost that thread: it is
 * for processes that have such a package.
 */
export const watchModules: WatchModules = (names, patchFor) => {
  Object.defineProperty(globalThis, CALL, {
    value: (url: string, namespace: object) => {
      try {
        patchFor(fileURLToPath(url))?.(namespace);
      } catch (error) {
        failed(`${url} could not be instrumented`, error);
      }
    },
  });
  const { registerHooks, register } = Module as unknown as Hooks;
  if (registerHooks === undefined) {
    const source = `const mains=new Set(),names=${JSON.stringify(names)},ending=${ending.toString()};
export async function resolve(specifier,context,next){const found=await next(specifier,context);if(names.includes(specifier))mains.add(found.url);return found}
export async function load(url,context,next){const loaded=await next(url,context);return mains.has(url)&&loaded.format==='module'?{...loaded,source:Buffer.from(loaded.source)+ending(JSON.stringify(url))}:loaded}`;
    register?.(`data:text/javascript,${encodeURIComponent(source)}`);
    return;
  }
  const mains = new Set<string>();
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      if (names.includes(specifier)) mains.add(found.url);
      return found;
    },
    load(url, context, next) {
      const loaded = next(url, context);
      if (!mains.has(url) || loaded.format !== 'module') return loaded;
      return { ...loaded, source: Buffer.from(loaded.source as string).toString() + ending(JSON.stringify(url)) };
    },
  });
};
