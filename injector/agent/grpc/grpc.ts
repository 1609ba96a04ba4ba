import { SpanStatusCode, context, trace, type Tracer } from '@opentelemetry/api';
import { GrpcInstrumentation as Stock } from '@opentelemetry/instrumentation-grpc';

type AnyFunction = (this: unknown, ...values: unknown[]) => unknown;
interface Call {
  on(event: 'cancelled', listener: () => void): void;
}
type Callback = (error: Partial<Error & { code: unknown }> | null, ...rest: unknown[]) => unknown;
type Handler = (this: unknown, call: Call, callback?: Callback, ...rest: unknown[]) => unknown;
/** What is used of the stock class, which its types call private. */
type Parts = new (config?: object) => {
  get tracer(): Tracer;
  _patchServer(): (register: AnyFunction) => AnyFunction;
};

const [CANCELLED, UNKNOWN] = [1, 2];

/**
 * The stock instrumentation of gRPC, which never ends a server's span when the call is cancelled or its handler throws, takes a
 * handler's error for one of gRPC's whatever its code is, and puts `grpc.` before the method that is the span's name in the
 * semantic conventions.
 * https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/#span-name
 */
export class GrpcInstrumentation extends (Stock as unknown as Parts) {
  override get tracer(): Tracer {
    const tracer = super.tracer;
    const startSpan: Tracer['startSpan'] = (name, ...rest) => tracer.startSpan(name.replace(/^grpc\./, ''), ...rest);
    return { startSpan, startActiveSpan: tracer.startActiveSpan.bind(tracer) };
  }

  override _patchServer(): (register: AnyFunction) => AnyFunction {
    const patch = super._patchServer();
    return (original) => {
      const patched = patch(original);
      return function register(name, handler, ...rest) {
        return patched.call(this, name, watched(handler as Handler), ...rest);
      };
    };
  }
}

/** The handler, which is called in the context of the span. */
function watched(handler: Handler): Handler {
  return function (call, callback, ...rest) {
    const span = trace.getSpan(context.active());
    if (!span?.isRecording()) return handler.call(this, call, callback, ...rest);
    const end = (code: number, message: string): void => {
      if (!span.isRecording()) return;
      span.setAttribute('rpc.grpc.status_code', code);
      span.setStatus({ code: SpanStatusCode.ERROR, message });
      span.end();
    };
    const fail = (error: unknown): void => {
      span.recordException(error as Error);
      end(UNKNOWN, String((error as Partial<Error> | undefined)?.message));
    };
    call.on('cancelled', () => end(CANCELLED, 'cancelled by the client, or too late for it'));
    const done: Callback | undefined =
      callback &&
      ((error, ...values) => {
        // gRPC knows no other codes than numbers, and says UNKNOWN to the client.
        if (error && !Number.isInteger(error.code)) fail(error);
        return callback(error, ...values);
      });
    try {
      return handler.call(this, call, done, ...rest);
    } catch (error) {
      fail(error);
      throw error;
    }
  };
}
