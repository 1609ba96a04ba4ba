import { describe, expect, it } from '@jest/globals';
import type { ClusterTracingPolicy } from '../crds/tracing-policy.ts';
import { resolve } from './resolve.ts';

const agent = { image: 'agent:1', canary: { image: 'agent:2', percent: 10 } };
const policy = (more: Partial<ClusterTracingPolicy> = {}, generation = 2): ClusterTracingPolicy => ({
  kind: 'ClusterTracingPolicy',
  metadata: { name: 'p', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z', generation },
  spec: { agent },
  ...more,
});
const halted = (observedGeneration: number, status: 'True' | 'False' = 'True') => ({
  status: {
    conditions: [
      { type: 'CanaryHalted', status, observedGeneration, lastTransitionTime: '', reason: 'RestartsRose', message: '' },
    ],
  },
});
const resolved = (cluster: ClusterTracingPolicy) =>
  resolve({ namespaced: [], cluster: [cluster], defaults: {} }, { namespace: 'shop' });

describe('a canary', () => {
  it('is a second agent beside the one that pods get', () => {
    const { agent, canary } = resolved(policy());
    expect(agent).toEqual({ image: 'agent:1' });
    expect(canary).toMatchObject({ agent: { image: 'agent:2' }, percent: 10 });
  });

  it('leaves the agent to the chart where the policy names no other, and takes over when to pull', () => {
    const { agent, canary } = resolved(
      policy({ spec: { agent: { imagePullPolicy: 'Never', canary: { image: 'agent:2', percent: 1 } } } }),
    );
    expect(agent).toEqual({ imagePullPolicy: 'Never' });
    expect(canary?.agent).toEqual({ image: 'agent:2', imagePullPolicy: 'Never' });
  });

  it('that was halted does not spread, until somebody changes the policy', () => {
    expect(resolved(policy(halted(2))).canary?.percent).toBe(0);
    expect(resolved(policy(halted(1))).canary?.percent).toBe(10);
    expect(resolved(policy(halted(2, 'False'))).canary?.percent).toBe(10);
  });
});
