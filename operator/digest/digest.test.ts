import { describe, expect, it } from '@jest/globals';
import type { PodMeta } from '../policy/cluster-view.ts';
import type { KeptReport } from '../reports/report.ts';
import { digestKey, digestsOf, LIMITS, readDigest } from './digest.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const pod = (name: string, workload = 'web', phase = 'Running'): PodMeta => ({
  metadata: {
    ...{ name, namespace: 'shop', uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
    labels: { 'pod-template-hash': 'h1' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${workload}-h1`, controller: true }],
  },
  status: { phase },
});
const report = (podUid: string, more: Partial<KeptReport> = {}): KeptReport => ({
  ...{ namespace: 'shop', pod: podUid, podUid, container: 'app', pid: 1, receivedAt: NOW },
  ...{ key: 'policy.default.json', revision: '1a2b', agentVersion: '0.1.0', nodeVersion: 'v24.1.0' },
  ...more,
});
const counters = { started: 10, sampled: 5, exported: 4, queueFull: 1, exportFailed: 0, shutdown: 0, exceptions: 0 };
const of = (pods: PodMeta[], reports: KeptReport[]) =>
  digestsOf(pods, (uid) => reports.filter(({ podUid }) => podUid === uid), NOW);

describe('the digest of what agents report', () => {
  it('puts the processes of a workload together', () => {
    const rate = { spansPerSecond: 1.5, bytesPerSecond: 700 };
    const exporters = [
      { ...{ name: 'default', exported: 4, dropped: 1, errors: 1, queued: 2, queueSize: 10, bytes: 2000 }, rate },
    ];
    const later = exporters.map((each) => ({ ...each, lastTrace: 'b'.repeat(32) }));
    const libraries = ['express@5.1.0'];
    const digests = of(
      [pod('a'), pod('b'), pod('c', 'other')],
      [
        report('a', { counters, exporters, libraries, memory: 5, signals: { metrics: { exported: 3, dropped: 1 } } }),
        report('a', { pid: 2, counters, memory: 7 }),
        report('b', { counters, exporters: later, libraries: [...libraries, 'pg@8.1.0'], nodeVersion: 'v22.0.0' }),
        report('c', { uninstrumented: [{ library: 'pg@6.4.2', why: 'UnsupportedVersion' }] }),
      ],
    );
    expect([...digests.keys()]).toEqual(['deployment.other', 'deployment.web']);
    expect(digests.get('deployment.web')).toMatchObject({
      ...{ kind: 'Deployment', name: 'web', writtenAt: '2026-01-01T12:00:00Z' },
      facts: {
        ...{ pods: 2, processes: 3, nodes: { 'v22.0.0': 1, 'v24.1.0': 2 } },
        policies: { 'policy.default.json 1a2b': 3 },
        libraries: { 'express@5.1.0': 2, 'pg@8.1.0': 1 },
      },
      numbers: {
        spans: { started: 30, sampled: 15, exported: 12, queueFull: 3 },
        exporters: { default: { exported: 8, dropped: 2, errors: 2, queued: 4, queueSize: 20, bytes: 4000 } },
        traces: { default: 'b'.repeat(32) },
        rates: { default: { spansPerSecond: 3, bytesPerSecond: 1400 } },
        signals: { metrics: { exported: 3, dropped: 1 } },
        memory: 7,
      },
    });
    expect(digests.get('deployment.other')?.facts.uninstrumented).toEqual({
      'pg@6.4.2: its instrumentation is for other versions': 1,
    });
  });

  it('has nothing of pods that are over or have not reported', () => {
    expect(of([pod('a', 'web', 'Succeeded'), pod('b')], [report('a')]).size).toBe(0);
  });

  it('is bounded, and read again as it was written', () => {
    const many = Array.from({ length: LIMITS.workloads + 5 }, (_, i) => pod(`p${i}`, `w${i}`));
    const digestsWith = (libraries: string[]) =>
      of(
        many,
        many.map(({ metadata }) => report(metadata.uid, { counters, libraries })),
      );
    const digests = digestsWith(['express@5.1.0']);
    expect(digests.size).toBe(LIMITS.workloads);
    const texts = [...digests.values()].map((digest) => JSON.stringify(digest));
    const large = [...digestsWith(Array.from({ length: 64 }, (_, i) => `${'l'.repeat(90)}@${i}`)).values()];
    expect(large.length).toBeGreaterThan(20);
    expect(JSON.stringify(large).length).toBeLessThan(LIMITS.characters * 1.01);
    expect(readDigest(texts[0])).toEqual([...digests.values()][0]);
    expect(readDigest('{"kind":1}')).toBeUndefined();
    expect(readDigest(undefined)).toBeUndefined();
    expect(digestKey('Pod', 'n'.repeat(253))).toHaveLength(253);
  });
});
