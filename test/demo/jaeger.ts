import { readSpans, type OtlpTraces } from '../../cli/trace/otlp.ts';
import type { Span } from '../../cli/trace/span.ts';

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
