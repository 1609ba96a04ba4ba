import { SpanStatusCode, context, trace, type Exception, type Span } from '@opentelemetry/api';
import { RPC_METADATA, type RpcMetadata } from './http/route.ts';
import type { RecordingSpan } from './span.ts';

/** What an error that nobody caught does to the spans around it. A piece of its own, for processes that had one. */
export class Uncaught {
  /** The spans around the last one, the innermost first. */
  private struck: RecordingSpan[] = [];
  private request: RpcMetadata | undefined;
  private error: unknown;

  /** Records an error, once, at the innermost open span of the context it happened in. */
  strike(error: unknown): void {
    if (error === this.error && this.struck.length > 0) return;
    const ctx = context.active();
    const request = ctx.getValue(RPC_METADATA) as RpcMetadata | undefined;
    const struck: RecordingSpan[] = [];
    for (const start of [trace.getSpan(ctx), request?.span])
      for (let span = start; isOurs(span) && !struck.includes(span); span = span.above)
        if (!span.ended) struck.push(span);
    const [innermost] = struck;
    if (innermost === undefined) return;
    Object.assign(this, { struck, request, error });
    innermost.addException(isObject(error) ? (error as Exception) : String(error));
    fail(innermost, error);
  }

  /** The process ends: those around the error would never be seen. */
  abandon(): void {
    const { struck, request, error } = this;
    this.struck = [];
    const root = struck.at(-1);
    if (root === undefined) return;
    fail(root, error);
    if (root === request?.span && request.route && !root.ended) {
      root.setAttribute('http.route', request.route);
      root.updateName(`${root.name} ${request.route}`);
    }
    for (const span of struck) span.end();
  }
}

function fail(span: Span, error: unknown): void {
  const { name, message } = isObject(error) ? (error as { name?: unknown; message?: unknown }) : {};
  span.setAttribute('error.type', typeof name === 'string' ? name : '_OTHER');
  span.setStatus({ code: SpanStatusCode.ERROR, message: typeof message === 'string' ? message : String(error) });
}

function isOurs(span: Span | undefined): span is RecordingSpan {
  return span !== undefined && 'ended' in span;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
