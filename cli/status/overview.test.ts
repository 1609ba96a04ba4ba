import { describe, expect, it } from '@jest/globals';
import type { TracingPolicy } from '../../crds/tracing-policy.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import { plain } from '../output.ts';
import type { PodMeta, StatusFacts } from './facts.ts';
import { countTroubles, overview } from './overview.ts';
import { statusTable } from './table.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

function pod(name: string, workload: string, more: Partial<PodMeta['metadata']> = {}): PodMeta {
  return {
    metadata: {
      name,
      namespace: 'shop',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: workload, controller: true }],
      ...more,
    },
  };
}
const traced = (name: string, workload: string, key = 'policy.default.json') =>
  pod(name, workload, {
    labels: { 'tracing.acme/injected': 'true' },
    annotations: { 'tracing.acme/inject': 'true', 'tracing.acme/policy-key': key },
  });

function policy(spec: TracingPolicy['spec'], status?: TracingPolicy['status']): TracingPolicy {
  const metadata = { name: 'default', namespace: 'shop', uid: '', resourceVersion: '', creationTimestamp: '' };
  return { kind: 'TracingPolicy', metadata, spec, ...(status && { status }) };
}

function digest(name: string, pods: number, troubles: string[] = []): Digest {
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

function facts(more: Partial<StatusFacts>): StatusFacts {
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

  it('says of the operator whether it leads, and whether the API server knows its webhook', () => {
    const installation = { name: 'tracing', namespace: 'system', excluded: [], takenOver: [], readyReplicas: 2 };
    const { operator } = overview(
      facts({ installation: { ...installation, replicas: 2 }, leader: { name: 'tracing-x', renewedAt: NOW - 60_000 } }),
    );
    expect(operator).toMatchObject({ leader: 'tracing-x', readyReplicas: 2 });
    expect(operator.troubles.map(({ reason }) => reason)).toEqual(['NoLeader', 'NoAuthority']);
    expect(overview(facts({ installation: 'absent' })).operator.troubles).toHaveLength(1);
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

describe('its table', () => {
  it('fits into 80 columns, and has the next command for each workload in trouble', () => {
    const long = `${'long-'.repeat(12)}name`;
    const seen = overview(
      facts({
        pods: [traced('a-0', 'a'), pod('d-0', long, { annotations: { 'tracing.acme/inject': 'true' } })],
        closed: ['pods of others'],
      }),
    );
    const text = statusTable(seen, true, plain, 80);
    const lines = text.split('\n');
    // What is to be copied, and the name in front of it, stays whole.
    expect(lines.filter((line) => line.length > 80 && !line.includes(long))).toEqual([]);
    expect(text).toMatch(/NAMESPACE +WORKLOAD +PODS +TRACED +REPORTING +POLICY +STATE\nshop .*… +1 +0 .*Missing\nshop/);
    expect(text).toContain(`→ kubectl tracing explain statefulset/${long} -n shop`);
    expect(text).toContain('You may not read\n  pods of others');
  });
});
