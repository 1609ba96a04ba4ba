import type { TracingPolicy } from '../../crds/tracing-policy.ts';
import type { PodMeta } from '../../operator/policy/cluster-view.ts';
import { EVERYWHERE } from '../../operator/reach.ts';
import type { KeptReport } from '../../operator/reports/report.ts';
import { Source } from '../../operator/page/source.ts';

const CREATED = '2026-01-01T00:00:00Z';
const REVISION = '1a2b3c4d5e6f';
const COUNTERS = {
  ...{ started: 1200, sampled: 122, kept: 3, exported: 125 },
  ...{ queueFull: 0, exportFailed: 0, shutdown: 0, exceptions: 0 },
};
const EXPORTER = { name: 'default', endpoint: 'http://otel-collector.observability:4318' };

interface Workload {
  name: string;
  pods: number;
  /** Made without the agent. */
  bare?: boolean;
  report?: Partial<KeptReport>;
}

type Status = NonNullable<TracingPolicy['status']>;

/** What an operator knows of a cluster, without one: the page is put together from it as from watches and reports. */
export class ClusterScene {
  readonly #policies = new Map<string, TracingPolicy[]>();
  readonly #pods = new Map<string, PodMeta[]>();
  readonly #reports = new Map<string, KeptReport[]>();
  readonly source = new Source({
    view: {
      namespace: (name) => (this.#pods.has(name) ? { metadata: { name, resourceVersion: '1' } } : undefined),
      namespaces: () => [...this.#pods.keys()].map((name) => ({ metadata: { name, resourceVersion: '1' } })).values(),
      policies: (name) => ({ namespaced: this.#policies.get(name) ?? [], cluster: [], defaults: {} }),
      injectedPods: (name) => this.#of(name, true),
      otherPods: (name) => this.#of(name, false),
    },
    reports: (podUid) => this.#reports.get(podUid) ?? [],
    reach: EVERYWHERE,
    release: { name: 'tracing-operator', namespace: 'tracing-system' },
    now: Date.now,
  });

  policy(namespace: string, spec: TracingPolicy['spec'], status: Partial<Status> = {}): void {
    const metadata = { name: 'default', namespace, uid: namespace, resourceVersion: '1', creationTimestamp: CREATED };
    const pods = this.#pods.get(namespace)?.length ?? 0;
    const well = { type: 'Degraded', status: 'False' as const, reason: 'AsExpected', message: 'well' };
    const conditions = [{ ...well, lastTransitionTime: CREATED, observedGeneration: 1 }];
    const counts = { matched: pods, injected: pods, reporting: pods, current: pods, outdated: 0 };
    this.#policies.set(namespace, [
      {
        kind: 'TracingPolicy',
        metadata,
        spec: { exporters: [EXPORTER], ...spec },
        status: {
          conditions,
          pods: { ...counts, missing: 0, noAgentReport: 0, unknown: 0, failed: 0 },
          ...status,
        },
      },
    ]);
  }

  workloads(namespace: string, workloads: readonly Workload[]): void {
    this.#pods.set(
      namespace,
      workloads.flatMap(({ name, pods, bare = false, report }) =>
        Array.from({ length: pods }, (_, i) => {
          const pod = podOf(namespace, name, i, bare);
          if (!bare) this.#reports.set(pod.metadata.uid, [reportOf(pod, report)]);
          return pod;
        }),
      ),
    );
  }

  #of(namespace: string, injected: boolean): PodMeta[] {
    const pods = this.#pods.get(namespace) ?? [];
    return pods.filter(({ metadata }) => (metadata.labels?.['tracing.acme/injected'] === 'true') === injected);
  }
}

function podOf(namespace: string, workload: string, i: number, bare: boolean): PodMeta {
  const hash = '6c9f8b7d5';
  return {
    metadata: {
      ...{ namespace, name: `${workload}-${hash}-${i}`, uid: `${namespace}/${workload}/${i}`, resourceVersion: '1' },
      creationTimestamp: CREATED,
      labels: { 'pod-template-hash': hash, ...(!bare && { 'tracing.acme/injected': 'true' }) },
      annotations: {
        'tracing.acme/inject': 'true',
        ...(!bare && { 'tracing.acme/policy-key': 'policy.default.json', 'tracing.acme/policy-revision': REVISION }),
      },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${workload}-${hash}`, controller: true }],
    },
    status: { phase: 'Running' },
  };
}

function reportOf({ metadata }: PodMeta, more: Partial<KeptReport> = {}): KeptReport {
  const { namespace, name: pod, uid: podUid } = metadata;
  return {
    ...{ namespace, pod, podUid, container: 'app', pid: 1, key: 'policy.default.json', revision: REVISION },
    ...{ agentVersion: '0.1.0', nodeVersion: '24.21.0', startedAt: Date.now() - 3_600_000, receivedAt: Date.now() },
    counters: COUNTERS,
    exporters: [{ name: 'default', exported: 125, dropped: 0, errors: 0, queued: 0, queueSize: 2048 }],
    libraries: ['express@5.3.0', 'pg@8.16.3', 'kafkajs@2.2.4'],
    memory: 9_400_000,
    ...more,
  };
}

/** A message with what would be markup, had anybody taken it for that. */
export const HOSTILE = '<img src=x onerror="document.title=\'taken\'"><script>document.title="taken"</script>';

/** The shop, with something of everything. @param message said by an agent, beside what is wrong */
export function shopScene(message = ''): ClusterScene {
  const scene = new ClusterScene();
  const configured = {
    name: 'Istio' as const,
    state: 'Configured' as const,
    message: 'sidecars sample 10 % by provider otel',
  };
  scene.workloads('shop', [
    { name: 'order', pods: 3 },
    { name: 'inventory', pods: 2 },
    {
      ...{ name: 'payment', pods: 2 },
      report: {
        counters: { ...COUNTERS, exported: 0, exportFailed: 125 },
        exporters: [
          {
            ...{ name: 'default', exported: 0, dropped: 125, errors: 4, queued: 9, queueSize: 2048 },
            trouble: `exporter default: connection refused by 10.96.12.7:4318${message}`,
          },
        ],
      },
    },
    { name: 'mailer', pods: 1, bare: true },
  ]);
  scene.policy(
    'shop',
    { sampling: { ratio: 0.1, rules: [{ paths: ['/healthz'], drop: true }] } },
    { integrations: [configured] },
  );
  scene.workloads('bank', [
    { name: 'ledger', pods: 2 },
    { name: 'rates', pods: 1 },
  ]);
  scene.policy('bank', { sampling: { ratio: 1 } });
  scene.workloads('warehouse', [{ name: 'picker', pods: 4 }]);
  scene.policy('warehouse', { enabled: false });
  return scene;
}

/** As many workloads as a large cluster has. */
export function largeScene(namespaces: number, each: number): ClusterScene {
  const scene = new ClusterScene();
  for (let n = 0; n < namespaces; n++) {
    const workloads = Array.from({ length: each }, (_, i) => ({ name: `service-${i}`, pods: 1, bare: i % 50 === 0 }));
    scene.workloads(`team-${n}`, workloads);
    scene.policy(`team-${n}`, { sampling: { ratio: 0.1 } });
  }
  return scene;
}
