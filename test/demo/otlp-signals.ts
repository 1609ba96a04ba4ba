import { readAttributes, readValue } from '../../cli/trace/otlp.ts';
import type { Attributes, OtlpAttribute, OtlpResource, OtlpScope, OtlpValue } from '../../cli/trace/otlp.ts';
import type { AttributeValue } from '../../cli/trace/span.ts';

/** Metrics and log records in OTLP's JSON, as far as read here; cli/trace/otlp.ts has spans. */
export interface OtlpMetrics {
  resourceMetrics?: { resource?: OtlpResource; scopeMetrics?: { scope?: OtlpScope; metrics?: OtlpMetric[] }[] }[];
}

export interface OtlpLogs {
  resourceLogs?: { resource?: OtlpResource; scopeLogs?: { scope?: OtlpScope; logRecords?: OtlpLogRecord[] }[] }[];
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

function readPoint(point: OtlpPoint): OtlpReadMetric['points'][number] {
  return {
    attributes: readAttributes(point.attributes),
    value: Number(point.asInt ?? point.asDouble ?? point.sum ?? 0),
    ...(point.count === undefined ? {} : { count: Number(point.count) }),
  };
}
