import { describe, expect, it } from '@jest/globals';
import type { ClusterTracingPolicy, TracingPolicy } from '../crds/tracing-policy.ts';
import { activeOverrides, overrideProblem } from './override.ts';
import { resolve } from './resolve.ts';

const NOW = Date.parse('2026-01-31T12:00:00Z');
const SOON = '2026-01-31T12:10:00Z';
const meta = { uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' };
const DEFAULTS = {};
const exporters = [{ name: 'default', endpoint: 'http://collector:4318' }];

function policy(override: unknown): TracingPolicy {
  const text = typeof override === 'string' ? override : JSON.stringify(override);
  const metadata = { ...meta, name: 'default', namespace: 'shop', annotations: { 'tracing.acme/override': text } };
  return { kind: 'TracingPolicy', metadata, spec: { sampling: { ratio: 0.1 }, exporters } };
}
function clusterPolicy(override: unknown): ClusterTracingPolicy {
  const { metadata, spec } = policy(override);
  return { kind: 'ClusterTracingPolicy', metadata, spec };
}
const podOf = (workload: string, namespace = 'shop') => ({
  namespace,
  name: `${workload}-h1-x`,
  labels: { 'pod-template-hash': 'h1' },
  ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${workload}-h1`, controller: true }],
});
const documentOf = (
  of: TracingPolicy | ClusterTracingPolicy,
  workload = 'order',
  now: number | null = NOW,
  where = 'shop',
) =>
  resolve(
    {
      namespaced: of.kind === 'TracingPolicy' ? [of] : [],
      cluster: of.kind === 'ClusterTracingPolicy' ? [of] : [],
      defaults: DEFAULTS,
      ...(now !== null && { now }),
    },
    podOf(workload, where),
  ).document!;

describe('an override of a policy', () => {
  const half = policy([{ workload: 'deployment/order', ratio: 0.5, until: SOON }]);

  it('is a document of its own for the pods of its workload, and nothing new for others', () => {
    const order = documentOf(half);
    expect(order.spec.sampling.ratio).toBe(0.5);
    expect(order.key).toMatch(/^override\.deployment\.order\.[0-9a-f]{8}\.json$/);
    expect(order.source).toBe('TracingPolicy shop/default, overridden for deployment/order until 2026-01-31T12:10:00Z');
    expect(documentOf(half)).toBe(order);
    const payment = documentOf(half, 'payment');
    expect(payment).toEqual(documentOf(policy([]), 'payment'));
    expect(payment.revision).not.toBe(order.revision);
  });

  it('ends by the clock, whether or not anybody has taken it away', () => {
    expect(documentOf(half, 'order', Date.parse(SOON) - 1).spec.sampling.ratio).toBe(0.5);
    expect(documentOf(half, 'order', Date.parse(SOON)).spec.sampling.ratio).toBe(0.1);
    // Who has no clock knows of none.
    expect(documentOf(half, 'order', null).spec.sampling.ratio).toBe(0.1);
  });

  it('of a cluster policy is for one namespace', () => {
    const wide = clusterPolicy([{ namespace: 'shop', workload: 'deployment/order', ratio: 1, until: SOON }]);
    expect(documentOf(wide).spec.sampling.ratio).toBe(1);
    expect(documentOf(wide, 'order', NOW, 'other').spec.sampling.ratio).toBe(0.1);
  });

  it('and a closer look at the same workload go together, until the first of them ends', () => {
    const both = policy([
      { workload: 'deployment/order', ratio: 0.5, until: SOON },
      { workload: 'deployment/order', reportSeconds: 5, until: '2026-01-31T12:01:00Z' },
    ]);
    expect(documentOf(both).spec).toMatchObject({ sampling: { ratio: 0.5 }, reportSeconds: 5 });
    expect(documentOf(both).source).toContain('until 2026-01-31T12:01:00Z');
    const later = documentOf(both, 'order', NOW + 120_000).spec;
    expect(later.sampling.ratio).toBe(0.5);
    expect(later).not.toHaveProperty('reportSeconds');
  });

  it.each<[unknown, RegExp]>([
    ['{', /^it is no JSON: /],
    ['{}', /^a list is expected$/],
    [[{ workload: 'order', ratio: 0.5, until: SOON }], /^\[0\]\.workload: .* e\.g\. deployment\/order$/],
    [[{ workload: 'deployment/order', ratio: 2, until: SOON }], /^\[0\]\.ratio: .*<=1/],
    [[{ workload: 'deployment/order', ratio: 0.5, until: 'tomorrow' }], /^\[0\]\.until: a time in UTC/],
    [[{ workload: 'deployment/order', until: SOON }], /^\[0\]: it says neither ratio nor reportSeconds/],
    [[{ workload: 'deployment/order', ratio: 1, until: SOON, rate: 1 }], /^\[0\]: .*"rate"/],
    [
      [{ workload: 'deployment/order', ratio: 1, until: '2026-02-02T12:00:00Z' }],
      /^\[0\]\.until is more than 24 hours/,
    ],
  ])('that is wrong counts for nothing, as a whole, and says where: %j', (override, problem) => {
    const wrong = policy(override);
    expect(overrideProblem(wrong, NOW)).toMatch(problem);
    expect(activeOverrides(wrong, NOW)).toEqual([]);
    expect(documentOf(wrong).spec.sampling.ratio).toBe(0.1);
  });

  it('of a cluster policy has to say its namespace', () => {
    expect(overrideProblem(clusterPolicy([{ workload: 'deployment/order', ratio: 1, until: SOON }]), NOW)).toMatch(
      /^\[0\]\.namespace is missing/,
    );
  });
});
