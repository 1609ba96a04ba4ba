import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api';
import { isSpanContextValid, trace, TraceFlags } from '@opentelemetry/api';
import { isTracingSuppressed } from '@opentelemetry/core';

const HEADER = 'uber-trace-id';

/**
 * Jaeger's own header, `trace-id:span-id:0:flags`. OpenTelemetry's package for it ended with the second line of the SDK.
 * Baggage of that format is not carried: nothing has been writing it since Jaeger's clients were archived.
 * https://www.jaegertracing.io/docs/1.76/client-libraries/#propagation-format
 */
export class JaegerPropagator implements TextMapPropagator {
  inject<Carrier>(context: Context, carrier: Carrier, setter: TextMapSetter<Carrier>): void {
    const span = trace.getSpanContext(context);
    if (!span || !isSpanContextValid(span) || isTracingSuppressed(context)) return;
    setter.set(
      carrier,
      HEADER,
      `${span.traceId}:${span.spanId}:0:${(span.traceFlags & TraceFlags.SAMPLED).toString(16)}`,
    );
  }

  extract<Carrier>(context: Context, carrier: Carrier, getter: TextMapGetter<Carrier>): Context {
    const found = getter.get(carrier, HEADER);
    const text = (Array.isArray(found) ? found[0] : found) ?? '';
    // Some clients percent-encode the colons, and leave out leading zeros.
    const match = /^([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]*:([0-9a-f]{1,2})$/i.exec(text.replace(/%3a/gi, ':'));
    if (!match) return context;
    const [, traceId = '', spanId = '', flags = '0'] = match.map((part) => part.toLowerCase());
    const span = {
      traceId: traceId.padStart(32, '0'),
      spanId: spanId.padStart(16, '0'),
      traceFlags: parseInt(flags, 16) & TraceFlags.SAMPLED,
      isRemote: true,
    };
    return isSpanContextValid(span) ? trace.setSpanContext(context, span) : context;
  }

  fields(): string[] {
    return [HEADER];
  }
}
