import { owner } from '../../injector/resource.ts';
import { describePolicy, resolver, selectsNamespace } from '../../injector/resolve.ts';
import type { Policy } from '../../injector/resolve.ts';
import { overview } from '../coverage/overview.ts';
import type { WorkloadRow } from '../coverage/overview.ts';
import { reportLines } from '../coverage/report-lines.ts';
import type { Digest } from '../digest/digest.ts';
import { digestKey, workloadDigests } from '../digest/digest.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import { isLive } from '../policy/cluster-view.ts';
import type { Reach, Release } from '../reach.ts';
import type { KeptReport } from '../reports/report.ts';
import type { NamespaceState, PolicyState, SpanSums, WorkloadState } from './state.ts';

export interface SourceOptions {
  view: Pick<ClusterView, 'namespace' | 'namespaces' | 'policies' | 'injectedPods' | 'otherPods'>;
  /** The reports of a pod's processes, by its UID. */
  reports: (podUid: string) => KeptReport[];
  /** Which namespaces' pods are looked at, and by whom. */
  reach: Reach;
  release: Release;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** What a namespace has to do with tracing, from what this replica knows: in the words of `kubectl tracing status`. */
export class Source {
  readonly #options: SourceOptions;

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  namespaces(): string[] {
    return [...this.#options.view.namespaces()].map(({ metadata }) => metadata.name);
  }

  /** Undefined for one that is not there, or in which there is nothing to be said. */
  of(name: string): NamespaceState | undefined {
    const { view, reach, release, now } = this.#options;
    const namespace = view.namespace(name);
    if (!namespace) return undefined;
    const labels = namespace.metadata.labels ?? {};
    const { namespaced, cluster } = view.policies(name);
    const digests = this.#digests(name);
    const seen = overview({
      namespace: name,
      namespaced: [...namespaced],
      cluster: cluster.filter((policy) => selectsNamespace(policy, labels)),
      unreadable: [],
      pods: [...view.injectedPods(name), ...view.otherPods(name)].filter(isLive),
      namespaceLabels: new Map([[name, labels]]),
      digests: new Map([[name, [...digests.values()]]]),
      installation: { ...release, reach, takenOver: [] },
      closed: [],
      now: now(),
    });
    const policies = seen.policies
      .filter(({ policy }) => policy.startsWith('TracingPolicy '))
      .map((row): PolicyState => ({ ...row, systems: systemsOf(namespaced, row.policy) }));
    if (policies.length === 0 && seen.workloads.length === 0) return undefined;
    const ratios = this.#ratios(name, labels);
    return { namespace: name, policies, workloads: seen.workloads.map((row) => workload(row, digests, ratios)) };
  }

  /** Policies of the cluster, whatever namespaces they are about. */
  clusterPolicies(): PolicyState[] {
    const { cluster } = this.#options.view.policies('');
    const facts = { unreadable: [], namespaceLabels: new Map(), digests: new Map(), closed: [] };
    const { policies } = overview({ ...facts, cluster: [...cluster], now: this.#options.now() });
    return policies.map((row) => ({ ...row, systems: systemsOf(cluster, row.policy) }));
  }

  /** What the agents of a workload report, for people. */
  reports(namespace: string, kind: string, name: string): string[] {
    const digest = this.#digests(namespace).get(digestKey(kind, name));
    return digest ? reportLines(digest, this.#options.now()) : [];
  }

  #digests(namespace: string): Map<string, Digest> {
    const { view, reports, now } = this.#options;
    return workloadDigests(view.injectedPods(namespace), reports, now());
  }

  /** By workload, what the policy in force for its pods says. */
  #ratios(namespace: string, namespaceLabels: Record<string, string>): Map<string, { ratio: number; rules: number }> {
    const { view } = this.#options;
    const resolve = resolver(view.policies(namespace), { namespace, namespaceLabels });
    const ratios = new Map<string, { ratio: number; rules: number }>();
    for (const pod of view.injectedPods(namespace)) {
      const { kind, name } = owner(pod) ?? { kind: 'Pod', name: pod.metadata.name };
      const key = digestKey(kind, name);
      if (ratios.has(key) || !isLive(pod)) continue;
      const sampling = resolve(pod.metadata).document?.spec.sampling;
      if (sampling) ratios.set(key, { ratio: sampling.ratio, rules: sampling.rules?.length ?? 0 });
    }
    return ratios;
  }
}

function workload(
  { namespace: _namespace, ...row }: WorkloadRow,
  digests: Map<string, Digest>,
  ratios: Map<string, { ratio: number; rules: number }>,
): WorkloadState {
  const key = digestKey(row.kind, row.name);
  const spans = spanSums(digests.get(key));
  return { ...row, ...ratios.get(key), ...(spans && { spans }) };
}

function spanSums(digest: Digest | undefined): SpanSums | undefined {
  const { started, sampled = 0, exported = 0, ...rest } = digest?.numbers.spans ?? {};
  if (started === undefined) return undefined;
  const { kept: _kept, exceptions: _exceptions, ...losses } = rest;
  return { started, sampled, exported, lost: Object.values(losses).reduce((sum, each) => sum + each, 0) };
}

function systemsOf(policies: readonly Policy[], id: string): PolicyState['systems'] {
  const policy = policies.find((each) => describePolicy(each) === id);
  return (policy?.status?.integrations ?? []).map(({ name, state, message }) => ({ name, state, message }));
}
