import { errorMonitor } from 'node:events';
import { SpanStatusCode, context, trace, type Span, type Tracer } from '@opentelemetry/api';
import { GrpcInstrumentation as Stock } from '@opentelemetry/instrumentation-grpc';

type AnyFunction = (this: unknown, ...values: unknown[]) => unknown;
type Patch = (original: AnyFunction) => AnyFunction;
type GrpcError = Partial<Error & { code: unknown; details: unknown }>;
interface Call {
  on(event: 'cancelled', listener: () => void): void;
  on(event: typeof errorMonitor, listener: (error: GrpcError) => void): void;
  prependListener(event: typeof errorMonitor, listener: (error: GrpcError) => void): void;
}
type Callback = (error: GrpcError | null, ...rest: unknown[]) => unknown;
type Handler = (this: unknown, call: Call, callback?: Callback, ...rest: unknown[]) => unknown;
/** What is used of the stock class, which its types call private. */
type Parts = new (config?: object) => {
  get tracer(): Tracer;
  _patchServer(): Patch;
  _getPatchedClientMethods(library: unknown): Patch;
  _patchClientRequestMethod(library: unknown, hasResponseStream: boolean, name: string): Patch;
};

const [CANCELLED, UNKNOWN] = [1, 2];
/**
 * UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: what a server is to blame for. Whatever else it
 * answers is an error of its client's alone.
 * https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#grpc-status
 */
const FAULTS = [UNKNOWN, 4, 12, 13, 14, 15];

/**
 * The stock instrumentation of gRPC, which never ends a server's span when the call is cancelled or its handler throws, takes a
 * handler's error for one of gRPC's whatever its code is, and each for one of the server's; records no exceptions; and puts
 * `grpc.` before the method that is the span's name in the semantic conventions.
 * https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/#span-name
 */
export class GrpcInstrumentation extends (Stock as unknown as Parts) {
  override get tracer(): Tracer {
    const tracer = super.tracer;
    const startSpan: Tracer['startSpan'] = (name, ...rest) => tracer.startSpan(name.replace(/^grpc\./, ''), ...rest);
    return { startSpan, startActiveSpan: tracer.startActiveSpan.bind(tracer) };
  }

  override _patchServer(): Patch {
    const patch = super._patchServer();
    return (original) => {
      const patched = patch(original);
      return function register(name, handler, ...rest) {
        return patched.call(this, name, watched(handler as Handler), ...rest);
      };
    };
  }

  override _getPatchedClientMethods(library: unknown): Patch {
    const patch = super._getPatchedClientMethods(library);
    return (original) => patch(heard(original, (original as { responseStream?: boolean }).responseStream === true));
  }

  override _patchClientRequestMethod(library: unknown, hasResponseStream: boolean, name: string): Patch {
    const patch = super._patchClientRequestMethod(library, hasResponseStream, name);
    return (original) => patch(heard(original, hasResponseStream));
  }
}

/** Ends a span with what gRPC says of its call; whoever ends it after that changes nothing. */
function end(span: Span, code: number, error?: GrpcError): void {
  if (!span.isRecording()) return;
  span.setAttribute('rpc.grpc.status_code', code);
  if (error) {
    // Without a name it is only an answer that says no.
    if (error.name) span.recordException(error as Error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: String(error.message ?? error.details) });
  }
  span.end();
}

/** A client's method, which is called in the context of the span. */
function heard(method: AnyFunction, hasResponseStream: boolean): AnyFunction {
  const call: AnyFunction = function (...values) {
    const span = trace.getSpan(context.active());
    if (!span?.isRecording()) return method.apply(this, values);
    const fail = (error: GrpcError): void => end(span, error.code as number, error);
    const at = values.findIndex((value) => typeof value === 'function');
    if (!hasResponseStream && at !== -1) {
      const done = values[at] as Callback;
      values[at] = ((error, ...rest) => {
        if (error) fail(error);
        return done(error, ...rest);
      }) satisfies Callback;
    }
    const started = method.apply(this, values);
    if (hasResponseStream) (started as Call).on(errorMonitor, fail);
    return started;
  };
  return Object.assign(call, method);
}

/** The handler, which is called in the context of the span. */
function watched(handler: Handler): Handler {
  return function (call, callback, ...rest) {
    const span = trace.getSpan(context.active());
    if (!span?.isRecording()) return handler.call(this, call, callback, ...rest);
    const fail = (error: GrpcError): void => {
      // gRPC knows no other codes than numbers, and says UNKNOWN to the client.
      const code = Number.isInteger(error?.code) ? (error.code as number) : UNKNOWN;
      end(span, code, FAULTS.includes(code) ? (error ?? {}) : undefined);
    };
    call.on('cancelled', () => end(span, CANCELLED));
    // Before the stock class has heard of it.
    if (callback === undefined) call.prependListener(errorMonitor, fail);
    const done: Callback | undefined =
      callback &&
      ((error, ...values) => {
        if (error) fail(error);
        return callback(error, ...values);
      });
    try {
      return handler.call(this, call, done, ...rest);
    } catch (error) {
      fail(error as GrpcError);
      throw error;
    }
  };
}
