import { describe, expect, it } from '@jest/globals';
import { ValueType } from '@opentelemetry/api';
import { JsonMetricsSerializer, ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, MetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { decodeRequest } from '../export/decode.ts';
import { SpanLog } from '../span-log.ts';
import { encodeMetric } from './encode.ts';

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** One of each kind that we make. */
async function measured(): Promise<ResourceMetrics> {
  const reader = new Reader();
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ 'service.name': 'shop' }),
    readers: [reader],
  });
  const http = provider.getMeter('http', '1.2.3');
  const duration = http.createHistogram('duration', {
    unit: 's',
    advice: { explicitBucketBoundaries: [0.01, 0.1, 1] },
  });
  for (const seconds of [0.001, 0.05, 0.07, 12])
    duration.record(seconds, { 'http.route': '/ä/:id', code: 200, ok: true });
  duration.record(0, {});
  const runtime = provider.getMeter('runtime');
  runtime.createCounter('time', { description: 'Zeit', unit: 's' }).add(1.25, { state: 'idle' });
  runtime.createUpDownCounter('used', { valueType: ValueType.INT }).add(2 ** 40 + 7, { space: 'old' });
  runtime.createObservableGauge('utilization', { unit: '1' }).addCallback((result) => result.observe(0.125));
  return (await reader.collect()).resourceMetrics;
}

function encoded(metrics: ResourceMetrics): Buffer {
  const log = new SpanLog(100);
  for (const { scope, metrics: each } of metrics.scopeMetrics)
    for (const metric of each) log.push(encodeMetric(metric), scope);
  return log.take(100, { 'service.name': 'shop' }).body;
}

describe('a metric', () => {
  it("has the bytes that OpenTelemetry's own serializer gives", async () => {
    const metrics = await measured();
    expect(encoded(metrics).equals(ProtobufMetricsSerializer.serializeRequest(metrics)!)).toBe(true);
  });

  it('is read back as the JSON of the same', async () => {
    const metrics = await measured();
    const theirs = JSON.parse(new TextDecoder().decode(JsonMetricsSerializer.serializeRequest(metrics))) as unknown;
    expect(comparable(decodeRequest(encoded(metrics), 'metrics'))).toEqual(comparable(theirs));
  });
});

/** Integers of 64 bits are strings in OTLP's JSON and numbers in OpenTelemetry's; an empty list may be left out. */
function comparable(json: unknown, key = ''): unknown {
  if (Array.isArray(json)) return json.map((item) => comparable(item, key));
  if (typeof json === 'object' && json !== null)
    return Object.fromEntries(
      Object.entries(json)
        .filter(
          ([name, content]) =>
            !(Array.isArray(content) && content.length === 0) &&
            content !== '' &&
            content !== false &&
            name !== 'droppedAttributesCount',
        )
        .map(([name, content]) => [name, comparable(content, name)]),
    );
  return /^(count|bucketCounts|asInt|intValue)$/.test(key) ? String(json) : json;
}
