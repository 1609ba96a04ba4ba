import type { Policy, Resolution } from '../../injector/resolve.ts';
import { describePolicy, RANKS, selectsNamespace, whyBefore } from '../../injector/resolve.ts';
import { selects } from '../../injector/selector.ts';

/** Where a policy stands for the pods of a workload. */
export interface Standing {
  policy: Policy;
  inForce: boolean;
  why: string;
}

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
    why:
      i === 0
        ? `in force: ${RANKS[candidate.rank]}`
        : `does not come into force: ${describePolicy(winner!.policy)} comes before it, ${whyBefore(winner!, candidate)}`,
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

function list(labels: Record<string, string> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length > 0 ? pairs.join(', ') : 'none';
}
