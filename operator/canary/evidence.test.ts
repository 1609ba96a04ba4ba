import { describe, expect, it } from '@jest/globals';
import { AGENT } from '../../injector/names.ts';
import type { PodMeta } from '../policy/cluster-view.ts';
import { evidence, together } from './evidence.ts';

const NOW = Date.parse('2026-01-02T00:00:00Z');
const MINUTE = 60_000;
let serial = 0;

/** A pod of ReplicaSet web-h1. */
function pod(agent: string, restarts: number, more: { of?: string; minutes?: number } = {}): PodMeta {
  const { of = 'web-h1', minutes = 60 } = more;
  const name = `pod-${++serial}`;
  return {
    metadata: {
      ...{ name, namespace: 'shop', uid: name, resourceVersion: '1' },
      creationTimestamp: new Date(NOW - minutes * MINUTE).toISOString(),
      labels: { 'pod-template-hash': 'h1' },
      annotations: { [AGENT]: agent },
      ...(of && { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: of, controller: true }] }),
    },
    ...(restarts > 0 && { restarts }),
  };
}
const news = (restarts: number, more = {}) => pod('new', restarts, more);
const old = (restarts: number, more = {}) => pod('old', restarts, more);
const of = (pods: PodMeta[], failed: Record<string, number> = {}) =>
  evidence({
    ...{ namespace: 'shop', pods, canary: 'new', other: 'old', now: NOW },
    failedStarts: (agent) => failed[agent] ?? 0,
  });

describe('the evidence about a canary', () => {
  it('counts restarts that the other pods of the workload do not have', () => {
    expect(of([news(2), news(2), old(0), old(0), old(0)])).toEqual({
      canary: 'new',
      other: 'old',
      pods: 2,
      others: 3,
      excess: 4,
      where: ['Deployment shop/web: 4 restarts of 2 pods, 0 of 3 others'],
    });
  });

  it('does not blame it for an app that restarts by itself, with either agent', () => {
    expect(of([news(5), old(5), old(5)])).toMatchObject({ excess: 0, where: [] });
    expect(of([news(12), old(5), old(5)]).excess).toBe(2);
  });

  it('compares times: a new pod cannot have restarted as often as one that has been there for days', () => {
    expect(of([news(3, { minutes: 10 }), old(30, { minutes: 100 * 60 })]).excess).toBe(2);
    expect(of([news(1, { minutes: 60 }), old(100, { minutes: 100 * 60 })]).excess).toBe(0);
  });

  it('compares pods of one version of an app, as a new one may be what fails', () => {
    const rollout = [news(5, { of: 'web-h1' }), old(5, { of: 'web-h1' }), old(0, { of: 'web-h0' })];
    expect(of(rollout).excess).toBe(0);
  });

  it('counts a workload with nothing to compare it with once, however often it restarts', () => {
    expect(of([news(9)])).toMatchObject({ excess: 1 });
    expect(of([news(9, { of: '' }), news(9, { of: '' }), news(9, { of: 'other' })]).excess).toBe(3);
  });

  it('leaves out pods with a third agent', () => {
    expect(of([news(3), pod('older', 50)])).toMatchObject({ pods: 1, others: 0, excess: 1 });
  });

  it('is not less for workloads that are better with the new agent', () => {
    expect(of([news(0), old(9), news(3, { of: 'b' }), old(0, { of: 'b' })]).excess).toBe(3);
  });

  it('counts starts that it kept from happening, unless the other agent does so there too', () => {
    expect(of([], { new: 2 })).toMatchObject({
      excess: 2,
      where: ['namespace shop: it kept pods from starting, 2 times'],
    });
    expect(of([], { new: 2, old: 1 }).excess).toBe(0);
  });

  it('is summed up over namespaces', () => {
    const one = of([news(1), old(0)]);
    expect(together(undefined, one)).toEqual(one);
    expect(together(one, of([news(2), old(0)]))).toMatchObject({ pods: 2, others: 2, excess: 3 });
  });
});
