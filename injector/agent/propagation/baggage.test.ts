import { describe, expect, it } from '@jest/globals';
import { defaultTextMapGetter, defaultTextMapSetter, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { AllowedBaggagePropagator } from './baggage.ts';

const arrived = 'tenant=blue;ttl=5,user=alice%40example.com,plan=gold';
const context = (header: string) =>
  new AllowedBaggagePropagator([]).extract(ROOT_CONTEXT, { baggage: header }, defaultTextMapGetter);
const passedOn = (keys: string[], header = arrived) => {
  const carrier: Record<string, string> = {};
  new AllowedBaggagePropagator(keys).inject(context(header), carrier, defaultTextMapSetter);
  return carrier;
};

describe('baggage of which some keys are allowed', () => {
  it('is passed on with these, as they came', () => {
    expect(passedOn(['tenant', 'other'])).toEqual({ baggage: 'tenant=blue;ttl=5' });
    expect(passedOn(['user', 'tenant', 'plan'])).toEqual({ baggage: arrived });
  });

  it('is no header where none is left', () => {
    expect(passedOn([])).toEqual({});
    expect(passedOn(['Tenant'])).toEqual({});
    const carrier = {};
    new AllowedBaggagePropagator(['tenant']).inject(ROOT_CONTEXT, carrier, defaultTextMapSetter);
    expect(carrier).toEqual({});
  });

  it('is all there for the app', () => {
    const entries = propagation.getBaggage(context(arrived))?.getAllEntries();
    expect(entries?.map(([key, { value }]) => [key, value])).toEqual([
      ['tenant', 'blue'],
      ['user', 'alice@example.com'],
      ['plan', 'gold'],
    ]);
  });
});
