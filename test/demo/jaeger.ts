import type { AttributeValue, Span, SpanKind } from './span.ts';

/** Queries Jaeger's API v3, which answers in OTLP's JSON: https://github.com/jaegertracing/jaeger-idl/blob/main/proto/api_v3/query_service.proto */
export class Jaeger {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** The spans of one trace; empty when Jaeger has not got it (yet). */
  async trace(traceId: string): Promise<Span[]> {
    return this.#get(`/api/v3/traces/${traceId}`, { raw_traces: 'true' });
  }

  /** Traces with a span of this service and name that began within a period, each with all its spans. */
  async find(search: { service: string; operation: string; from: Date; to: Date; limit?: number }): Promise<Span[][]> {
    const spans = await this.#get('/api/v3/traces', {
      'query.service_name': search.service,
      'query.operation_name': search.operation,
      'query.start_time_min': search.from.toISOString(),
      'query.start_time_max': search.to.toISOString(),
      'query.num_traces': String(search.limit ?? 1_000),
      'query.raw_traces': 'true',
    });
    return [...Map.groupBy(spans, (span) => span.traceId).values()];
  }

  /** Names of the services that Jaeger has spans of. */
  async services(): Promise<string[]> {
    const response = await fetch(new URL('/api/v3/services', this.#url), { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`Jaeger answered ${response.status}: ${await response.text()}`);
    return ((await response.json()) as { services?: string[] }).services ?? [];
  }

  async #get(path: string, query: Record<string, string>): Promise<Span[]> {
    const url = new URL(path, this.#url);
    url.search = new URLSearchParams(query).toString();
    const response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
    if (response.status === 404) return [];
    if (!response.ok) throw new Error(`Jaeger answered ${response.status} to ${path}: ${await response.text()}`);
    return readSpans(((await response.json()) as { result: OtlpTraces }).result);
  }
}

/** OTLP's traces in JSON, as far as read here: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
export interface OtlpTraces {
  resourceSpans?: {
    resource?: { attributes?: OtlpAttribute[] };
    scopeSpans?: { spans?: OtlpSpan[] }[];
  }[];
}

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind?: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: OtlpAttribute[];
  status?: { code?: number; message?: string };
  events?: { name: string; attributes?: OtlpAttribute[] }[];
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

const KINDS: SpanKind[] = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'];
const STATUS_ERROR = 2;

/** Spans out of OTLP's JSON. */
export function readSpans(traces: OtlpTraces): Span[] {
  return (traces.resourceSpans ?? []).flatMap(({ resource, scopeSpans }) => {
    const resourceAttributes = readAttributes(resource?.attributes);
    return (scopeSpans ?? []).flatMap(({ spans }) => (spans ?? []).map((span) => readSpan(span, resourceAttributes)));
  });
}

function readSpan(span: OtlpSpan, resource: Record<string, AttributeValue>): Span {
  const start = BigInt(span.startTimeUnixNano);
  const exception = span.events?.find((event) => event.name === 'exception');
  const failed = span.status?.code === STATUS_ERROR;
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId ? { parentSpanId: span.parentSpanId } : {}),
    service: String(resource['service.name'] ?? 'unknown'),
    name: span.name,
    kind: KINDS[span.kind ?? 0] ?? 'internal',
    startUs: Number(start / 1_000n),
    durationUs: Number(BigInt(span.endTimeUnixNano) - start) / 1_000,
    attributes: readAttributes(span.attributes),
    resource,
    ...(failed
      ? { error: span.status?.message || String(readAttributes(exception?.attributes)['exception.message'] ?? '') }
      : {}),
  };
}

function readAttributes(attributes: OtlpAttribute[] = []): Record<string, AttributeValue> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, readValue(value)]));
}

function readValue(value: OtlpValue): AttributeValue {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(readValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue ?? '';
}
