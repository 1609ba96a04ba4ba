import { describe, expect, it } from '@jest/globals';
import type { TracingPolicy } from '../../crds/tracing-policy.ts';
import type { ObjectMeta } from '../../injector/pod.ts';
import { policyMark, resolve } from '../../injector/resolve.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import { explain } from './explanation.ts';
import type { Facts, LivePod } from './facts.ts';
import { endpointsInTrouble } from './facts.ts';
import { kindCalled } from './kinds.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();
const labels = { app: 'web' };
const template = (annotations: Record<string, string>) => ({
  metadata: { labels, annotations },
  spec: { containers: [{ name: 'app' }] },
});

/** Changed so many seconds ago, as far as its fields tell. */
const policy = (seconds: number, more: Partial<TracingPolicy> = {}): TracingPolicy => ({
  kind: 'TracingPolicy',
  metadata: {
    ...{ name: 'default', namespace: 'shop', uid: 'p', resourceVersion: '1', creationTimestamp: ago(9000) },
    ...{ managedFields: [{ manager: 'kubectl', time: ago(seconds) }], ...more.metadata },
  },
  spec: { exporters: [{ name: 'default', endpoint: 'http://collector:4318' }] },
  ...(more.status && { status: more.status }),
});
const { key, revision } = policyMark(
  resolve({ namespaced: [policy(0)], cluster: [], defaults: {} }, { labels, namespace: 'shop', namespaceLabels: {} })
    .document,
);
const NEWEST = `${key} ${revision}`;
const OLD = `${key} before`;

/** A pod that was told something, so many seconds ago. */
const pod = (mark: string, seconds: number, more: Partial<ObjectMeta> = {}): LivePod => {
  const [toldKey = '', toldRevision = ''] = mark.split(' ');
  return {
    metadata: {
      ...{ name: 'web-0', labels: { ...labels, 'tracing.acme/injected': 'true' } },
      annotations: { 'tracing.acme/policy-key': toldKey, 'tracing.acme/policy-revision': toldRevision },
      managedFields: [{ manager: 'tracing-operator-policy', subresource: 'status', time: ago(seconds) }],
      ...more,
    },
    spec: { containers: [{ name: 'app' }] },
    status: { phase: 'Running', containerStatuses: [{ name: 'app', ready: true }] },
  };
};

/** What agents say that they act on, by how many processes do. */
const digest = (policies: Record<string, number>, pods = 1): Digest => ({
  ...{ kind: 'StatefulSet', name: 'web', writtenAt: ago(20) },
  facts: {
    ...{ pods, processes: Object.values(policies).reduce((sum, each) => sum + each, 0), policies },
    ...{ agents: {}, nodes: {}, libraries: {}, uninstrumented: {}, problems: [], troubles: [], failures: [] },
  },
  numbers: { spans: {}, exporters: {}, signals: {} },
});

const INSTALLATION = {
  ...{ namespace: 'tracing-system', name: 'op', takenOver: [], readyReplicas: 2, defaults: {} },
  reach: { only: [], excluded: [] },
};
const facts = (more: Partial<Facts>, asks = true): Facts => ({
  ...{ kind: kindCalled('statefulset'), namespace: 'shop', namespaceLabels: {}, installation: INSTALLATION },
  workload: {
    ...{ kind: 'StatefulSet', apiVersion: 'apps/v1', metadata: { name: 'web' } },
    spec: { template: template(asks ? { 'tracing.acme/inject': 'true' } : {}) },
  },
  ...{ namespaced: [policy(600)], cluster: [], unreadable: [], outages: [], pods: [], closed: [] },
  ...{ warnings: new Map(), spoken: new Map(), now: NOW },
  ...more,
});
const explained = (more: Partial<Facts>) => {
  const { problems, underWay, isEarly } = explain(facts(more));
  return { problems: problems.map(({ text }) => text), underWay, isEarly };
};

describe('a change that pods have yet to be told', () => {
  const late = `pod web-0 was not told of the newest policy: ${OLD}, not ${NEWEST}`;
  const coming = (seconds: number) => ({
    problems: [],
    underWay: [
      `what its pods are to follow was changed ${seconds} s ago, and 1 of its pods has yet to be told: the operator does that within seconds`,
    ],
    isEarly: false,
  });

  it('is on its way for half a minute, and then a problem', () => {
    expect(explained({ namespaced: [policy(4)], pods: [pod(OLD, 600)] })).toEqual(coming(4));
    expect(explained({ namespaced: [policy(60)], pods: [pod(OLD, 600)] }).problems).toEqual([late]);
  });

  it('is seen by what the operator delivered, where only something was taken from the policy', () => {
    expect(explained({ deliveredAt: NOW - 5000, pods: [pod(OLD, 600)] })).toEqual(coming(5));
    expect(explained({ deliveredAt: NOW - 60_000, pods: [pod(OLD, 600)] }).problems).toEqual([late]);
  });

  it('is seen by the pods that were told already, where nothing is left that could be delivered', () => {
    const none = { namespaced: [], deliveredAt: NOW - 600_000 };
    const told = pod('none none', 3, { name: 'web-1' });
    expect(explained({ ...none, pods: [pod(OLD, 600), told] }).underWay).toEqual(coming(3).underWay);
    expect(explained({ ...none, pods: [pod(OLD, 600)] }).underWay).toEqual([]);
  });

  it('is worth another look where nothing shows since when, unless no operator could have done anything', () => {
    expect(explained({ pods: [pod(OLD, 600)] })).toEqual({ problems: [late], underWay: [], isEarly: true });
    expect(explained({ pods: [pod(NEWEST, 600)] }).isEarly).toBe(false);
    const away = { installation: { ...INSTALLATION, readyReplicas: 0 } };
    expect(explained({ ...away, pods: [pod(OLD, 600)] }).isEarly).toBe(false);
  });
});

describe('a change that the operator has yet to look at', () => {
  const changed = (seconds: number) =>
    policy(seconds, { metadata: { generation: 2 } as never, status: { observedGeneration: 1 } });
  const late = 'the operator has not looked at the newest TracingPolicy shop/default yet';

  it('is on its way for half a minute by what can be seen, and worth another look where nothing can', () => {
    const coming = expect.stringMatching(/^TracingPolicy shop\/default was changed 2 s ago, and the operator is about/);
    const isComing = { problems: [], underWay: [coming], isEarly: false };
    expect(explained({ namespaced: [changed(2)] })).toEqual(isComing);
    expect(explained({ namespaced: [changed(600)], deliveredAt: NOW - 2000 })).toEqual(isComing);
    expect(explained({ namespaced: [changed(600)] })).toEqual({ problems: [late], underWay: [], isEarly: true });
  });
});

describe('a change that pods were told', () => {
  const told = (seconds: number, policies: Record<string, number>, more: Partial<Facts> = {}) =>
    explained({ pods: [pod(NEWEST, seconds)], digest: digest(policies), ...more });
  const status = (workloads: object[]) => ({ pods: { matched: 1 }, workloads }) as NonNullable<TracingPolicy['status']>;

  it('is on its way until agents say that they act on it, and a problem when they do not for too long', () => {
    expect(told(12, { [OLD]: 1 })).toMatchObject({
      problems: [],
      underWay: [
        '1 of its pods has been told of a change 12 s ago: as a rule processes act on it after 2 to 5 s, after 90 at the latest, and that they do shows here up to half a minute later',
      ],
    });
    expect(told(12, { [NEWEST]: 1 })).toMatchObject({ problems: [], underWay: [] });
    const known = { namespaced: [policy(600, { status: status([]) })] };
    expect(told(89, { [OLD]: 1 }, known)).toMatchObject({ problems: [], underWay: [expect.anything()] });
    expect(told(90, { [OLD]: 1 }, known)).toMatchObject({
      problems: [`agents report that 1 of 1 process acts on ${OLD}, not on ${NEWEST}`],
      underWay: [],
    });
    expect(told(90, { [NEWEST]: 2, [OLD]: 2 }, known).problems).toEqual([
      `agents report that 2 of 4 processes act on ${OLD}, not on ${NEWEST}`,
    ]);
    expect(told(90, { [NEWEST]: 4 }, known).problems).toEqual([]);
  });

  it('is said once, where the status says it too', () => {
    const outdated = { namespace: 'shop', kind: 'StatefulSet', name: 'web', reason: 'Outdated', pods: 1, message: 'x' };
    const known = { namespaced: [policy(600, { status: status([outdated]) })] };
    expect(told(100, { [OLD]: 1 }, known).problems).toEqual(['agents report Outdated in 1 pod: x']);
  });

  it('is nothing that could be known of pods that are going, are not all there are, or that nobody hears', () => {
    const known = { namespaced: [policy(600, { status: status([]) })] };
    const going = pod(NEWEST, 100, { name: 'web-1', deletionTimestamp: ago(1) });
    expect(told(100, { [OLD]: 1 }, { ...known, pods: [pod(NEWEST, 100), going] }).problems).toEqual([]);
    expect(told(100, {}, { ...known, digest: digest({ [OLD]: 2 }, 2) }).problems).toEqual([]);
    const away = { installation: { ...INSTALLATION, readyReplicas: 0 } };
    expect(told(100, { [OLD]: 1 }, { ...known, ...away }).problems).toEqual([expect.stringMatching(/^no replica /)]);
  });
});

describe('the Services of the cluster', () => {
  it('are looked at for a first policy where the workload asks, and else for nothing', () => {
    expect(endpointsInTrouble(facts({ namespaced: [] }))).toEqual([]);
    expect(endpointsInTrouble(facts({ namespaced: [] }, false))).toBeUndefined();
    expect(endpointsInTrouble(facts({}))).toBeUndefined();
  });
});
