import type { OutgoingHttpHeader } from 'node:http';
import type { Span } from '@opentelemetry/api';

/** What a policy says of HTTP. Names of headers are in lower case. */
export interface HttpOptions {
  /** Paths of requests that arrive and are left alone. */
  ignoreIncoming: RegExp | undefined;
  /** URLs, without query, of requests that are sent and left alone. */
  ignoreOutgoing: RegExp | undefined;
  requestHeaders: readonly string[];
  responseHeaders: readonly string[];
}

/** Records the headers that are asked for and are there, as a list of values each. */
export function captureHeaders(
  span: Span,
  kind: 'request' | 'response',
  names: readonly string[],
  valueOf: (name: string) => OutgoingHttpHeader | undefined,
): void {
  for (const name of names) {
    const value = valueOf(name);
    if (value !== undefined)
      span.setAttribute(`http.${kind}.header.${name}`, Array.isArray(value) ? [...value] : [String(value)]);
  }
}
