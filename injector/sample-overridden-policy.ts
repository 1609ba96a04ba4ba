import type { TracingPolicy } from '../crds/tracing-policy.ts';
import { OVERRIDE } from './names.ts';

/** For tests: the policy `shop/default`, with this in its annotation `tracing.acme/override`. */
export function overriddenPolicy(text?: string): TracingPolicy {
  const of = { name: 'default', namespace: 'shop', uid: 'u' };
  return {
    kind: 'TracingPolicy',
    metadata: {
      ...of,
      ...{ resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
      ...(text !== undefined && { annotations: { [OVERRIDE]: text } }),
    },
    spec: {},
  };
}
