import type { AddedTo } from './system.ts';

/** All of a Service once more, as a text. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Services of the cluster: that they are there, and what is said of them. */
export const SERVICES: AddedTo = {
  group: '',
  versions: ['v1'],
  resource: 'services',
  kind: 'Service',
  // Of Istio and of Kong: who has neither is spared a copy of all Services.
  whileDefined: ['telemetry.istio.io', 'configuration.konghq.com'],
  forAll: true,
  prune: ({ metadata: { name, namespace, uid, resourceVersion, annotations } }) => {
    const { [LAST_APPLIED]: _, ...kept } = (annotations ?? {}) as Record<string, string>;
    return { metadata: { name, namespace: namespace!, uid, resourceVersion, annotations: kept } };
  },
};
