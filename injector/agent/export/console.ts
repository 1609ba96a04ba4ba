import { inspect } from 'node:util';
import type { Destination } from '../queue.ts';

/** Prints spans on stdout, for trying things out (`OTEL_TRACES_EXPORTER=console`). */
export function consoleDestination(): Destination {
  const destination: Destination = {
    send(spans) {
      for (const span of spans) {
        const { traceId, spanId } = span.spanContext();
        const shown = {
          traceId,
          spanId,
          parentSpanId: span.parentSpanContext?.spanId,
          scope: span.instrumentationScope.name,
          name: span.name,
          kind: span.kind,
          millis: span.duration[0] * 1000 + span.duration[1] / 1e6,
          attributes: span.attributes,
          status: span.status,
          events: span.events,
        };
        process.stdout.write(`${inspect(shown, { depth: 5 })}\n`);
      }
      return Promise.resolve(undefined);
    },
    sendNow(spans) {
      void destination.send(spans, false);
    },
    close() {
      // nothing is open
    },
  };
  return destination;
}
