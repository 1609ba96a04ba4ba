import type { AsyncLocalStorage } from 'node:async_hooks';
import { ROOT_CONTEXT, type Context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';

const MAX_DEPTH = 8;

/**
 * An immutable context as a short chain of entries. The API's own copies a Map at each `setValue`; requests set two or
 * three values and read them often. Setting the value that is there already gives the same context back, so that
 * "enter the context I am in" costs nothing.
 */
export class ChainContext implements Context {
  private readonly key: symbol | undefined;
  private readonly value: unknown;
  private readonly parent: ChainContext | undefined;
  private readonly depth: number;

  constructor(key?: symbol, value?: unknown, parent?: ChainContext) {
    this.key = key;
    this.value = value;
    this.parent = parent;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
  }

  getValue(key: symbol): unknown {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- walks a chain that starts here
    let entry: ChainContext | undefined = this;
    while (entry !== undefined) {
      if (entry.key === key) return entry.value;
      entry = entry.parent;
    }
    return undefined;
  }

  setValue(key: symbol, value: unknown): ChainContext {
    if (this.key === key) return this.value === value ? this : new ChainContext(key, value, this.parent);
    if (this.depth >= MAX_DEPTH) return this.flatten(key).setValue(key, value);
    return new ChainContext(key, value, this);
  }

  deleteValue(key: symbol): ChainContext {
    return this.getValue(key) === undefined ? this : this.setValue(key, undefined);
  }

  /** The same values without shadowed entries and without `except`: keeps endless chains of work from growing. */
  private flatten(except: symbol): ChainContext {
    const values = new Map<symbol, unknown>();
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- walks a chain that starts here
    for (let entry: ChainContext | undefined = this; entry !== undefined; entry = entry.parent) {
      if (entry.key !== undefined && entry.key !== except && !values.has(entry.key)) values.set(entry.key, entry.value);
    }
    let flat = EMPTY_CONTEXT;
    for (const [key, value] of values) if (value !== undefined) flat = new ChainContext(key, value, flat);
    // A chain of live values longer than the limit is the app's own wish: it must not be flattened at every step.
    return flat.depth < MAX_DEPTH ? flat : new ChainContext(except, undefined, flat);
  }
}

/** A root context of the cheap kind. */
export const EMPTY_CONTEXT = new ChainContext();

/** The context manager: as if there were none while tracing is off, and no work to enter the context one is in. */
export class LiveContextManager extends AsyncLocalStorageContextManager {
  private readonly storage = (this as unknown as { _asyncLocalStorage: AsyncLocalStorage<Context> })._asyncLocalStorage;
  private on = true;

  /** Switches context propagation; off, nothing is stored and what was stored is forgotten. */
  setOn(on: boolean): void {
    if (this.on && !on) this.disable();
    this.on = on;
  }

  /** Makes a context the current one for the rest of this synchronous work and what it starts. */
  enter(context: Context): void {
    if (this.on) this.storage.enterWith(context);
  }

  override active(): Context {
    return (this.on && this.storage.getStore()) || ROOT_CONTEXT;
  }

  override with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    if (!this.on || context === this.storage.getStore()) return fn.apply(thisArg, args);
    if (thisArg == null) return this.storage.run(context, fn, ...args);
    return this.storage.run(context, () => fn.apply(thisArg, args));
  }
}
