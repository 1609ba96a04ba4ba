import * as channels from 'node:diagnostics_channel';
import Module, { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as api from '@opentelemetry/api';
import { libraries, type LibraryTable } from 'agent:libraries';
import { UNDICI_CREATE } from './builtins.ts';
import { list, text, type Environment } from './environment.ts';
import { gateInstrumentation, type Wanted } from './gate.ts';
import type { Patch } from './module-hook.ts';
import type { WatchModules } from './modules.ts';
import { isTracer } from './other-tracers.ts';
import { packageOf, readManifest, type Manifest } from './packages.ts';
import { debugOnce, failed, sayOnce } from './report.ts';
import { SeenLibraries, type Definition, type LibraryFacts } from './seen-libraries.ts';

/** Compiles a piece of the agent; `provide` is its `require`. */
export type LoadPiece = (name: string, provide: (id: string) => unknown) => Record<string, unknown>;

/** What the libraries ask and tell the agent. */
export interface LibraryHost extends Wanted {
  /** An instrumentation was made; its library is patched later. */
  onInstrumentation(name: string, instrumentation: object): void;
  /** A package is being loaded that traces by itself. */
  onTracer(name: string): void;
  /** Another library was met. */
  onSeen(): void;
}

// Their ES modules are no wrappers of their CommonJS files, and their instrumentation changes what they export, not the
// exports themselves. To watch modules costs all modules something, so it has to be worth it.
const ES_MODULES: Record<string, (main: string) => boolean> = {
  openai: (main) => isInstalled('openai', main),
  // Many apps have it without ever importing it themselves, and older Nodes need a thread to watch modules.
  'lru-cache': (main) => 'registerHooks' in Module && isInstalled('lru-cache', main) && isAskedFor('lru-cache', main),
};

type OnRequire = (exports: unknown, name: string, directory: string | undefined) => unknown;
interface Instrumentation {
  _extractPackageVersion?: (directory: string) => string | undefined;
  getModuleDefinitions(): Definition[];
  enable(): void;
  disable(): void;
  setConfig(config: object): void;
}
type InstrumentationClass = new (config: object) => Instrumentation;

/**
 * The instrumentations of auto-instrumentations-node and our own, each compiled when the app loads its library. They register with
 * what they believe to be require-in-the-middle; here that is this object, and the module hook does the watching.
 */
export class Libraries {
  private readonly load: LoadPiece;
  private readonly host: LibraryHost;
  private stopped = false;
  private readonly nodeRequire: NodeJS.Require;
  private readonly filter: ReturnType<typeof instrumentationFilter>;
  /** What the policy says of instrumentations, by their short names. */
  private wanted: ReadonlyMap<string, boolean> = new Map();
  /** Those that are loaded and not wanted any more. */
  private readonly off = new Set<string>();
  /** Packages that were looked up while an instrumentation of them was not wanted, by the instrumentation. */
  private readonly skipped = new Map<string, Set<string>>();
  private readonly configs = new Map<string, object>();
  /** Whether the app's own code has begun, and with which file. */
  private main: string | undefined;
  private readonly watched = new Set<string>();
  private hasBegun = false;
  /** What became of the libraries that were met. */
  readonly seen: SeenLibraries;
  private readonly listeners: OnRequire[] = [];
  private readonly active = new Map<string, Instrumentation>();
  private readonly handlers = new Map<string, (message: unknown) => void>();
  private readonly mains = new Map<string, string>();
  private readonly manifests = new Map<string, Manifest>();
  private readonly pieces = new Map<string, Record<string, unknown>>();

  constructor(load: LoadPiece, nodeRequire: NodeJS.Require, env: Environment, process: LibraryHost) {
    this.load = load;
    this.nodeRequire = nodeRequire;
    this.host = process;
    this.filter = instrumentationFilter(env, libraries);
    this.seen = new SeenLibraries(
      {
        table: libraries,
        isEnabled: (instrumentation) => this.isEnabled(instrumentation),
        definitions: (instrumentation) => this.active.get(instrumentation)?.getModuleDefinitions(),
        version: (directory) => this.manifestOf(directory).version,
        satisfies: (...values) => (this.shared()['satisfies'] as LibraryFacts['satisfies'])(...values),
        loadedFiles: () => Object.keys(nodeRequire.cache),
      },
      () => this.host.onSeen(),
    );
  }

  /** Whether the owner, or else the policy, wants an instrumentation, by its short name. */
  isEnabled(name: string): boolean {
    return this.filter(name, this.wanted);
  }

  /** The names of all instrumentations. */
  get known(): string[] {
    return [...Object.keys(libraries.classes), ...OTHERS].sort();
  }

  /** Takes what the policy says from now on. Gives those that run and are not wanted. */
  select(wanted: ReadonlyMap<string, boolean>): string[] {
    this.wanted = wanted;
    this.off.clear();
    for (const name of this.active.keys()) if (!this.isEnabled(name)) this.off.add(name);
    if (this.hasBegun) this.startBuiltins();
    if (this.main !== undefined) this.watchModules(this.main);
    return [...this.off];
  }

  /** The settings of an instrumentation, in its own words. */
  configure(name: string, config: object): void {
    this.configs.set(name, config);
    this.active.get(name)?.setConfig(config);
  }

  /** Those that are wanted now and whose packages were there before. */
  late(): [name: string, packages: string[]][] {
    return [...this.skipped]
      .filter(([name]) => this.isEnabled(name))
      .map(([name, packages]) => [name, [...packages].sort()]);
  }

  /** For the module hook: the patch for a file of a library that has an instrumentation; `asMain` if it is known to be its main file. */
  patchFor(filename: string, asMain = false): Patch | undefined {
    const place = packageOf(filename);
    if (place === undefined) return undefined;
    const { name, directory } = place;
    const library = Object.hasOwn(libraries.packages, name) ? libraries.packages[name] : undefined;
    if (library === undefined) {
      if (isTracer(name)) this.host.onTracer(name);
      return undefined;
    }
    if (this.stopped) return undefined;
    this.seen.note(name, directory);
    const path = filename.slice(directory.length + 1).replaceAll('\\', '/');
    const isMain = asMain || (library.main && this.isMain(filename, name, directory));
    if (!isMain && !library.files.includes(path)) return undefined;
    const wanted = library.instrumentations.filter((instrumentation) => this.isEnabled(instrumentation));
    // Express 5 is made of it, and its own instrumentation makes a span of each of the same layers.
    if (name === 'router' && this.seen.has('express', 5) && this.isEnabled('express')) {
      this.seen.noteCovered(directory);
      return undefined;
    }
    if (wanted.length < library.instrumentations.length) this.noteSkipped(library.instrumentations, name);
    if (wanted.length === 0) return undefined;
    for (const instrumentation of wanted) this.instrument(instrumentation);
    return (exports) => {
      this.seen.notePatched(directory);
      return this.patched(exports, isMain ? name : join(name, path), directory);
    };
  }

  private noteSkipped(instrumentations: readonly string[], library: string): void {
    for (const name of instrumentations) {
      if (this.isEnabled(name)) continue;
      const packages = this.skipped.get(name);
      if (packages === undefined) this.skipped.set(name, new Set([library]));
      else packages.add(library);
    }
  }

  /** Watches the ES modules that need it, where the main script can import one. */
  watchModules(main: string): void {
    this.main = main;
    const names = Object.keys(ES_MODULES).filter(
      (name) =>
        !this.watched.has(name) &&
        libraries.packages[name]?.instrumentations.some((each) => this.isEnabled(each)) &&
        ES_MODULES[name]!(main),
    );
    if (names.length === 0) return;
    for (const name of names) this.watched.add(name);
    const { watchModules } = this.piece('modules') as { watchModules: WatchModules };
    watchModules(names, (file) => this.patchFor(file, true));
  }

  /** Starts what does not wait for a package: instrumentations of builtins that the owner switched on. */
  startBuiltins(): void {
    this.hasBegun = true;
    for (const [name, modules] of Object.entries(libraries.builtins)) {
      if (this.active.has(name) || !this.isEnabled(name) || this.instrument(name) === undefined) continue;
      for (const module of modules) this.patched(this.nodeRequire(module), module, undefined);
      Module.syncBuiltinESMExports();
    }
  }

  /** Loads and switches on one instrumentation, once. */
  instrument(name: string): Instrumentation | undefined {
    const known = this.active.get(name);
    if (known !== undefined || !this.isEnabled(name)) return known;
    try {
      const exports = this.piece(name);
      const className = libraries.classes[name] ?? '';
      const Class = exports[className] as InstrumentationClass;
      const instrumentation = new Class(this.configs.get(name) ?? {});
      // It would read package.json for each file of a library.
      instrumentation._extractPackageVersion = (directory) => this.manifestOf(directory).version;
      gateInstrumentation(instrumentation, name, {
        isOn: () => this.host.isOn() && !this.off.has(name),
        isMeasuring: () => this.host.isMeasuring() && !this.off.has(name),
      });
      this.host.onInstrumentation(name, instrumentation);
      this.active.set(name, instrumentation);
      return instrumentation;
    } catch (error) {
      failed(`instrumentation ${name} could not be loaded`, error);
      return undefined;
    }
  }

  /** Loads every instrumentation there is, for the build's rehearsal only. */
  rehearse(): void {
    for (const name of Object.keys(libraries.classes))
      if (libraries.builtins[name] === undefined) this.instrument(name);
  }

  /** Another piece of the agent that shares our copy of the API. */
  piece(name: string): Record<string, unknown> {
    let exports = this.pieces.get(name);
    if (exports === undefined) {
      exports = this.load(name, (id) => this.provide(id));
      this.pieces.set(name, exports);
    }
    return exports;
  }

  /** What all instrumentations share. */
  private shared(): Record<string, unknown> {
    const shared = this.piece('shared');
    // A method that is not there to be patched would be told to the app's console.
    const shimmer = shared['shimmer'] as (options: { logger(...words: unknown[]): void }) => void;
    shimmer({ logger: (...words) => debugOnce(words.join(' ')) });
    return shared;
  }

  /** Takes back every patch that can be taken back, and makes no more. */
  stop(): void {
    this.stopped = true;
    for (const [name, instrumentation] of this.active) {
      try {
        instrumentation.disable();
      } catch (error) {
        failed(`instrumentation ${name} could not be switched off`, error);
      }
    }
  }

  /** Names of the instrumentations that are loaded. */
  loaded(): string[] {
    return [...this.active.keys()];
  }

  private patched(exports: unknown, name: string, directory: string | undefined): unknown {
    let result = exports;
    for (const listener of this.listeners) result = listener(result, name, directory);
    return result;
  }

  private isMain(filename: string, name: string, directory: string): boolean {
    const { main, hasExports } = this.manifestOf(directory);
    if (!hasExports) {
      const path = join(directory, main);
      return filename === path || filename === `${path}.js` || filename === join(path, 'index.js');
    }
    let resolved = this.mains.get(directory);
    if (resolved === undefined) {
      try {
        // From its own directory a package finds itself, whatever the layout (npm, pnpm, zip).
        resolved = createRequire(join(directory, 'package.json')).resolve(name);
      } catch {
        resolved = '';
      }
      this.mains.set(directory, resolved);
    }
    return resolved === filename;
  }

  private manifestOf(directory: string): Manifest {
    let manifest = this.manifests.get(directory);
    if (manifest === undefined) {
      manifest = readManifest(directory);
      this.manifests.set(directory, manifest);
    }
    return manifest;
  }

  /** What an instrumentation wants to be called with messages of a channel that the agent itself subscribes to. */
  handler(channel: string): ((message: unknown) => void) | undefined {
    return this.handlers.get(channel);
  }

  private provide(id: string): unknown {
    switch (id) {
      case 'diagnostics_channel':
        return { ...channels, subscribe: this.subscribe.bind(this) };
      case '@opentelemetry/api':
        return api;
      case 'require-in-the-middle':
        return { Hook: this.requireHook() };
      case 'import-in-the-middle':
        return { Hook: NoHook };
      case '@opentelemetry/instrumentation':
      case '@opentelemetry/core':
        return this.shared()[id === '@opentelemetry/core' ? 'core' : 'instrumentation'];
      default:
        return this.nodeRequire(id);
    }
  }

  private subscribe(channel: string, handler: (message: unknown) => void): void {
    if (channel === UNDICI_CREATE) this.handlers.set(channel, handler);
    else channels.channel(channel).subscribe(handler);
  }

  private requireHook(): unknown {
    const listeners = this.listeners;
    return class Hook {
      constructor(_modules: unknown, _options: unknown, onRequire: OnRequire) {
        listeners.push(onRequire);
      }
    };
  }
}

class NoHook {}

/** Whether a file can import a package, in the layout of npm. */
function isInstalled(name: string, file: string): boolean {
  try {
    for (let from = file, directory = dirname(from); from !== directory; from = directory, directory = dirname(from))
      if (existsSync(`${directory}/node_modules/${name}`)) return true;
  } catch {
    // The permission model throws where there may be nothing to be seen.
  }
  return false;
}

/** Whether the package of an ES module asks for another by itself. */
function isAskedFor(name: string, file: string): boolean {
  try {
    for (let from = file, directory = dirname(from); from !== directory; from = directory, directory = dirname(from)) {
      if (!existsSync(`${directory}/package.json`)) continue;
      const { type, dependencies } = JSON.parse(readFileSync(`${directory}/package.json`, 'utf8')) as {
        type?: unknown;
        dependencies?: object;
      };
      return (type === 'module' || /\.m[jt]s$/.test(file)) && Object.hasOwn(dependencies ?? {}, name);
    }
  } catch {
    // It cannot be read: nobody knows.
  }
  return false;
}

// Of the same list: done by the agent itself, or of no use for traces.
const OTHERS = ['http', 'host-metrics', 'runtime-node'];

/** Which instrumentations run: the owner's OTEL_NODE_*_INSTRUMENTATIONS, else the policy's, else all but the noisy ones. */
export function instrumentationFilter(
  env: Environment,
  table: LibraryTable,
): (name: string, policy: ReadonlyMap<string, boolean>) => boolean {
  const names = (variable: string): string[] => {
    const named = list(text(env, variable));
    for (const name of named)
      if (!Object.hasOwn(table.classes, name) && !OTHERS.includes(name))
        sayOnce(`${variable}: "${name}" is not known here and is not used`);
    return named;
  };
  const only = names('OTEL_NODE_ENABLED_INSTRUMENTATIONS');
  const never = new Set(names('OTEL_NODE_DISABLED_INSTRUMENTATIONS'));
  const chosen = only.length > 0 ? new Set(only) : undefined;
  return (name, policy) => {
    if (never.has(name)) return false;
    return chosen ? chosen.has(name) : (policy.get(name) ?? !table.offByDefault.includes(name));
  };
}
