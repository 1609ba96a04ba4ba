import { describe, expect, it } from '@jest/globals';
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { JaegerPropagator } from './jaeger.ts';

const propagator = new JaegerPropagator();
const extracted = (header: string) =>
  trace.getSpanContext(propagator.extract(ROOT_CONTEXT, { 'uber-trace-id': header }, defaultTextMapGetter));

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

describe('the propagator of Jaeger', () => {
  it.each([1, 0])('brings over what it wrote, sampled or not: %d', (traceFlags) => {
    const carrier: Record<string, string> = {};
    const context = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags });
    propagator.inject(context, carrier, defaultTextMapSetter);
    expect(carrier).toEqual({ 'uber-trace-id': `${traceId}:${spanId}:0:${traceFlags}` });
    expect(extracted(carrier['uber-trace-id']!)).toEqual({ traceId, spanId, traceFlags, isRemote: true });
  });

  it('takes short ids, encoded colons and the debug flag', () => {
    expect(extracted('123%3A4d2%3A0%3A3')).toEqual({
      traceId: '123'.padStart(32, '0'),
      spanId: '4d2'.padStart(16, '0'),
      traceFlags: 1,
      isRemote: true,
    });
  });

  it.each(['', 'garbage', `${traceId}:${spanId}`, `0:${spanId}:0:1`, `${traceId}:0:0:1`, `${traceId}0:${spanId}:0:1`])(
    'leaves the context as it is for %j',
    (header) => expect(extracted(header)).toBeUndefined(),
  );

  it('writes nothing without a span', () => {
    const carrier = {};
    propagator.inject(ROOT_CONTEXT, carrier, defaultTextMapSetter);
    expect(carrier).toEqual({});
  });
});
