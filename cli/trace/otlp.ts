import type { AttributeValue, Span, SpanKind } from './span.ts';

/**
 * OTLP in JSON, as far as read here: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. What is at its
 * default value is left out.
 */
export interface OtlpTraces {
  resourceSpans?: { resource?: OtlpResource; scopeSpans?: { scope?: OtlpScope; spans?: OtlpSpan[] }[] }[];
}

export interface OtlpResource {
  attributes?: OtlpAttribute[];
}

export interface OtlpScope {
  name?: string;
}

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  name: string;
  kind?: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: OtlpAttribute[];
  status?: { code?: number; message?: string };
  events?: { name: string; attributes?: OtlpAttribute[] }[];
}

export interface OtlpAttribute {
  key: string;
  value: OtlpValue;
}

export interface OtlpValue {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string | number;
  doubleValue?: number;
  arrayValue?: { values?: OtlpValue[] };
}

export type Attributes = Record<string, AttributeValue>;

/** A span with what the picture of a trace leaves out. */
export interface OtlpReadSpan extends Span {
  /** Name of the instrumentation scope. */
  scope: string;
  /** An empty string when there is none. */
  traceState: string;
  events: { name: string; attributes: Attributes }[];
}

const KINDS: SpanKind[] = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'];
const STATUS_ERROR = 2;

/** Spans out of OTLP's JSON. */
export function readSpans(traces: OtlpTraces): OtlpReadSpan[] {
  return (traces.resourceSpans ?? []).flatMap(({ resource, scopeSpans }) => {
    const resourceAttributes = readAttributes(resource?.attributes);
    return (scopeSpans ?? []).flatMap(({ scope, spans }) =>
      (spans ?? []).map((span) => readSpan(span, scope?.name ?? '', resourceAttributes)),
    );
  });
}

function readSpan(span: OtlpSpan, scope: string, resource: Attributes): OtlpReadSpan {
  const start = BigInt(span.startTimeUnixNano);
  const events = (span.events ?? []).map(({ name, attributes }) => ({ name, attributes: readAttributes(attributes) }));
  const exception = events.find((event) => event.name === 'exception');
  const failed = span.status?.code === STATUS_ERROR;
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId ? { parentSpanId: span.parentSpanId } : {}),
    traceState: span.traceState ?? '',
    service: String(resource['service.name'] ?? 'unknown'),
    scope,
    name: span.name,
    kind: KINDS[span.kind ?? 0] ?? 'internal',
    startUs: Number(start / 1_000n),
    durationUs: Number(BigInt(span.endTimeUnixNano) - start) / 1_000,
    attributes: readAttributes(span.attributes),
    events,
    resource,
    ...(failed ? { error: span.status?.message || String(exception?.attributes['exception.message'] ?? '') } : {}),
  };
}

export function readAttributes(attributes: OtlpAttribute[] = []): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]));
}

export function readValue(value: OtlpValue): AttributeValue {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(readValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue ?? '';
}
