import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  INVALID_SPAN_CONTEXT,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  propagation,
  trace,
  type Attributes,
  type Context,
} from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { EMPTY_CONTEXT, type LiveContextManager } from '../context.ts';
import type { SpanStart } from '../sampling-rules.ts';
import type { LiveTracer, TracingState } from '../tracer.ts';
import { knownMethod, pathOf, serverRequestAttributes } from './attributes.ts';
import { timeServer, type HttpDurations, type Stopwatch } from './durations.ts';
import { setExchange, type Exchange } from './exchange.ts';
import { captureHeaders, type HttpOptions } from './options.ts';
import { RPC_METADATA, type RpcMetadata } from './route.ts';

/** What the HTTP hooks share. */
export interface HttpTracing {
  state: TracingState;
  tracer: LiveTracer;
  contexts: LiveContextManager;
  /** Lower-case names of the headers that carry a parent. */
  carriers(): readonly string[];
  /** Where durations go while metrics are on. */
  readonly metrics: { durations: HttpDurations | undefined };
  /** What the policy says of HTTP. */
  options(): HttpOptions | undefined;
}

const LEFT_ALONE = trace.setSpan(suppressTracing(EMPTY_CONTEXT), trace.wrapSpanContext(INVALID_SPAN_CONTEXT));

/** Starts the span of a request that a server is about to hand to the app; gives the context to go on in. */
export function beginServerExchange(request: IncomingMessage, response: ServerResponse, tracing: HttpTracing): Context {
  const options = tracing.options();
  if (options?.ignoreIncoming?.test(pathOf(request.url))) {
    setExchange(request, new UnrecordedExchange(LEFT_ALONE));
    return LEFT_ALONE;
  }
  const { durations } = tracing.metrics;
  const timed = durations && timeServer(durations, request);
  const parent =
    tracing.state.on && hasHeader(request.rawHeaders, tracing.carriers())
      ? propagation.extract(ROOT_CONTEXT, request.headers)
      : ROOT_CONTEXT;
  const method = request.method ?? 'GET';
  const start = tracing.state.sampler.looksAtStart ? new RequestStart(method, request) : undefined;
  const span = tracing.tracer.startSpan(method, SERVER, parent, start);
  const base = trace.setSpan(parent === ROOT_CONTEXT ? EMPTY_CONTEXT : parent, span);
  const isRecording = span.isRecording();
  if (!isRecording && timed === undefined) {
    setExchange(request, new UnrecordedExchange(base));
    return base;
  }
  if (isRecording) span.setAttributes(start?.attributes ?? serverRequestAttributes(request));
  if (options) captureHeaders(span, 'request', options.requestHeaders, (name) => request.headers[name]);
  const metadata: RpcMetadata = { type: 'http', span };
  const entered = base.setValue(RPC_METADATA, metadata);
  setExchange(request, new UnrecordedExchange(entered));
  setExchange(response, new ServerExchange(entered, method, metadata, response, timed, options?.responseHeaders));
  return entered;
}

const SERVER = { kind: SpanKind.SERVER };

/** What sampling rules ask of a request; most ask for its path alone. */
class RequestStart implements SpanStart {
  readonly name: string;
  readonly kind = SpanKind.SERVER;
  private readonly request: IncomingMessage;
  private all: Attributes | undefined;

  constructor(method: string, request: IncomingMessage) {
    this.name = method;
    this.request = request;
  }

  get attributes(): Attributes {
    return (this.all ??= serverRequestAttributes(this.request));
  }

  attribute(name: string): unknown {
    if (name === 'url.path') return pathOf(this.request.url);
    if (name === 'http.request.method') return knownMethod(this.name);
    return this.attributes[name];
  }

  header(name: string): boolean {
    const value = this.request.headers[name];
    return value !== undefined && !/^(0|false|no|off)?$/i.test(String(value).trim());
  }
}

/** Keeps the context for the app's listeners; there is nothing to record. */
class UnrecordedExchange implements Exchange {
  readonly context: Context;

  constructor(context: Context) {
    this.context = context;
  }

  closed(): void {
    // nothing is recorded
  }
}

class ServerExchange implements Exchange {
  readonly context: Context;
  private readonly method: string;
  private readonly metadata: RpcMetadata;
  private readonly response: ServerResponse;
  private readonly timed: Stopwatch | undefined;
  private readonly headers: readonly string[] | undefined;

  constructor(
    context: Context,
    method: string,
    metadata: RpcMetadata,
    response: ServerResponse,
    timed: Stopwatch | undefined,
    headers: readonly string[] | undefined,
  ) {
    this.context = context;
    this.headers = headers;
    this.method = method;
    this.metadata = metadata;
    this.response = response;
    this.timed = timed;
  }

  closed(error?: Error | null): void {
    const { span, route } = this.metadata;
    // Who asked may have gone before there was an answer.
    const status = this.response.headersSent ? this.response.statusCode : 0;
    this.timed?.({ status, route, error: error ? error.name : status >= 500 ? String(status) : undefined });
    if (status > 0) span.setAttribute('http.response.status_code', status);
    if (this.headers) captureHeaders(span, 'response', this.headers, (name) => this.response.getHeader(name));
    if (route) {
      span.setAttribute('http.route', route);
      span.updateName(`${this.method} ${route}`);
    }
    if (error) {
      span.recordException(error);
      span.setAttribute('error.type', error.name);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    } else if (status >= 500) {
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
