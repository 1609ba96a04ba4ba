import { describe, expect, it } from '@jest/globals';
import { EVERYWHERE } from '../reach.ts';
import type { PodMeta } from './facts.ts';
import { countTroubles, overview } from './overview.ts';
import { digest, facts, NOW, pod, policy, traced } from './sample-facts.ts';

describe('the overview', () => {
  it('counts the pods of each workload that has to do with tracing, and leaves out the others', () => {
    const { workloads, namespaces } = overview(
      facts({
        pods: [traced('a-0', 'a'), traced('a-1', 'a'), pod('plain-0', 'plain'), traced('b-0', 'b', 'none')],
        digests: new Map([['shop', [digest('a', 2)]]]),
      }),
    );
    expect(workloads).toEqual([
      expect.objectContaining({ name: 'a', pods: 2, traced: 2, reporting: 2, state: 'Traced' }),
      expect.objectContaining({ name: 'b', pods: 1, traced: 1, reporting: 0, state: 'NoPolicy', policy: 'none' }),
    ]);
    expect(workloads[0]!.policy).toBe('TracingPolicy shop/default');
    expect(namespaces).toEqual([{ namespace: 'shop', workloads: 2, pods: 3, traced: 3, reporting: 2, troubled: 0 }]);
  });

  it('takes a workload that asks for tracing and has no policy for trouble, and one that is about to be told for none', () => {
    const pods = [traced('b-0', 'b', 'none')];
    const [row] = overview(facts({ namespaced: [], pods })).workloads;
    expect(row).toMatchObject({ state: 'NoPolicy', troubles: [{ reason: 'NoPolicy' }] });
    expect(overview(facts({ pods })).workloads[0]).toMatchObject({ state: 'NoPolicy', troubles: [] });
  });

  it('does not take for trouble that no policy applies to pods of which none asks any more', () => {
    const labels = { 'tracing.acme/injected': 'true' };
    const [left, asking] = [pod('b-0', 'b', { labels }), traced('b-1', 'b', 'none')];
    const seen = (pods: PodMeta[], namespaceLabels = {}) =>
      overview(facts({ namespaced: [], pods, namespaceLabels: new Map([['shop', namespaceLabels]]) })).workloads[0];
    expect(seen([left])).toMatchObject({ state: 'NoPolicy', traced: 1, troubles: [] });
    expect(seen([left], { 'tracing.acme/inject': 'true' })).toMatchObject({ troubles: [{ reason: 'NoPolicy' }] });
    expect(seen([left, asking])).toMatchObject({ troubles: [{ reason: 'NoPolicy' }] });
  });

  it('does not repeat what a status has said of pods that are gone', () => {
    const said = (reason: 'ExportFailing' | 'RolledBack') => {
      const workloads = [{ namespace: 'shop', kind: 'StatefulSet', name: 'b', pods: 1, reason }];
      return overview(facts({ namespaced: [policy({}, { workloads })] })).workloads.map(({ name, state }) => [
        name,
        state,
      ]);
    };
    expect(said('ExportFailing')).toEqual([]);
    expect(said('RolledBack')).toEqual([['b', 'RolledBack']]);
  });

  it('says of an operator of which nothing runs how to start it, and that the rest is from before', () => {
    const installation = { name: 'op', namespace: 'system', reach: EVERYWHERE, takenOver: [], readyReplicas: 0 };
    const message = (replicas: number) =>
      overview(facts({ installation: { ...installation, replicas } })).operator.troubles[0]!.message;
    expect(message(0)).toMatch(/is from before\. kubectl -n system scale deployment\/op --replicas=2$/);
    expect(message(2)).toMatch(/kubectl -n system describe pods -l /);
  });

  it('puts trouble first, whoever says it: the policy, an agent, or the pod itself', () => {
    const failing = { namespace: 'shop', kind: 'StatefulSet', name: 'b', pods: 1, reason: 'ExportFailing' as const };
    const seen = overview(
      facts({
        namespaced: [policy({}, { workloads: [{ ...failing, message: 'ECONNREFUSED' }] })],
        pods: [
          traced('a-0', 'a'),
          traced('b-0', 'b'),
          traced('c-0', 'c'),
          pod('d-0', 'd', { annotations: { 'tracing.acme/inject': 'true' } }),
          pod('e-0', 'e', { annotations: { 'tracing.acme/status': '{"injected":[],"reason":"OtherTracer"}' } }),
          pod('f-0', 'f', { annotations: { 'tracing.acme/status': '{"injected":[],"reason":"OptedOut"}' } }),
        ],
        digests: new Map([['shop', [digest('b', 1, ['as the policy says']), digest('c', 1, ['queue is full'])]]]),
      }),
    );
    expect(seen.workloads.map(({ name, state }) => [name, state])).toEqual([
      ['b', 'ExportFailing'],
      ['c', 'ExportFailing'],
      ['d', 'Missing'],
      ['e', 'OtherTracer'],
      ['a', 'Traced'],
    ]);
    expect(seen.workloads[0]!.troubles).toEqual([{ reason: 'ExportFailing', message: 'ECONNREFUSED' }]);
    expect(countTroubles(seen)).toBe(4);
  });

  it('does not take what is switched off, or is for information, for trouble', () => {
    const remark = { namespace: 'shop', kind: 'StatefulSet', name: 'a', pods: 1, reason: 'NotInstrumented' as const };
    const off = policy({ enabled: false }, { workloads: [remark] });
    const seen = overview(facts({ namespaced: [off], pods: [traced('a-0', 'a')] }));
    expect(seen.workloads).toEqual([expect.objectContaining({ state: 'SwitchedOff', troubles: [] })]);
    expect(countTroubles(seen)).toBe(0);
  });

  it('tells who asks in a namespace that is not reached why, and leaves out what only policies of the cluster ask for', () => {
    const reach = { only: ['other'], excluded: ['kube-system', 'system'] };
    const installation = { name: 'tracing', namespace: 'system', reach, takenOver: [] };
    const cluster = {
      kind: 'ClusterTracingPolicy' as const,
      metadata: { name: 'base', uid: '', resourceVersion: '', creationTimestamp: '' },
      spec: { injection: 'All' as const },
    };
    const pods = [pod('a-0', 'a', { annotations: { 'tracing.acme/inject': 'true' } }), pod('b-0', 'b')];
    const seen = overview(facts({ namespaced: [], cluster: [cluster], pods, installation }));
    expect(seen.workloads.map(({ name, state }) => [name, state])).toEqual([['a', 'NotReached']]);
    expect(seen.workloads[0]!.troubles[0]!.message).toBe(
      `pods of namespace shop are never looked at: the chart's webhook.namespaces does not contain it. Next: helm upgrade tracing charts/tracing-operator -n system --reuse-values --set-json 'webhook.namespaces=["other","shop"]' # or ask your platform team for it`,
    );
  });

  it('says of the operator whether it leads, and whether the API server knows its webhook', () => {
    const installation = { name: 'tracing', namespace: 'system', reach: EVERYWHERE, takenOver: [], readyReplicas: 2 };
    const { operator } = overview(
      facts({ installation: { ...installation, replicas: 2 }, leader: { name: 'tracing-x', renewedAt: NOW - 60_000 } }),
    );
    expect(operator).toMatchObject({ readyReplicas: 2 });
    // Who held the Lease last leads no more.
    expect(operator.leader).toBeUndefined();
    const led = (more: object) =>
      overview(facts({ installation, leader: { name: 'tracing-x', renewedAt: NOW - 5_000, ...more } })).operator.leader;
    expect([led({}), led({ isGone: true })]).toEqual(['tracing-x', undefined]);
    expect(operator.troubles.map(({ reason }) => reason)).toEqual(['NoLeader', 'NoAuthority']);
  });

  it('of an operator that is gone says what it has left, and no word of what it said before', () => {
    const failing = { namespace: 'shop', kind: 'StatefulSet', name: 'b', pods: 1, reason: 'Missing' as const };
    const seen = overview(
      facts({
        installation: 'absent',
        namespaced: [policy({}, { workloads: [failing] })],
        pods: [traced('a-0', 'a'), pod('b-0', 'b', { annotations: { 'tracing.acme/inject': 'true' } })],
      }),
    );
    expect(seen.operator.troubles).toEqual([
      {
        reason: 'NotInstalled',
        message:
          'no pod gets the agent, and no policy is delivered. Is it installed? helm list -A. Left over: 1 policy, removed with their definitions by kubectl delete crd tracingpolicies.tracing.acme clustertracingpolicies.tracing.acme; 1 pod with the agent, which runs on under the last policy that was told; 1 pod without it that asks for it. For each workload kubectl tracing explain has the command that rids it of the agent and of what asks for it',
      },
    ]);
    expect(seen.workloads.map(({ name, state }) => [name, state])).toEqual([
      ['b', 'NotInstalled'],
      ['a', 'Traced'],
    ]);
    expect(seen.policies).toEqual([expect.objectContaining({ health: 'Unknown', troubles: [] })]);
    const { operator } = overview(facts({ installation: 'absent', namespaced: [] }));
    expect(operator.troubles[0]!.message).toMatch(/helm list -A$/);
  });

  it('does not blame a namespace for what pods of a cluster policy suffer elsewhere', () => {
    const degraded = { type: 'Degraded', status: 'True' as const, reason: 'ExportFailing', message: 'elsewhere' };
    const cluster = {
      kind: 'ClusterTracingPolicy' as const,
      metadata: { name: 'base', uid: '', resourceVersion: '', creationTimestamp: '' },
      spec: {},
      status: { conditions: [{ ...degraded, lastTransitionTime: '2026-01-01T00:00:00Z' }] },
    };
    expect(countTroubles(overview(facts({ namespace: 'shop', cluster: [cluster] })))).toBe(0);
    expect(countTroubles(overview(facts({ cluster: [cluster] })))).toBe(1);
  });
});
