import { TraceFlags, context, trace } from '@opentelemetry/api';

type AnyFunction = (this: unknown, ...values: unknown[]) => unknown;
type Wrapper = (original: AnyFunction, name: string) => unknown;
type Wrap = (target: object, name: string, wrapper: Wrapper) => unknown;

/**
 * Instrumentations that write the trace into a message or a log: what they do matters also when nothing is recorded.
 * The others only make spans.
 */
const PASS_ON = new Set([
  'amqplib',
  'aws-lambda',
  'aws-sdk',
  'bunyan',
  'grpc',
  'kafkajs',
  'lru-memoizer',
  'pino',
  'socket.io',
  'undici',
  'winston',
]);

/** Those that say which route a request has: metrics want that of all requests. */
const ROUTERS = new Set(['connect', 'express', 'hapi', 'koa', 'restify']);

/** What is wanted of the process at the moment. */
export interface Wanted {
  /** Spans. */
  isOn(): boolean;
  /** Durations of requests, whether they are sampled or not. */
  isMeasuring(): boolean;
}

/** An instrumentation that asks by itself what is wanted, as a gate would cost more than all that it does. */
export interface SelfGated {
  wanted: Wanted | undefined;
}

/** Methods with which an app is put together: what they patch is needed later, whatever the state of now. */
const ASSEMBLY =
  /^(use|route|param|register|ext|method|all|get|post|put|patch|del|delete|head|options|opts|on|once|(create|build|add|attach|extend|define|make|init)[A-Z_]?\w*|create)$/;

/**
 * Lets calls that will not be recorded go straight to the library: while tracing is off, and within a request that was
 * not sampled. The instrumentation's own code (attributes, names, contexts) costs much even for a span that is dropped.
 */
export function gateInstrumentation(instrumentation: object, name: string, wanted: Wanted): void {
  if ('wanted' in instrumentation) {
    (instrumentation as SelfGated).wanted = wanted;
    return;
  }
  const target = instrumentation as { _wrap?: Wrap };
  const wrap = target._wrap;
  if (wrap === undefined || PASS_ON.has(name)) return;
  const isIdle = ROUTERS.has(name) ? () => !wanted.isMeasuring() && isUnsampled(wanted) : () => isUnsampled(wanted);
  target._wrap = (object, method, wrapper) =>
    wrap(object, method, (original, wrapped) => {
      const patched = wrapper(original, wrapped);
      if (ASSEMBLY.test(method) || typeof original !== 'function' || typeof patched !== 'function') return patched;
      // A class keeps its identity: `new` and `instanceof` must find what the instrumentation made.
      if (/^class\b/.test(Function.prototype.toString.call(original))) return patched;
      return gated(original, patched as AnyFunction, isIdle);
    });
}

function gated(original: AnyFunction, patched: AnyFunction, isIdle: () => boolean): AnyFunction {
  const gate: AnyFunction = function (this: unknown) {
    // eslint-disable-next-line prefer-rest-params -- the cheapest way to pass on whatever came
    return Reflect.apply(isIdle() ? original : patched, this, arguments) as unknown;
  };
  // Frameworks look at these: express tells handlers of errors by their length.
  for (const key of Reflect.ownKeys(patched)) {
    if (key === 'prototype') continue;
    const descriptor = Object.getOwnPropertyDescriptor(patched, key);
    if (descriptor) Object.defineProperty(gate, key, descriptor);
  }
  return gate;
}

function isUnsampled(wanted: Wanted): boolean {
  if (!wanted.isOn()) return true;
  const span = trace.getSpan(context.active());
  // One that is recorded all the same may be kept later.
  return span !== undefined && (span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0 && !span.isRecording();
}
