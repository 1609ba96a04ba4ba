import { SpanKind, SpanStatusCode, context, trace, type Tracer } from '@opentelemetry/api';
import { InstrumentationBase, InstrumentationNodeModuleDefinition } from '@opentelemetry/instrumentation';
import { HIT } from '../caches/hit.ts';

// https://docs.memcached.org/protocols/binary/#command-opcodes: those that go through `perform`.
const GET = 0;
const OPERATIONS = new Map([
  [GET, 'get'],
  [1, 'set'],
  [2, 'add'],
  [3, 'replace'],
  [4, 'delete'],
  [5, 'increment'],
  [6, 'decrement'],
  [0x0e, 'append'],
  [0x0f, 'prepend'],
  [0x1c, 'touch'],
]);
const NOT_FOUND = 1;
/** Statuses that are answers and no errors: found, not found, there already, not stored. */
const ANSWERS = [0, NOT_FOUND, 2, 5];

interface Client {
  server(key: unknown): { host?: string; port?: number } | null;
  perform(key: unknown, request: Uint8Array, seq: number, callback?: Callback, retries?: number): void;
}
type Callback = (error: Error | null, response: { header: { status: number } } | null) => void;
type Exports = { Client: { prototype: Client } };

/** memjs: a span for each command about a key, whether it is given a callback or gives a promise; retries are within it. */
export class MemjsInstrumentation extends InstrumentationBase {
  constructor(config = {}) {
    super('tracing-operator/memjs', '', config);
  }

  protected init() {
    return new InstrumentationNodeModuleDefinition(
      'memjs',
      ['>=1 <2'],
      (exports: Exports) => {
        this._wrap(exports.Client.prototype, 'perform', (perform) => this.traced(perform));
        return exports;
      },
      (exports?: Exports) => {
        if (exports !== undefined) this._unwrap(exports.Client.prototype, 'perform');
      },
    );
  }

  private traced(perform: Client['perform']): Client['perform'] {
    const startSpan: Tracer['startSpan'] = (...values) => this.tracer.startSpan(...values);
    return function (this: Client, key, request, seq, callback, retries) {
      const operation = OPERATIONS.get(request[1]!);
      if (operation === undefined || callback === undefined || ours in callback)
        return perform.call(this, key, request, seq, callback, retries);
      const server = this.server(key);
      const span = startSpan(operation, {
        kind: SpanKind.CLIENT,
        attributes: {
          'db.system.name': 'memcached',
          'db.operation.name': operation,
          'server.address': server?.host,
          'server.port': server?.port,
        },
      });
      const caller = context.active();
      const done: Callback = (error, response) => {
        const status = response?.header.status ?? 0;
        if (error) {
          span.recordException(error);
          span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
        } else if (!ANSWERS.includes(status)) {
          span.setAttribute('db.response.status_code', String(status));
          span.setStatus({ code: SpanStatusCode.ERROR });
        } else if (request[1] === GET) span.setAttribute(HIT, status !== NOT_FOUND);
        span.end();
        context.with(caller, callback, undefined, error, response);
      };
      Object.defineProperty(done, ours, { value: true });
      return context.with(trace.setSpan(caller, span), () => perform.call(this, key, request, seq, done, retries));
    };
  }
}

/** Marks our callback: a retry comes with it again. */
const ours = Symbol('tracing.acme.memjs');
