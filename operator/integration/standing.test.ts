import { describe, expect, it } from '@jest/globals';
import type { TracingPolicy, TracingPolicySpec } from '../../crds/tracing-policy.ts';
import type { NamespaceIntegration } from '../status/summary.ts';
import { failedIntegrations, integrationsOf } from './standing.ts';

const policy = (spec: TracingPolicySpec): TracingPolicy => ({
  kind: 'TracingPolicy',
  metadata: { name: 'p', namespace: 'shop', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec,
});
const istio = (
  namespace: string,
  state: NamespaceIntegration['state'],
  message = `${state}!`,
): NamespaceIntegration => ({
  name: 'Istio',
  namespace,
  state,
  message,
});

describe('how it stands with other systems', () => {
  it('is one line for each, in the words of the namespace where there is one', () => {
    const linkerd = { ...istio('shop', 'NotInstalled', 'no ConfigMap'), name: 'Linkerd' } as const;
    expect(integrationsOf([linkerd, istio('shop', 'Configured', '10 %')])).toEqual([
      { name: 'Istio', state: 'Configured', message: '10 %' },
      { name: 'Linkerd', state: 'NotInstalled', message: 'no ConfigMap' },
    ]);
    expect(integrationsOf([])).toEqual([]);
  });

  it('is the worst of several namespaces, with what is said in each state', () => {
    const all = [istio('b', 'Configured'), istio('c', 'Conflict', 'theirs'), istio('a', 'Configured')];
    expect(integrationsOf(all)).toEqual([
      {
        name: 'Istio',
        state: 'Conflict',
        message: 'Conflict in c: theirs; Configured in 2 namespaces, such as a: Configured!',
      },
    ]);
    // What is the same everywhere is said once.
    expect(integrationsOf([istio('a', 'NotInstalled'), istio('b', 'NotInstalled')])[0]?.message).toBe('NotInstalled!');
  });

  it('is cut to what the API server takes', () => {
    expect(integrationsOf([istio('a', 'Incomplete', 'x'.repeat(9_000))])[0]?.message).toHaveLength(2_048);
  });

  it.each(['Conflict', 'Incomplete', 'NotInstalled'] as const)('fails a policy that insists on it: %s', (state) => {
    const lines = integrationsOf([istio('shop', state)]);
    expect(failedIntegrations(policy({ mesh: { istio: { mode: 'Enabled' } } }), lines)).toEqual([
      `Istio is ${state}: ${state}!`,
    ]);
    expect(failedIntegrations(policy({ mesh: { istio: { mode: 'Auto' } } }), lines)).toEqual([]);
    expect(failedIntegrations(policy({ mesh: { linkerd: { mode: 'Enabled' } } }), lines)).toEqual([]);
  });

  it.each(['Configured', 'NotUsed', 'NotInForce', 'Disabled'] as const)('fails nobody: %s', (state) => {
    const lines = integrationsOf([istio('shop', state)]);
    expect(failedIntegrations(policy({ mesh: { istio: { mode: 'Enabled' } } }), lines)).toEqual([]);
  });
});
