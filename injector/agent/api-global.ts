import { readFileSync } from 'node:fs';
import {
  context,
  propagation,
  trace,
  type ContextManager,
  type TextMapPropagator,
  type TracerProvider,
} from '@opentelemetry/api';
import { packageOf, readManifest } from './packages.ts';
import { failed } from './report.ts';

// Where every 1.x copy of @opentelemetry/api looks for what is registered. Our own copy has another place (build.ts), so
// that our instrumentations go on working whatever the app does with this one.
const PUBLIC = Symbol.for('opentelemetry.js.api.1');
// A copy that is newer than what is registered ignores it; what we register is all of 1.x.
const ANY_NEWER = '1.999.0';

type Registrations = Record<string, unknown>;

const globals = globalThis as unknown as Record<symbol, Registrations | undefined>;
let leave: (() => void) | undefined;

/** Whether somebody else in this process has registered a tracer provider with the API. */
export function isApiTaken(): boolean {
  return globals[PUBLIC]?.['trace'] !== undefined;
}

/**
 * Registers with the API, so that apps using `@opentelemetry/api` of any 1.x join our traces. What the app registers
 * itself (an SDK, a meter provider, a logger of diagnostics) is let in as if we were not there. When that is a tracer
 * provider, the place is the app's alone from then on, and `onTaken` is called.
 *
 * A copy of the API registers in three steps: it assigns what is in the common place to it again, looks whether one of that
 * kind is registered and whether the version is exactly its own, and adds it. In between it is shown what it would find
 * without us.
 */
export function registerApi(
  provider: TracerProvider,
  contexts: ContextManager,
  propagator: TextMapPropagator,
  onTaken: () => void,
): void {
  context.setGlobalContextManager(contexts);
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(propagator);
  const ours: Registrations = { trace: provider, context: contexts, propagation: propagator };
  const theirs: Registrations = { ...globals[PUBLIC] };
  let registering: string | undefined;
  const shared: Registrations = { ...theirs };
  Object.defineProperty(shared, 'version', {
    enumerable: true,
    get: () => {
      const version = registering ?? ANY_NEWER;
      if (registering !== undefined) theirs['version'] = registering;
      registering = undefined;
      return version;
    },
  });
  for (const [kind, own] of Object.entries(ours))
    Object.defineProperty(shared, kind, {
      configurable: true,
      enumerable: true,
      get: () => theirs[kind] ?? (registering === undefined ? own : undefined),
      set: (value: unknown) => {
        theirs[kind] = value;
        if (kind !== 'trace') return;
        leave?.();
        onTaken();
      },
    });
  leave = () => {
    leave = undefined;
    for (const [kind, value] of Object.entries(shared))
      if (kind !== 'version' && value !== ours[kind]) theirs[kind] = value;
    if (globals[PUBLIC] !== shared) return;
    if (theirs['version'] === undefined) Reflect.deleteProperty(globalThis, PUBLIC);
    else place({ value: theirs, writable: true });
  };
  place({
    get: () => {
      registering = undefined;
      return shared;
    },
    set: (value: unknown) => {
      if (value === shared) registering = callerVersion();
      else place({ value, writable: true });
    },
  });
}

/** Takes our own registration out of the way for good. */
export function unregisterApi(): void {
  leave?.();
}

function place(descriptor: PropertyDescriptor): void {
  Object.defineProperty(globalThis, PUBLIC, { ...descriptor, configurable: true, enumerable: true });
}

/** The version of the copy of the API that is calling, from its own files or from the bundle it is in. */
function callerVersion(): string | undefined {
  const { stackTraceLimit } = Error;
  const prepare = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  try {
    Error.stackTraceLimit = 3;
    Error.prepareStackTrace = (_error, sites) => sites;
    // This function, the setter, and registerGlobal of the API.
    const caller = (new Error().stack as unknown as NodeJS.CallSite[])[2];
    const file = caller?.getFileName()?.replace(/^file:\/\//, '');
    if (caller === undefined || !file) return undefined;
    const home = packageOf(file);
    if (home?.name === '@opentelemetry/api') return readManifest(home.directory).version;
    const text = readFileSync(file, 'utf8');
    const lines = text.split('\n').slice((caller.getLineNumber() ?? 1) - 1);
    return comparedVersion(lines.join('\n').slice((caller.getColumnNumber() ?? 1) - 1), text);
  } catch (error) {
    failed('what registers with the OpenTelemetry API could not be told', error);
    return undefined;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    if (prepare) Object.defineProperty(Error, 'prepareStackTrace', prepare);
    else Reflect.deleteProperty(Error, 'prepareStackTrace');
  }
}

/** The version that code compares with next: written out, or in a variable of the file. */
export function comparedVersion(rest: string, text: string): string | undefined {
  const match = /\.version\s*!==?\s*(?:["'](?<literal>[^"']+)["']|(?:[\w$]+\.)*(?<name>[\w$]+))/.exec(rest);
  const { literal, name } = match?.groups ?? {};
  if (literal !== undefined || name === undefined) return literal;
  const assigned = new RegExp(`(?<![\\w$])${name.replaceAll('$', '\\$')}\\s*=\\s*["'](1\\.\\d+\\.\\d+[^"']*)["']`);
  return assigned.exec(text)?.[1];
}
