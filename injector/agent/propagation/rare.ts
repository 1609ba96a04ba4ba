import type { TextMapPropagator } from '@opentelemetry/api';
import { B3InjectEncoding, B3Propagator } from '@opentelemetry/propagator-b3';
import { AWSXRayPropagator } from '@opentelemetry/propagator-aws-xray';
import { AllowedBaggagePropagator } from './baggage.ts';
import { JaegerPropagator } from './jaeger.ts';

/** Makes one of the propagators that few need; `keys` are those of the baggage that may leave the process. */
export function create(name: string, keys: readonly string[] = []): TextMapPropagator {
  switch (name) {
    case 'baggage':
      return new AllowedBaggagePropagator(keys);
    case 'b3':
      return new B3Propagator({ injectEncoding: B3InjectEncoding.SINGLE_HEADER });
    case 'b3multi':
      return new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER });
    case 'jaeger':
      return new JaegerPropagator();
    default:
      return new AWSXRayPropagator();
  }
}
