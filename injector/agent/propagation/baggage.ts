import {
  propagation,
  type Context,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
} from '@opentelemetry/api';
import { W3CBaggagePropagator } from '@opentelemetry/core';

/**
 * W3C baggage of which only some keys leave the process. What arrives is all there for the app to read: what comes in has
 * been seen already, what goes out may be going to somebody else.
 */
export class AllowedBaggagePropagator implements TextMapPropagator {
  private readonly all = new W3CBaggagePropagator();
  private readonly allowed: ReadonlySet<string>;

  constructor(keys: readonly string[]) {
    this.allowed = new Set(keys);
  }

  inject<Carrier>(context: Context, carrier: Carrier, setter: TextMapSetter<Carrier>): void {
    const baggage = propagation.getBaggage(context);
    if (baggage === undefined) return;
    const others = baggage.getAllEntries().filter(([key]) => !this.allowed.has(key));
    const rest = others.length > 0 ? baggage.removeEntries(...others.map(([key]) => key)) : baggage;
    this.all.inject(propagation.setBaggage(context, rest), carrier, setter as TextMapSetter);
  }

  extract<Carrier>(context: Context, carrier: Carrier, getter: TextMapGetter<Carrier>): Context {
    return this.all.extract(context, carrier, getter as TextMapGetter);
  }

  fields(): string[] {
    return this.all.fields();
  }
}
