import type { TracingPolicy } from '../../crds/tracing-policy.ts';
import type { Digest } from '../digest/digest.ts';
import type { PodMeta, StatusFacts } from './facts.ts';

export const NOW = Date.parse('2026-01-01T00:00:00Z');

export function pod(name: string, workload: string, more: Partial<PodMeta['metadata']> = {}): PodMeta {
  return {
    metadata: {
      name,
      namespace: 'shop',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: workload, controller: true }],
      ...more,
    },
  };
}
export const traced = (name: string, workload: string, key = 'policy.default.json') =>
  pod(name, workload, {
    labels: { 'tracing.acme/injected': 'true' },
    annotations: { 'tracing.acme/inject': 'true', 'tracing.acme/policy-key': key },
  });

export function policy(spec: TracingPolicy['spec'], status?: TracingPolicy['status']): TracingPolicy {
  const metadata = { name: 'default', namespace: 'shop', uid: '', resourceVersion: '', creationTimestamp: '' };
  return { kind: 'TracingPolicy', metadata, spec, ...(status && { status }) };
}

export function digest(name: string, pods: number, troubles: string[] = []): Digest {
  return {
    kind: 'StatefulSet',
    name,
    writtenAt: '2026-01-01T00:00:00Z',
    facts: {
      ...{ pods, processes: pods, agents: {}, nodes: {}, policies: {}, libraries: {}, uninstrumented: {} },
      ...{ problems: [], troubles, failures: [] },
    },
    numbers: { spans: {}, exporters: {}, signals: {} },
  };
}

export function facts(more: Partial<StatusFacts>): StatusFacts {
  return {
    namespaced: [policy({}, { conditions: [] })],
    cluster: [],
    unreadable: [],
    pods: [],
    namespaceLabels: new Map([['shop', {}]]),
    digests: new Map(),
    closed: [],
    now: NOW,
    ...more,
  };
}
