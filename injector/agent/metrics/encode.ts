import { ValueType } from '@opentelemetry/api';
import { DataPointType, type DataPoint, type Histogram, type MetricData } from '@opentelemetry/sdk-metrics';
import { attributes, begin, close, double, long, number, open, packed, text, time, written } from '../wire.ts';

/** A field of OTLP's ScopeMetrics: the metric with its tag and length, valid until the next call. */
export function encodeMetric(metric: MetricData): Buffer {
  const { name, description, unit, valueType } = metric.descriptor;
  begin();
  const start = open(0x12);
  text(0x0a, name);
  if (description) text(0x12, description);
  if (unit) text(0x1a, unit);
  switch (metric.dataPointType) {
    case DataPointType.GAUGE: {
      const gauge = open(0x2a);
      for (const each of metric.dataPoints) point(each, valueType);
      close(gauge);
      break;
    }
    case DataPointType.SUM: {
      const sum = open(0x3a);
      for (const each of metric.dataPoints) point(each, valueType);
      number(0x10, metric.aggregationTemporality + 1);
      if (metric.isMonotonic) number(0x18, 1);
      close(sum);
      break;
    }
    case DataPointType.HISTOGRAM: {
      const histogram = open(0x4a);
      for (const each of metric.dataPoints) distribution(each);
      number(0x10, metric.aggregationTemporality + 1);
      close(histogram);
      break;
    }
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      throw new Error(`${name} is an exponential histogram, which nothing here makes`);
  }
  close(start);
  return written();
}

function point({ startTime, endTime, value, attributes: values }: DataPoint<number>, valueType: ValueType): void {
  const start = open(0x0a);
  time(0x11, startTime);
  time(0x19, endTime);
  if (valueType === ValueType.INT) long(0x31, value);
  else double(0x21, value);
  attributes(0x3a, values);
  close(start);
}

function distribution({ startTime, endTime, value, attributes: values }: DataPoint<Histogram>): void {
  const start = open(0x0a);
  time(0x11, startTime);
  time(0x19, endTime);
  long(0x21, value.count);
  if (value.sum !== undefined) double(0x29, value.sum);
  packed(0x32, value.buckets.counts, false);
  packed(0x3a, value.buckets.boundaries, true);
  attributes(0x4a, values);
  if (value.min !== undefined) double(0x59, value.min);
  if (value.max !== undefined) double(0x61, value.max);
  close(start);
}
