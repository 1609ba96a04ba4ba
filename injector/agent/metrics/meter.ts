import type { Attributes, MeterProvider as ApiMeterProvider } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { version } from 'agent:libraries';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { HttpDurations } from '../http/durations.ts';
import type { Scope } from '../span.ts';
import { encodeMetric } from './encode.ts';
import { measureRuntime } from './runtime.ts';

/** Attribute sets of an instrument; what is more is summed up in one that says `otel.metric.overflow`. */
const MOST_SETS = 2000;
/** Seconds, as the semantic conventions for HTTP have them. */
const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Metrics that are being taken. */
export interface Metering {
  /** For the agent's own HTTP hooks. */
  durations: HttpDurations;
  /** For an instrumentation that measures. */
  provider: ApiMeterProvider;
  /** Takes everything as it is now. It never rejects. */
  collect(): Promise<void>;
  /** Measures no more. */
  stop(): void;
}

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {
    // What is collected is handed over at once.
  }

  protected override async onShutdown(): Promise<void> {
    // There is nothing to be closed.
  }
}

/** Begins to measure. `take` gets memory that is used again: it has to copy what it keeps. */
export function startMetering(
  take: (metric: Buffer, scope: Scope) => void,
  fail: (what: string, error: unknown) => void,
): Metering {
  const reader = new Reader({ cardinalitySelector: () => MOST_SETS });
  const provider = new MeterProvider({ resource: resourceFromAttributes({}), readers: [reader] });
  const meter = provider.getMeter('tracing-operator/http', version);
  const histogram = (side: 'server' | 'client', description: string) =>
    meter.createHistogram(`http.${side}.request.duration`, {
      description,
      unit: 's',
      advice: { explicitBucketBoundaries: BOUNDARIES },
    });
  const server = histogram('server', 'Duration of HTTP server requests.');
  const client = histogram('client', 'Duration of HTTP client requests.');
  const stopRuntime = measureRuntime(provider.getMeter('tracing-operator/runtime', version));
  return {
    durations: {
      server: (seconds: number, attributes: Attributes) => server.record(seconds, attributes),
      client: (seconds: number, attributes: Attributes) => client.record(seconds, attributes),
    },
    provider,
    async collect() {
      try {
        const { resourceMetrics, errors } = await reader.collect();
        for (const { scope, metrics } of resourceMetrics.scopeMetrics)
          for (const metric of metrics) if (metric.dataPoints.length > 0) take(encodeMetric(metric), scope);
        if (errors.length > 0) fail('some metrics could not be collected', errors[0]);
      } catch (error) {
        fail('metrics could not be collected', error);
      }
    },
    stop() {
      stopRuntime();
      void provider.shutdown();
    },
  };
}
