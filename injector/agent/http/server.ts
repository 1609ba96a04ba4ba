import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  createContextKey,
  propagation,
  trace,
  type Context,
  type Span,
} from '@opentelemetry/api';
import { EMPTY_CONTEXT, type LiveContextManager } from '../context.ts';
import { failed } from '../report.ts';
import type { LiveTracer, TracingState } from '../tracer.ts';
import { serverRequestAttributes } from './attributes.ts';
import { setExchange, type Exchange } from './exchange.ts';

// Framework instrumentations write the route into this object; same key as in @opentelemetry/core.
const RPC_METADATA = createContextKey('OpenTelemetry SDK Context Key RPC_METADATA');

interface RpcMetadata {
  type: 'http';
  span: Span;
  route?: string;
}

type Emit = (this: unknown, event: string | symbol, ...values: unknown[]) => boolean;

/** What the HTTP hooks share. */
export interface HttpTracing {
  state: TracingState;
  tracer: LiveTracer;
  contexts: LiveContextManager;
  /** Lower-case names of the headers that carry a parent. */
  carriers(): readonly string[];
}

/**
 * A replacement for `emit` of all network servers that gives each request a span and its context. Requests over TLS and
 * HTTP/1 in any framework come through here, since Node emits 'request' on the server object.
 */
export function tracedServerEmit(inherited: Emit, tracing: HttpTracing, isRequest: (value: unknown) => boolean): Emit {
  return function emit(this: unknown, event) {
    // eslint-disable-next-line prefer-rest-params -- the cheapest way to pass on whatever came
    const values = arguments as unknown as [string, IncomingMessage, ServerResponse];
    if (event !== 'request' || !tracing.state.on || !isRequest(values[1]))
      return Reflect.apply(inherited, this, values);
    let entered: Context | undefined;
    try {
      entered = begin(values[1], values[2], tracing);
    } catch (error) {
      failed('a request could not be traced', error);
    }
    if (entered === undefined) return Reflect.apply(inherited, this, values);
    return tracing.contexts.with(entered, runEmit, undefined, inherited, this, values);
  };
}

function runEmit(emit: Emit, target: unknown, values: Parameters<Emit>): boolean {
  return Reflect.apply(emit, target, values);
}

function begin(request: IncomingMessage, response: ServerResponse, tracing: HttpTracing): Context {
  const parent = hasHeader(request.rawHeaders, tracing.carriers())
    ? propagation.extract(ROOT_CONTEXT, request.headers)
    : ROOT_CONTEXT;
  const method = request.method ?? 'GET';
  const span = tracing.tracer.startSpan(method, { kind: SpanKind.SERVER }, parent);
  const base = trace.setSpan(parent === ROOT_CONTEXT ? EMPTY_CONTEXT : parent, span);
  if (!span.isRecording()) {
    const exchange = new UnsampledExchange(base);
    setExchange(request, exchange);
    setExchange(response, exchange);
    return base;
  }
  const scheme = (request.socket as { encrypted?: boolean }).encrypted ? 'https' : 'http';
  span.setAttributes(serverRequestAttributes(request, scheme));
  const metadata: RpcMetadata = { type: 'http', span };
  const entered = base.setValue(RPC_METADATA, metadata);
  setExchange(request, new UnsampledExchange(entered));
  setExchange(response, new ServerExchange(entered, method, metadata, response));
  return entered;
}

/** Keeps the context for the app's listeners; there is nothing to record. */
class UnsampledExchange implements Exchange {
  readonly context: Context;

  constructor(context: Context) {
    this.context = context;
  }

  observe(): void {
    // nothing is recorded
  }
}

class ServerExchange implements Exchange {
  readonly context: Context;
  private readonly method: string;
  private readonly metadata: RpcMetadata;
  private readonly response: ServerResponse;

  constructor(context: Context, method: string, metadata: RpcMetadata, response: ServerResponse) {
    this.context = context;
    this.method = method;
    this.metadata = metadata;
    this.response = response;
  }

  observe(event: string | symbol, value: unknown): void {
    const { span, route } = this.metadata;
    if (event === 'error') {
      span.recordException(value as Error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: (value as Error).message });
    }
    if (event !== 'close') return;
    const status = this.response.statusCode;
    span.setAttribute('http.response.status_code', status);
    if (route) {
      span.setAttribute('http.route', route);
      span.updateName(`${this.method} ${route}`);
    }
    if (status >= 500) {
      span.setAttribute('error.type', String(status));
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  }
}

function hasHeader(raw: readonly string[], names: readonly string[]): boolean {
  for (let i = 0; i < raw.length; i += 2) {
    const header = raw[i]!;
    for (const name of names) if (header.length === name.length && header.toLowerCase() === name) return true;
  }
  return false;
}
