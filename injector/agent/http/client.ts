import type { ClientRequest, IncomingMessage } from 'node:http';
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
import { failed } from '../report.ts';
import { knownMethod, redactQuery, splitHost } from './attributes.ts';
import { setExchange, type Exchange } from './exchange.ts';
import type { HttpTracing } from './server.ts';

/** The headers of a request as Node hands them to the wire: its own table, or the app's array. */
export type WireHeaders = object | [string, string][] | string[] | null | undefined;
type StoreHeader = (this: ClientRequest, firstLine: string, headers: WireHeaders) => void;

/**
 * A replacement for the method with which a client request writes its headers: by then everything about the request is
 * known, and both http and https, from CommonJS, ES modules and bundles come through here with no function replaced that
 * an app can hold.
 */
export function tracedStoreHeader(original: StoreHeader, tracing: HttpTracing, muted: () => boolean): StoreHeader {
  return function _storeHeader(this: ClientRequest, firstLine, headers) {
    let sent = headers;
    if (tracing.state.on && !muted()) {
      try {
        sent = begin(this, headers, tracing);
      } catch (error) {
        failed('a client request could not be traced', error);
      }
    }
    return original.call(this, firstLine, sent);
  };
}

function begin(request: ClientRequest, headers: WireHeaders, tracing: HttpTracing): WireHeaders {
  const parent = context.active();
  const span = tracing.tracer.startSpan(request.method, { kind: SpanKind.CLIENT }, parent);
  const entered = trace.setSpan(parent, span);
  if (span.isRecording()) {
    span.setAttributes(requestAttributes(request));
    setExchange(request, new ClientExchange(parent, span, request));
  }
  return inject(request, headers, entered);
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

function requestAttributes(request: ClientRequest): Attributes {
  const method = knownMethod(request.method);
  const header = request.getHeader('host');
  const { address, port } = splitHost(typeof header === 'string' && header !== '' ? header : request.host);
  const secure = request.protocol === 'https:';
  const attributes: Attributes = {
    'http.request.method': method,
    'server.address': address,
    'server.port': port ?? (secure ? 443 : 80),
    'url.full': fullUrl(request, typeof header === 'string' && header !== '' ? header : request.host),
  };
  if (method !== request.method) attributes['http.request.method_original'] = request.method;
  return attributes;
}

function fullUrl(request: ClientRequest, host: string): string {
  // A request to a proxy names the whole URL; there may be a password in it.
  const path = request.path.replace(/^(https?:\/\/)[^/@?#]*@/, '$1REDACTED:REDACTED@');
  const url = /^https?:\/\//.test(path) ? path : `${request.protocol}//${host}${path}`;
  return redactQuery(url);
}

class ClientExchange implements Exchange {
  readonly context: Context;
  readonly span: Span;
  private readonly request: ClientRequest;
  private done = false;

  constructor(parent: Context, span: Span, request: ClientRequest) {
    this.context = parent;
    this.span = span;
    this.request = request;
  }

  observe(event: string | symbol, value: unknown): void {
    switch (event) {
      case 'response':
        this.answered(value as IncomingMessage);
        setExchange(value as IncomingMessage, new ResponseExchange(this, value as IncomingMessage));
        break;
      case 'upgrade':
      case 'connect':
        this.answered(value as IncomingMessage);
        this.finish();
        break;
      case 'error':
        this.failed(value as NodeJS.ErrnoException);
        break;
      case 'close':
        // The response may still be read; only a request that got none ends here.
        if (!(this.request as { res?: IncomingMessage }).res) this.finish();
        break;
    }
  }

  failed(error: NodeJS.ErrnoException): void {
    if (this.done) return;
    this.span.recordException(error as Error);
    this.span.setAttribute('error.type', error.code ?? error.name);
    this.span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    this.finish();
  }

  finish(): void {
    if (this.done) return;
    this.done = true;
    this.span.end();
  }

  private answered(response: IncomingMessage): void {
    const status = response.statusCode ?? 0;
    this.span.setAttribute('http.response.status_code', status);
    this.span.setAttribute('network.protocol.version', response.httpVersion);
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
}

class ResponseExchange implements Exchange {
  readonly context: Context;
  private readonly call: ClientExchange;
  private readonly response: IncomingMessage;

  constructor(call: ClientExchange, response: IncomingMessage) {
    this.context = call.context;
    this.call = call;
    this.response = response;
  }

  observe(event: string | symbol, value: unknown): void {
    if (event === 'error') this.call.failed(value as NodeJS.ErrnoException);
    else if (event === 'end') this.call.finish();
    else if (event === 'close') {
      if (!this.response.complete)
        this.call.span.setStatus({ code: SpanStatusCode.ERROR, message: 'response cut off' });
      this.call.finish();
    }
  }
}
