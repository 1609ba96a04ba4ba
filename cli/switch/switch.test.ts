import { describe, expect, it } from '@jest/globals';
import type { ClusterTracingPolicy, TracingPolicy } from '../../crds/tracing-policy.ts';
import { InputError } from '../input-error.ts';
import type { PodMeta } from '../../operator/coverage/facts.ts';
import type { SwitchFacts } from './switch.ts';
import { findSwitch, isDone, progress, reachOf, switchPolicy } from './switch.ts';

const meta = { uid: '', resourceVersion: '', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' };

function policy(name: string, spec: TracingPolicy['spec'] = {}, pods = {}): TracingPolicy {
  return {
    kind: 'TracingPolicy',
    metadata: { ...meta, name, namespace: 'shop' },
    spec,
    status: { observedGeneration: 1, pods },
  };
}
function cluster(name: string, spec: ClusterTracingPolicy['spec']): ClusterTracingPolicy {
  return { kind: 'ClusterTracingPolicy', metadata: { ...meta, name }, spec };
}
function pod(name: string, annotations: Record<string, string> = {}, namespace = 'shop'): PodMeta {
  return { metadata: { name, namespace, labels: { 'tracing.acme/injected': 'true' }, annotations } };
}
const facts = (more: Partial<SwitchFacts>): SwitchFacts => ({
  namespace: 'shop',
  namespaced: [policy('default')],
  cluster: [],
  namespaceLabels: new Map(),
  pods: [pod('a'), pod('b')],
  now: 0,
  ...more,
});
const OFF = switchPolicy('shop').spec as TracingPolicy['spec'];

describe('what the switch reaches', () => {
  it('is every pod with the agent, in the namespace or everywhere', () => {
    expect(reachOf(facts({}))).toEqual({ pods: 2, unreached: [] });
    const all = [pod('a'), pod('b', {}, 'other'), pod('c', { 'tracing.acme/policy': 'default' })];
    expect(reachOf({ ...facts({ pods: all }), namespace: undefined } as unknown as SwitchFacts)).toEqual({
      pods: 3,
      unreached: [],
    });
  });

  it('is not a pod under a policy that comes before: each with why', () => {
    const named = facts({ pods: [pod('a'), pod('b', { 'tracing.acme/policy': 'default' })] });
    expect(reachOf(named)).toEqual({
      pods: 1,
      unreached: [expect.objectContaining({ workload: 'pod/b', pods: 1, why: expect.stringContaining('names') })],
    });
    const overridden = facts({ cluster: [cluster('base', { override: true })] });
    expect(reachOf(overridden).unreached.map(({ why }) => why)).toEqual([
      'as a ClusterTracingPolicy with override: true comes first',
      'as a ClusterTracingPolicy with override: true comes first',
    ]);
    expect(reachOf(facts({ namespaced: [policy('first', { priority: 1000 })] })).pods).toBe(0);
  });

  it('leaves out what is off already', () => {
    expect(reachOf(facts({ cluster: [cluster('off', { override: true, enabled: false })] }))).toEqual({
      pods: 0,
      unreached: [],
    });
  });
});

describe('the switch that is there', () => {
  it('is one of that name that switches off all', () => {
    expect(findSwitch(facts({}))).toBeUndefined();
    expect(findSwitch(facts({ namespaced: [policy('switch-off', { enabled: false })] }))).toBeDefined();
  });

  it.each<[string, Partial<SwitchFacts>]>([
    ['something else', { namespaced: [policy('switch-off', { sampling: { ratio: 0.5 } })] }],
    ['some pods', { namespaced: [policy('switch-off', { enabled: false, selector: { matchLabels: { a: 'b' } } })] }],
  ])('is not one for %s', (_what, more) => {
    expect(() => findSwitch(facts(more))).toThrow(InputError);
  });
});

describe('how far it has come', () => {
  const told = { 'tracing.acme/policy-key': 'policy.switch-off.json' };
  it('is done when all are told and each reports, or has never said anything', () => {
    const at = (pods: PodMeta[], counts: object) =>
      progress(facts({ pods, namespaced: [policy('default'), policy('switch-off', OFF, counts)] }), true);
    const halfway = at([pod('a', told), pod('b')], { current: 1, outdated: 1 });
    expect(halfway).toEqual({ pods: 2, told: 1, current: 1, silent: 0, awaited: 0 });
    expect(isDone(halfway)).toBe(false);
    expect(isDone(at([pod('a', told), pod('b', told)], { current: 1, outdated: 1 }))).toBe(false);
    expect(isDone(at([pod('a', told), pod('b', told)], { current: 1, noAgentReport: 1 }))).toBe(true);
    // A pod of a moment ago will speak up; one that does not is not waited for as long as one that says it is behind.
    const young = at([pod('a', told), pod('b', told)], { current: 1, unknown: 1 });
    expect(isDone(young)).toBe(false);
    expect(isDone(young, true)).toBe(true);
  });

  it('does not count a status that is about the policy as it was before', () => {
    const old = policy('switch-off', OFF, { current: 2 });
    old.metadata.generation = 2;
    expect(progress(facts({ pods: [pod('a', told)], namespaced: [old] }), true).current).toBe(0);
  });

  it('counts what has no policy as soon as it is told', () => {
    expect(isDone(progress(facts({ namespaced: [], pods: [pod('a', told)] }), false))).toBe(false);
    const none = pod('a', { 'tracing.acme/policy-key': 'none' });
    expect(isDone(progress(facts({ namespaced: [], pods: [none] }), false))).toBe(true);
  });
});
