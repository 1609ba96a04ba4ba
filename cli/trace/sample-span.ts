import type { Span } from './span.ts';

/** A span for tests: a root named after its id, unless they say otherwise. */
export const sampleSpan = (spanId: string, rest: Partial<Span> = {}): Span => ({
  traceId: 'a1',
  spanId,
  service: 'order',
  name: spanId,
  kind: 'internal',
  startUs: 0,
  durationUs: 1,
  attributes: {},
  resource: {},
  ...rest,
});

/** One below another. */
export const childSpan = (spanId: string, parentSpanId: string, rest: Partial<Span> = {}): Span =>
  sampleSpan(spanId, { parentSpanId, ...rest });
