import type { PolicyStatus, TracingPolicy, TracingPolicySpec } from '../../crds/tracing-policy.ts';
import type { Facts, LivePod } from './facts.ts';
import { kindCalled } from './kinds.ts';

/** Of a policy that sends somewhere. */
export const exporters = [{ name: 'default', endpoint: 'http://collector:4318' }];
export const policy = (name: string, spec: TracingPolicySpec, status?: PolicyStatus): TracingPolicy => ({
  kind: 'TracingPolicy',
  metadata: { name, namespace: 'shop', uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec,
  ...(status && { status }),
});
export const pod = (
  name: string,
  more: { annotations?: Record<string, string>; injected?: boolean; created?: string; status?: LivePod['status'] } = {},
): LivePod => ({
  metadata: {
    name,
    creationTimestamp: more.created ?? '2026-01-01T00:00:00Z',
    labels: { app: 'web', ...(more.injected && { 'tracing.acme/injected': 'true' }) },
    annotations: more.annotations ?? {},
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', controller: true }],
  },
  spec: { containers: [{ name: 'app' }], initContainers: [{ name: 'tracing-acme-agent', image: 'agent:1' }] },
  status: more.status ?? { phase: 'Running', containerStatuses: [{ name: 'app', ready: true }] },
});

export const INSTALLATION = {
  namespace: 'tracing-system',
  name: 'op',
  reach: { only: [] as string[], excluded: ['kube-system', 'tracing-system'] },
  takenOver: [] as string[],
  readyReplicas: 2,
  defaults: {},
};

/** A StatefulSet whose template asks for the agent, and a cluster of which everything can be read. */
export function facts(
  more: Partial<Facts> = {},
  template: Record<string, string> = { 'tracing.acme/inject': 'true' },
): Facts {
  return {
    kind: kindCalled('statefulset'),
    workload: {
      kind: 'StatefulSet',
      apiVersion: 'apps/v1',
      metadata: { name: 'web' },
      spec: {
        template: {
          metadata: { labels: { app: 'web' }, annotations: template },
          spec: { containers: [{ name: 'app' }] },
        },
      },
    },
    namespace: 'shop',
    namespaceLabels: {},
    namespaced: [policy('default', { exporters })],
    cluster: [],
    unreadable: [],
    installation: INSTALLATION,
    outages: [],
    pods: [],
    warnings: new Map(),
    spoken: new Map(),
    closed: [],
    now: Date.parse('2026-01-01T12:00:00Z'),
    ...more,
  };
}
