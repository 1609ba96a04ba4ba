import {
  context,
  propagation,
  trace,
  type ContextManager,
  type TextMapPropagator,
  type TracerProvider,
} from '@opentelemetry/api';
import { apiVersion } from 'agent:libraries';

// Where every 1.x copy of @opentelemetry/api looks for what is registered.
const API_GLOBAL = Symbol.for('opentelemetry.js.api.1');
// A copy refuses a registration older than itself and would silently do nothing; what we register is all of 1.x.
const ANY_NEWER = '1.999.0';

interface ApiGlobal {
  version: string;
  trace?: unknown;
}

/** Whether somebody in this process has registered a tracer provider with the API. */
export function isApiTaken(): boolean {
  return (globalThis as Record<symbol, ApiGlobal | undefined>)[API_GLOBAL]?.trace !== undefined;
}

/** Registers with the API, so that apps using `@opentelemetry/api` of any 1.x join our traces. */
export function registerApi(provider: TracerProvider, contexts: ContextManager, propagator: TextMapPropagator): void {
  const globals = globalThis as Record<symbol, ApiGlobal | undefined>;
  const global = (globals[API_GLOBAL] ??= { version: apiVersion });
  context.setGlobalContextManager(contexts);
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(propagator);
  if (Object.getOwnPropertyDescriptor(global, 'version')?.writable) global.version = ANY_NEWER;
}

/** Takes everything back, so that somebody else's SDK can register. */
export function unregisterApi(): void {
  trace.disable();
  propagation.disable();
  context.disable();
  const globals = globalThis as Record<symbol, ApiGlobal | undefined>;
  delete globals[API_GLOBAL];
}
