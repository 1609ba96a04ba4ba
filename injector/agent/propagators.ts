import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { failed, sayOnce } from './report.ts';

/** Makes one of the propagators that few need. */
type LoadPropagator = (name: string, keys?: readonly string[]) => TextMapPropagator;

/** The propagator registered with the API for good; what it does can change. */
export class LivePropagator implements TextMapPropagator {
  private current: TextMapPropagator = new CompositePropagator();

  /**
   * Takes names as in OTEL_PROPAGATORS; `load` gets the rarer ones only when they are named. `baggage` has the keys that may
   * leave the process; without it all may.
   */
  set(names: string[], load: LoadPropagator, baggage?: readonly string[]): void {
    const propagators: TextMapPropagator[] = [];
    for (const name of new Set(names)) {
      const made = byName(name, load, baggage);
      if (made) propagators.push(made);
    }
    this.current = propagators.length === 1 ? propagators[0]! : new CompositePropagator({ propagators });
  }

  inject<Carrier>(context: Context, carrier: Carrier, setter: TextMapSetter<Carrier>): void {
    this.current.inject(context, carrier, setter as TextMapSetter);
  }

  extract<Carrier>(context: Context, carrier: Carrier, getter: TextMapGetter<Carrier>): Context {
    return this.current.extract(context, carrier, getter as TextMapGetter);
  }

  fields(): string[] {
    return this.current.fields();
  }
}

function byName(name: string, load: LoadPropagator, baggage?: readonly string[]): TextMapPropagator | undefined {
  switch (name) {
    case 'tracecontext':
      return new W3CTraceContextPropagator();
    case 'baggage':
      return baggage === undefined ? new W3CBaggagePropagator() : rare(name, load, baggage);
    case 'b3':
    case 'b3multi':
    case 'jaeger':
    case 'xray':
      return rare(name, load);
    case 'none':
      return undefined;
    default:
      sayOnce(`propagator "${name}" is not known here and is not used`);
      return undefined;
  }
}

function rare(name: string, load: LoadPropagator, keys?: readonly string[]): TextMapPropagator | undefined {
  try {
    return load(name, keys);
  } catch (error) {
    failed(`propagator "${name}" could not be loaded`, error);
    return undefined;
  }
}
