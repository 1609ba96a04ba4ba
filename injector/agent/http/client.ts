import { errorMonitor } from 'node:events';
import type { ClientRequest, IncomingMessage, OutgoingHttpHeader } from 'node:http';
import {
  SpanKind,
  SpanStatusCode,
  context,
  propagation,
  trace,
  type Attributes,
  type Context,
  type Span,
} from '@opentelemetry/api';
import { knownMethod, redactQuery, splitHost } from './attributes.ts';
import { timeClient, type Ending, type Stopwatch } from './durations.ts';
import { setExchange, type Exchange } from './exchange.ts';
import { captureHeaders } from './options.ts';
import type { HttpTracing } from './server.ts';

/** The headers of a request as Node hands them to the wire: its own table, or the app's array. */
export type WireHeaders = object | [string, string][] | string[] | null | undefined;

/**
 * Starts the span of a client request whose headers are about to be written, and gives the headers to write: by then
 * everything about the request is known, and http, https and whatever is built on them come through here.
 */
export function beginClientExchange(request: ClientRequest, headers: WireHeaders, tracing: HttpTracing): WireHeaders {
  const options = tracing.options();
  if (options?.ignoreOutgoing?.test(withoutQuery(fullUrl(request, hostOf(request))))) return headers;
  const parent = context.active();
  const span = tracing.tracer.startSpan(request.method, { kind: SpanKind.CLIENT }, parent);
  const entered = trace.setSpan(parent, span);
  const { durations } = tracing.metrics;
  if (span.isRecording() || durations !== undefined) {
    const { host, address, port } = serverOf(request);
    if (span.isRecording()) span.setAttributes(requestAttributes(request, host, address, port));
    if (options) captureHeaders(span, 'request', options.requestHeaders, (name) => headerOf(request, headers, name));
    const timed = durations && timeClient(durations, request, address, port);
    const exchange = new ClientExchange(parent, span, timed, options?.responseHeaders);
    setExchange(request, exchange);
    // This symbol's listeners count for nothing: an error nobody handles still ends the process.
    request.on(errorMonitor, (error: NodeJS.ErrnoException) => exchange.closed(error));
    if (request.getHeader('upgrade') !== undefined) watchUpgrade(request, exchange);
  }
  return tracing.state.on ? inject(request, headers, entered) : headers;
}

function inject(request: ClientRequest, headers: WireHeaders, entered: Context): WireHeaders {
  if (!Array.isArray(headers)) {
    propagation.inject(entered, request, { set: (target, key, value) => target.setHeader(key, value) });
    return headers;
  }
  const pairs = Array.isArray(headers[0]);
  const copy: unknown[] = [...headers];
  propagation.inject(entered, copy, {
    set: (target, key, value) => target.push(...(pairs ? [[key, value]] : [key, value])),
  });
  return copy;
}

function serverOf(request: ClientRequest): { host: string; address: string; port: number } {
  const host = hostOf(request);
  const { address, port = request.protocol === 'https:' ? 443 : 80 } = splitHost(host);
  return { host, address, port };
}

function requestAttributes(request: ClientRequest, host: string, address: string, port: number): Attributes {
  const method = knownMethod(request.method);
  const attributes: Attributes = {
    'http.request.method': method,
    'server.address': address,
    'server.port': port,
    'url.full': fullUrl(request, host),
  };
  if (method !== request.method) attributes['http.request.method_original'] = request.method;
  return attributes;
}

function hostOf(request: ClientRequest): string {
  const header = request.getHeader('host');
  return typeof header === 'string' && header !== '' ? header : request.host;
}

function withoutQuery(url: string): string {
  return /^[^?#]*/.exec(url)![0];
}

/** A header that is sent: those that an app gives as a list are not in the request's own table. */
function headerOf(request: ClientRequest, headers: WireHeaders, name: string): OutgoingHttpHeader | undefined {
  const value = request.getHeader(name);
  if (value !== undefined || !Array.isArray(headers)) return value;
  const list = (headers as string[][]).flat();
  const at = list.findIndex((each, i) => i % 2 === 0 && each.toLowerCase() === name);
  return at === -1 ? undefined : list[at + 1];
}

function fullUrl(request: ClientRequest, host: string): string {
  // A request to a proxy names the whole URL; there may be a password in it.
  const path = request.path.replace(/^(https?:\/\/)[^/@?#]*@/, '$1REDACTED:REDACTED@');
  const url = /^https?:\/\//.test(path) ? path : `${request.protocol}//${host}${path}`;
  return redactQuery(url);
}

/** The span of a client request; it ends with its response, or with an error. */
export class ClientExchange implements Exchange {
  readonly context: Context;
  private readonly span: Span;
  private readonly timed: Stopwatch | undefined;
  private readonly ending: Ending = {};
  private readonly headers: readonly string[] | undefined;

  constructor(context: Context, span: Span, timed: Stopwatch | undefined, headers?: readonly string[]) {
    this.context = context;
    this.span = span;
    this.timed = timed;
    this.headers = headers;
  }

  /** The head of the response has come; the response is done with when its object is. */
  answered(response: IncomingMessage): void {
    setExchange(response, this);
    const status = response.statusCode ?? 0;
    this.ending.status = status;
    this.ending.version = response.httpVersion;
    if (status >= 400) this.ending.error = String(status);
    this.span.setAttribute('http.response.status_code', status);
    this.span.setAttribute('network.protocol.version', response.httpVersion);
    if (this.headers) captureHeaders(this.span, 'response', this.headers, (name) => response.headers[name]);
    const peer = response.socket?.remoteAddress;
    if (peer !== undefined) {
      this.span.setAttribute('network.peer.address', peer);
      this.span.setAttribute('network.peer.port', response.socket.remotePort);
    }
    if (status >= 400) {
      this.span.setAttribute('error.type', String(status));
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }
  }

  closed(error?: NodeJS.ErrnoException | null): void {
    if (error) {
      this.ending.error = error.code ?? error.name;
      this.span.recordException(error as Error);
      this.span.setAttribute('error.type', error.code ?? error.name);
      this.span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    }
    this.timed?.(this.ending);
    this.span.end();
  }
}

/** A switch to another protocol is told by an event only, which must keep its count of listeners. */
function watchUpgrade(request: ClientRequest, exchange: ClientExchange): void {
  const emit = request.emit;
  const watched = function (this: ClientRequest, ...values: Parameters<typeof emit>): boolean {
    if (values[0] === 'upgrade') {
      exchange.answered(values[1] as IncomingMessage);
      exchange.closed();
    }
    return emit.apply(this, values);
  };
  Object.defineProperty(request, 'emit', { value: watched, writable: true, configurable: true, enumerable: false });
}
