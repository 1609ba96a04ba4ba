import { inspect } from 'node:util';
import type { Destination } from '../queue.ts';
import { decodeTraces, type JsonKeyValue } from './decode.ts';

/** Prints spans on stdout, for trying things out (`OTEL_TRACES_EXPORTER=console`). */
export function consoleDestination(): Destination {
  return {
    send(body) {
      print(body);
      return Promise.resolve({});
    },
    sendNow(body) {
      if (body) print(body);
    },
    close() {
      // nothing is open
    },
  };
}

function print(body: Uint8Array): void {
  for (const { scopeSpans } of decodeTraces(body).resourceSpans)
    for (const { scope, spans } of scopeSpans)
      for (const span of spans) {
        const shown = {
          traceId: span.traceId,
          spanId: span.spanId,
          parentSpanId: span.parentSpanId,
          scope: scope.name,
          name: span.name,
          kind: span.kind - 1,
          millis: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
          attributes: plain(span.attributes),
          status: span.status,
          events: span.events?.map((event) => ({ ...event, attributes: plain(event.attributes) })),
        };
        process.stdout.write(`${inspect(shown, { depth: 5 })}\n`);
      }
}

function plain(attributes: JsonKeyValue[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
