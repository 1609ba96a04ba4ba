// Metrics and log records as they arrive. The agent's own reader is used, which unit tests compare with OpenTelemetry's.
import { decodeRequest } from '../../injector/agent/export/decode.ts';

interface JsonValue {
  arrayValue?: { values: JsonValue[] };
  kvlistValue?: { values: { key: string; value: JsonValue }[] };
  intValue?: string;
  [kind: string]: unknown;
}
type JsonAttributes = { key: string; value: JsonValue }[];

/** A metric as it arrived. */
export interface ReceivedMetric {
  name: string;
  unit: string;
  scope: string;
  resource: Record<string, unknown>;
  kind: 'gauge' | 'counter' | 'updowncounter' | 'histogram';
  points: { attributes: Record<string, unknown>; value: number; count: number; bounds: number[]; counts: number[] }[];
}

/** A log record as it arrived. */
export interface ReceivedRecord {
  body: unknown;
  severity: number;
  level: string;
  attributes: Record<string, unknown>;
  traceId: string;
  spanId: string;
  millis: number;
  scope: string;
  resource: Record<string, unknown>;
}

function valueOf(value: JsonValue): unknown {
  if (value.arrayValue) return value.arrayValue.values.map(valueOf);
  if (value.kvlistValue) return attributesOf(value.kvlistValue.values);
  if (value.intValue !== undefined) return Number(value.intValue);
  return Object.values(value)[0];
}

function attributesOf(attributes: JsonAttributes = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));
}

interface Described {
  resource: { attributes: JsonAttributes };
}
interface Scoped {
  scope: { name: string };
}

interface JsonPoint {
  attributes?: JsonAttributes;
  asInt?: string;
  asDouble?: number;
  sum?: number;
  count?: string;
  bucketCounts?: string[];
  explicitBounds?: number[];
}
interface JsonMetric {
  name: string;
  unit?: string;
  gauge?: { dataPoints: JsonPoint[] };
  sum?: { dataPoints: JsonPoint[]; isMonotonic?: boolean };
  histogram?: { dataPoints: JsonPoint[] };
}

export function decodeMetrics(body: Uint8Array): ReceivedMetric[] {
  const { resourceMetrics } = decodeRequest(body, 'metrics') as {
    resourceMetrics: (Described & { scopeMetrics: (Scoped & { metrics: JsonMetric[] })[] })[];
  };
  return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ scope, metrics }) =>
      metrics.map(({ name, unit = '', gauge, sum, histogram }) => ({
        name,
        unit,
        scope: scope.name,
        resource: attributesOf(resource.attributes),
        kind: gauge ? 'gauge' : histogram ? 'histogram' : sum?.isMonotonic ? 'counter' : 'updowncounter',
        points: (gauge ?? sum ?? histogram)!.dataPoints.map((point) => ({
          attributes: attributesOf(point.attributes),
          value: Number(point.asInt ?? point.asDouble ?? point.sum),
          count: Number(point.count ?? 0),
          bounds: point.explicitBounds ?? [],
          counts: (point.bucketCounts ?? []).map(Number),
        })),
      })),
    ),
  );
}

interface JsonRecord {
  body?: JsonValue;
  severityNumber?: number;
  severityText?: string;
  attributes?: JsonAttributes;
  traceId?: string;
  spanId?: string;
  timeUnixNano: string;
}

export function decodeLogs(body: Uint8Array): ReceivedRecord[] {
  const { resourceLogs } = decodeRequest(body, 'logs') as {
    resourceLogs: (Described & { scopeLogs: (Scoped & { logRecords: JsonRecord[] })[] })[];
  };
  return resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ scope, logRecords }) =>
      logRecords.map((record) => ({
        body: record.body && valueOf(record.body),
        severity: record.severityNumber ?? 0,
        level: record.severityText ?? '',
        attributes: attributesOf(record.attributes),
        traceId: record.traceId ?? '',
        spanId: record.spanId ?? '',
        millis: Number(BigInt(record.timeUnixNano) / 1_000_000n),
        scope: scope.name,
        resource: attributesOf(resource.attributes),
      })),
    ),
  );
}
