import { describe, expect, it } from '@jest/globals';
import type { ClusterTracingPolicy, TracingPolicy } from '../../crds/tracing-policy.ts';
import type { PlanFacts, PlannedPod } from './plan.ts';
import { plan } from './plan.ts';

const meta = { uid: '', resourceVersion: '' };
const COLLECTOR = { name: 'default', endpoint: 'http://collector:4318' };

function policy(name: string, spec: TracingPolicy['spec'], creationTimestamp = ''): TracingPolicy {
  return { kind: 'TracingPolicy', metadata: { ...meta, name, namespace: 'shop', creationTimestamp }, spec };
}
function pod(name: string, injected = true, labels: Record<string, string> = {}): PlannedPod {
  return {
    metadata: {
      name: `${name}-0`,
      namespace: 'shop',
      labels: { ...labels, ...(injected && { 'tracing.acme/injected': 'true' }) },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name, controller: true }],
    },
    spec: { containers: [{ name: 'app' }] },
  };
}
const facts = (written: TracingPolicy[], more: Partial<PlanFacts> = {}): PlanFacts => ({
  namespaced: [policy('default', { sampling: { ratio: 0.1 }, exporters: [COLLECTOR] }, '2026-01-01T00:00:00Z')],
  cluster: [],
  written: { namespaced: written, cluster: [] },
  defaults: {},
  namespaceLabels: new Map(),
  pods: [pod('order'), pod('web')],
  digests: new Map(),
  now: '2026-02-01T00:00:00Z',
  ...more,
});

describe('a plan', () => {
  it('says what changes live, for whom, and in what', () => {
    const { steps, unchanged, idle } = plan(
      facts([policy('default', { sampling: { ratio: 0.5 }, exporters: [COLLECTOR, { ...COLLECTOR, name: 'b' }] })]),
    );
    expect(steps).toEqual([
      {
        when: 'Live',
        from: 'TracingPolicy shop/default',
        to: 'TracingPolicy shop/default',
        workloads: [
          { namespace: 'shop', workload: 'statefulset/order', pods: 1 },
          { namespace: 'shop', workload: 'statefulset/web', pods: 1 },
        ],
        changes: [
          'sampling.ratio: 0.1 → 0.5 (5 times as many traces begin here, but for what rules say)',
          'exporters[b]: none → http://collector:4318',
        ],
      },
    ]);
    expect([unchanged, idle]).toEqual([0, []]);
  });

  it('knows which pods come under another policy, and which do not', () => {
    const own = policy('order', { selector: { matchLabels: { app: 'order' } }, priority: 1, enabled: false });
    const { steps, unchanged } = plan(facts([own], { pods: [pod('order', true, { app: 'order' }), pod('web')] }));
    expect(steps).toEqual([
      expect.objectContaining({ when: 'Live', from: 'TracingPolicy shop/default', to: 'TracingPolicy shop/order' }),
    ]);
    expect(unchanged).toBe(1);
  });

  it('says of a policy that it is in force for nobody: a new one is the youngest', () => {
    const { steps, idle, unchanged } = plan(facts([policy('second', { sampling: { ratio: 1 } })]));
    const why =
      'the 2 pods that it matches, and that are traced or to be, are under TracingPolicy shop/default, as the older one';
    expect([steps, idle, unchanged]).toEqual([[], [{ policy: 'TracingPolicy shop/second', why }], 2]);
  });

  it('says why a policy is in force for nobody: whom it selects, who asks, and which one comes first', () => {
    const wide = (spec: ClusterTracingPolicy['spec'], more: Partial<PlanFacts> = {}) => {
      const metadata = { ...meta, name: 'wide', creationTimestamp: '' };
      const cluster = [{ kind: 'ClusterTracingPolicy' as const, metadata, spec }];
      const namespaceLabels = new Map([['shop', { team: 'a' }]]);
      return plan(facts([], { written: { namespaced: [], cluster }, namespaceLabels, ...more })).idle[0]?.why;
    };
    expect(wide({})).toBe(
      'the 2 pods that it matches, and that are traced or to be, are under TracingPolicy shop/default, as a TracingPolicy of the namespace selects the pods',
    );
    expect(wide({ namespaceSelector: { matchLabels: { team: 'b' } } })).toBe(
      'its namespaceSelector is met by none of 1 namespaces',
    );
    expect(wide({ selector: { matchLabels: { app: 'x' } } })).toBe(
      'its selector is met by none of the pods of the namespaces that it is for',
    );
    expect(wide({}, { pods: [pod('plain', false)], namespaced: [] })).toMatch(
      /^it matches 1 pod, and that does not ask for tracing, as would: kubectl annotate/,
    );
    expect(wide({}, { pods: [] })).toBe('no pod runs in the namespaces that it is for');
    expect(wide({ override: true })).toBeUndefined();
  });

  it('says of pods whose annotation names another policy that the annotation decides', () => {
    const named = pod('order');
    named.metadata.annotations = { 'tracing.acme/policy': 'default' };
    expect(plan(facts([policy('second', { priority: 10 })], { pods: [named] })).idle[0]?.why).toBe(
      'the 1 pod that it matches, and that is traced or to be, is under TracingPolicy shop/default, as the annotation tracing.acme/policy names it',
    );
  });

  it('says of a namespace that is not looked at why, though pods run there, and plans nothing for them', () => {
    const installation = { name: 'tracing', namespace: 'system', reach: { only: ['other'], excluded: ['system'] } };
    const { steps, unchanged, idle } = plan(facts([policy('default', { enabled: false })], { installation }));
    expect([steps, unchanged]).toEqual([[], 0]);
    expect(idle[0]?.why).toMatch(
      /^pods of namespace shop are never looked at: the chart's webhook\.namespaces does not contain it\. Next: helm upgrade tracing /,
    );
    const wide = (spec: ClusterTracingPolicy['spec'], more: Partial<PlanFacts> = {}) => {
      const metadata = { ...meta, name: 'wide', creationTimestamp: '' };
      const cluster = [{ kind: 'ClusterTracingPolicy' as const, metadata, spec }];
      const namespaceLabels = new Map([
        ['shop', { team: 'a' }],
        ['other', {}],
      ]);
      return plan(facts([], { written: { namespaced: [], cluster }, namespaceLabels, installation, ...more })).idle[0]
        ?.why;
    };
    expect(wide({})).toBe('no pod runs in the namespaces that it is for and that the operator looks at');
    expect(wide({ namespaceSelector: { matchLabels: { team: 'a' } } })).toMatch(/^pods of namespace shop are never/);
    const neither = { ...installation, reach: { only: [], excluded: ['shop', 'other'] } };
    expect(wide({}, { installation: neither })).toMatch(
      /^the operator looks at none of the 2 namespaces that it is for, of which one: pods of namespace shop are never/,
    );
  });

  it('does not take the pods of one namespace of the file for those of another', () => {
    const selector = { matchLabels: { app: 'x' } };
    const empty = policy('far', { selector });
    empty.metadata.namespace = 'empty';
    expect(plan(facts([policy('near', { selector }), empty])).idle.map(({ why }) => why)).toEqual([
      'its selector is met by none of the pods of namespace shop',
      'no pod runs in namespace empty',
    ]);
  });

  it('names what needs a restart: an agent, or a file that a pod was not made with', () => {
    const headers = [{ name: 'x-api-key', valueFrom: { secretKeyRef: { name: 'key', key: 'k' } } }];
    const secret = policy('default', { injection: 'All', exporters: [{ ...COLLECTOR, headers }] });
    const { steps } = plan(facts([secret], { pods: [pod('order'), pod('plain', false)] }));
    expect(steps.map(({ when, workloads, why }) => [when, workloads[0]!.workload, why])).toEqual([
      ['Restart', 'statefulset/order', expect.stringContaining('key')],
      ['Restart', 'statefulset/plain', 'they have no agent, and would be given it'],
    ]);
  });

  it('says what the operator would restart itself, and whether it may', () => {
    const restarts = policy('default', { injection: 'All', rollout: { strategy: 'Restart', maxUnavailable: 2 } });
    const bare = { metadata: { name: 'bare', namespace: 'shop' }, spec: { containers: [{ name: 'app' }] } };
    // They lack it already: without a rollout nothing would become of them.
    const before = { namespaced: [policy('default', { injection: 'All' })], pods: [pod('plain', false), bare] };
    const by = (more: Partial<PlanFacts>) =>
      plan(facts([restarts], { ...before, ...more })).steps.map((step) => [step.workloads[0]!.workload, step.by]);
    expect(by({})).toEqual([['statefulset/plain', 'the operator, 2 workloads at a time']]);
    expect(by({ mayRestart: false })).toEqual([
      ['statefulset/plain', expect.stringMatching(/^nobody.*changeWorkloads/)],
    ]);
    expect(plan(facts([policy('default', { injection: 'All' })], before)).steps).toEqual([]);
  });

  it('does not show what headers say', () => {
    const header = (value: string) => [{ ...COLLECTOR, headers: [{ name: 'x-api-key', value }] }];
    const there = [policy('default', { exporters: header('old-secret') })];
    const { steps } = plan(facts([policy('default', { exporters: header('new-secret') })], { namespaced: there }));
    expect(steps[0]!.changes).toEqual(['exporters[default].headers[x-api-key].value: changed']);
  });

  it('reaches all namespaces with a policy of the cluster', () => {
    const cluster: ClusterTracingPolicy = {
      kind: 'ClusterTracingPolicy',
      metadata: { ...meta, name: 'off', creationTimestamp: '' },
      spec: { override: true, enabled: false },
    };
    const { steps } = plan(facts([], { written: { namespaced: [], cluster: [cluster] } }));
    expect(steps).toEqual([expect.objectContaining({ to: 'ClusterTracingPolicy off' })]);
    expect(steps[0]!.changes).toContain('exporters[default]: http://collector:4318 → none');
  });
});
