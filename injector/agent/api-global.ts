import {
  context,
  propagation,
  trace,
  type ContextManager,
  type TextMapPropagator,
  type TracerProvider,
} from '@opentelemetry/api';

// Where every 1.x copy of @opentelemetry/api looks for what is registered. Our own copy has another place (build.ts), so
// that our instrumentations go on working whatever the app does with this one.
const PUBLIC = Symbol.for('opentelemetry.js.api.1');
// A copy refuses a registration older than itself and would silently do nothing; what we register is all of 1.x.
const ANY_NEWER = '1.999.0';

interface ApiGlobal {
  version: string;
  trace?: unknown;
  context?: unknown;
  propagation?: unknown;
}

const globals = globalThis as unknown as Record<symbol, ApiGlobal | undefined>;

/** Whether somebody else in this process has registered a tracer provider with the API. */
export function isApiTaken(): boolean {
  return globals[PUBLIC]?.trace !== undefined;
}

/** Registers with the API, so that apps using `@opentelemetry/api` of any 1.x join our traces. */
export function registerApi(provider: TracerProvider, contexts: ContextManager, propagator: TextMapPropagator): void {
  context.setGlobalContextManager(contexts);
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(propagator);
  const shared: ApiGlobal = { version: ANY_NEWER, trace: provider, context: contexts, propagation: propagator };
  Object.defineProperty(globalThis, PUBLIC, { value: shared, writable: true, configurable: true, enumerable: true });
}

/**
 * Makes room for an SDK that is being loaded: takes our registration back and calls once when a provider is registered in
 * its place. Until then (and if the SDK is only lying about) our own instrumentations go on.
 */
export function yieldApi(onTaken: () => void): void {
  let current: ApiGlobal | undefined;
  Object.defineProperty(globalThis, PUBLIC, {
    configurable: true,
    enumerable: true,
    get: () => current,
    set: (value: ApiGlobal | undefined) => {
      current = value;
      if (value !== undefined) watch(value, onTaken);
    },
  });
}

function watch(global: ApiGlobal, onTaken: () => void): void {
  let provider = global.trace;
  Object.defineProperty(global, 'trace', {
    configurable: true,
    enumerable: true,
    get: () => provider,
    set: (value: unknown) => {
      provider = value;
      // From here on it is an ordinary property again.
      Object.defineProperty(global, 'trace', { value, writable: true, configurable: true, enumerable: true });
      Object.defineProperty(globalThis, PUBLIC, {
        value: global,
        writable: true,
        configurable: true,
        enumerable: true,
      });
      onTaken();
    },
  });
}

/** Takes our own registration out of the way for good. */
export function unregisterApi(): void {
  const shared = globals[PUBLIC];
  if (shared?.version === ANY_NEWER) Reflect.deleteProperty(globalThis, PUBLIC);
}
