import type { AttributeValue, Span, SpanKind } from './span.ts';

/**
 * OTLP in JSON, as far as read here: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. What is at its
 * default value is left out.
 */
export interface OtlpTraces {
  resourceSpans?: { resource?: OtlpResource; scopeSpans?: { scope?: OtlpScope; spans?: OtlpSpan[] }[] }[];
}

export interface OtlpMetrics {
  resourceMetrics?: { resource?: OtlpResource; scopeMetrics?: { scope?: OtlpScope; metrics?: OtlpMetric[] }[] }[];
}

export interface OtlpLogs {
  resourceLogs?: { resource?: OtlpResource; scopeLogs?: { scope?: OtlpScope; logRecords?: OtlpLogRecord[] }[] }[];
}

interface OtlpResource {
  attributes?: OtlpAttribute[];
}

interface OtlpScope {
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

interface OtlpMetric {
  name: string;
  unit?: string;
  sum?: { dataPoints?: OtlpPoint[] };
  gauge?: { dataPoints?: OtlpPoint[] };
  histogram?: { dataPoints?: OtlpPoint[] };
}

interface OtlpPoint {
  attributes?: OtlpAttribute[];
  asInt?: string | number;
  asDouble?: number;
  count?: string | number;
  sum?: number;
}

interface OtlpLogRecord {
  severityText?: string;
  severityNumber?: number;
  body?: OtlpValue;
  attributes?: OtlpAttribute[];
  traceId?: string;
  spanId?: string;
}

interface OtlpAttribute {
  key: string;
  value: OtlpValue;
}

interface OtlpValue {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: string | number;
  doubleValue?: number;
  arrayValue?: { values?: OtlpValue[] };
}

type Attributes = Record<string, AttributeValue>;

/** A span with what only some tests ask for. */
export interface OtlpReadSpan extends Span {
  /** Name of the instrumentation scope. */
  scope: string;
  /** An empty string when there is none. */
  traceState: string;
  events: { name: string; attributes: Attributes }[];
}

/** A metric of one request, each with its points. */
export interface OtlpReadMetric {
  name: string;
  unit: string;
  kind: 'sum' | 'gauge' | 'histogram';
  scope: string;
  resource: Attributes;
  /** `value` of a histogram's point is its sum; `count` is there for histograms alone. */
  points: { attributes: Attributes; value: number; count?: number }[];
}

/** A log record; ids are empty strings where there are none. */
export interface OtlpReadLog {
  body: AttributeValue;
  severityText: string;
  severityNumber: number;
  traceId: string;
  spanId: string;
  scope: string;
  attributes: Attributes;
  resource: Attributes;
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

/** Metrics out of OTLP's JSON; exponential histograms and summaries are left out. */
export function readMetrics(metrics: OtlpMetrics): OtlpReadMetric[] {
  return (metrics.resourceMetrics ?? []).flatMap(({ resource, scopeMetrics }) =>
    (scopeMetrics ?? []).flatMap(({ scope, metrics }) =>
      (metrics ?? []).flatMap((metric) =>
        (['sum', 'gauge', 'histogram'] as const)
          .filter((kind) => metric[kind] !== undefined)
          .map((kind) => ({
            name: metric.name,
            unit: metric.unit ?? '',
            kind,
            scope: scope?.name ?? '',
            resource: readAttributes(resource?.attributes),
            points: (metric[kind]?.dataPoints ?? []).map(readPoint),
          })),
      ),
    ),
  );
}

/** Log records out of OTLP's JSON. */
export function readLogs(logs: OtlpLogs): OtlpReadLog[] {
  return (logs.resourceLogs ?? []).flatMap(({ resource, scopeLogs }) =>
    (scopeLogs ?? []).flatMap(({ scope, logRecords }) =>
      (logRecords ?? []).map((record) => ({
        body: record.body === undefined ? '' : readValue(record.body),
        severityText: record.severityText ?? '',
        severityNumber: record.severityNumber ?? 0,
        traceId: record.traceId ?? '',
        spanId: record.spanId ?? '',
        scope: scope?.name ?? '',
        attributes: readAttributes(record.attributes),
        resource: readAttributes(resource?.attributes),
      })),
    ),
  );
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

function readPoint(point: OtlpPoint): OtlpReadMetric['points'][number] {
  return {
    attributes: readAttributes(point.attributes),
    value: Number(point.asInt ?? point.asDouble ?? point.sum ?? 0),
    ...(point.count === undefined ? {} : { count: Number(point.count) }),
  };
}

function readAttributes(attributes: OtlpAttribute[] = []): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]));
}

function readValue(value: OtlpValue): AttributeValue {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(readValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue ?? '';
}
