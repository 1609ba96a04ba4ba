import type { Candidate, Policy, Rank, Resolution } from '../../injector/resolve.ts';
import { describePolicy, selectsNamespace } from '../../injector/resolve.ts';
import { selects } from '../../injector/selector.ts';

/** Where a policy stands for the pods of a workload. */
export interface Standing {
  policy: Policy;
  inForce: boolean;
  why: string;
}

const RANKS: Record<Rank, string> = {
  Override: 'a ClusterTracingPolicy with override: true comes first',
  NamedByPod: 'the annotation tracing.acme/policy names it',
  Namespaced: 'a TracingPolicy of the namespace selects the pods',
  Cluster: 'a ClusterTracingPolicy selects them, after those of the namespace',
};

/** Every policy there is for a namespace, those that match first, with why each applies or does not. */
export function standings(
  policies: readonly Policy[],
  { candidates }: Resolution,
  labels: Record<string, string> | undefined,
  namespaceLabels: Record<string, string> | undefined,
): Standing[] {
  const [winner] = candidates;
  const matching = candidates.map((candidate, i): Standing => ({
    policy: candidate.policy,
    inForce: i === 0,
    why: i === 0 ? `in force: ${RANKS[candidate.rank]}` : `does not come into force: ${beaten(winner!, candidate)}`,
  }));
  const others = policies.filter((policy) => !candidates.some((candidate) => candidate.policy === policy));
  return [
    ...matching,
    ...others.map((policy) => ({ policy, inForce: false, why: `does not match: ${mismatch(policy)}` })),
  ];

  function mismatch(policy: Policy): string {
    if (policy.kind === 'ClusterTracingPolicy' && !selectsNamespace(policy, namespaceLabels))
      return `its namespaceSelector is not met by the labels of the namespace (${list(namespaceLabels)})`;
    if (!selects(policy.spec.selector, labels))
      return `its selector is not met by the labels of the pods (${list(labels)})`;
    return 'it is of another namespace';
  }
}

function beaten(winner: Candidate, { policy, rank }: Candidate): string {
  const name = describePolicy(winner.policy);
  if (winner.rank !== rank) return `${name} comes before it, as ${RANKS[winner.rank]}`;
  const [first, second] = [winner.policy, policy];
  const [high, low] = [first.spec.priority ?? 0, second.spec.priority ?? 0];
  if (high !== low) return `${name} has the higher priority (${high} over ${low})`;
  const [older, newer] = [first.metadata.creationTimestamp, second.metadata.creationTimestamp];
  if (older !== newer) return `${name} is older (of ${older}, this one of ${newer})`;
  return `${name} comes first by its name`;
}

function list(labels: Record<string, string> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length > 0 ? pairs.join(', ') : 'none';
}
