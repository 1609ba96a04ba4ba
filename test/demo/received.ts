import type { ReceivedSpan } from '../agent/otlp.ts';
import type { AttributeValue, Span, SpanKind } from './span.ts';

const STATUS_ERROR = 2;

/** A span that came by OTLP, as the waterfall takes it. */
export function asSpan(received: ReceivedSpan): Span {
  const { traceId, spanId, parentSpanId, name, startNanos, endNanos, status, events } = received;
  const attributes = received.attributes as Record<string, AttributeValue>;
  const resource = received.resource as Record<string, AttributeValue>;
  const exception = events.find((event) => event.name === 'exception');
  return {
    traceId,
    spanId,
    ...(parentSpanId === '' ? {} : { parentSpanId }),
    service: String(resource['service.name'] ?? 'unknown'),
    name,
    kind: (received.kind === 'unspecified' ? 'internal' : received.kind) as SpanKind,
    startUs: Number(startNanos / 1_000n),
    durationUs: Number(endNanos - startNanos) / 1_000,
    attributes,
    resource,
    ...(status.code === STATUS_ERROR
      ? { error: status.message || ((exception?.attributes['exception.message'] as string | undefined) ?? '') }
      : {}),
  };
}
