import type { Policy, Resolution } from '../../injector/resolve.ts';
import { describePolicy, selectsNamespace, whyBefore } from '../../injector/resolve.ts';

/** A policy that would be in force for no pod. */
export interface Idle {
  /** `TracingPolicy shop/default` */
  policy: string;
  why: string;
}

/** Pods that a policy matches. */
interface Matched {
  pods: number;
  /** Those with the agent, or that ask for it. */
  asking: number;
  /** By why another policy is in force for those, how many. */
  beaten: Map<string, number>;
}

/** Which policies match the pods that are looked at, and by which others they are beaten. */
export class Matches {
  readonly #matched = new Map<string, Matched>();
  #pods = 0;

  /** @param isAsking whether the pod has the agent or asks for it. */
  note({ candidates }: Resolution, isAsking: boolean): void {
    this.#pods++;
    const [winner] = candidates;
    for (const { policy, rank } of candidates) {
      const id = describePolicy(policy);
      const matched = this.#matched.get(id) ?? { pods: 0, asking: 0, beaten: new Map<string, number>() };
      this.#matched.set(id, matched);
      matched.pods++;
      if (!isAsking) continue;
      matched.asking++;
      const why =
        winner!.rank === rank
          ? whyBefore(winner!.policy, policy)
          : winner!.policy.kind === 'TracingPolicy'
            ? 'as one of their own namespace'
            : 'as it says override: true';
      const text = `${describePolicy(winner!.policy)}, ${why}`;
      matched.beaten.set(text, (matched.beaten.get(text) ?? 0) + 1);
    }
  }

  /** Why a policy is in force for none of them. */
  whyIdle(policy: Policy, namespaceLabels: Map<string, Record<string, string>>): string {
    const matched = this.#matched.get(describePolicy(policy));
    if (matched && matched.asking > 0) {
      const by = [...matched.beaten].map(([text, pods]) =>
        matched.beaten.size > 1 ? `${text} (${count(pods)})` : text,
      );
      return `the ${count(matched.asking)} that it matches, and that ${matched.asking === 1 ? 'is' : 'are'} traced or to be, ${matched.asking === 1 ? 'is' : 'are'} under ${by.join('; ')}`;
    }
    if (matched)
      return `it matches ${count(matched.pods)}, and ${matched.pods === 1 ? 'that does not ask' : 'none of them asks'} for tracing, as would: kubectl annotate deployment NAME tracing.acme/inject=true`;
    if (policy.kind === 'ClusterTracingPolicy' && policy.spec.namespaceSelector) {
      const selected = [...namespaceLabels.values()].filter((labels) => selectsNamespace(policy, labels)).length;
      if (selected === 0) return `its namespaceSelector is met by none of ${namespaceLabels.size} namespaces`;
    }
    const where =
      policy.kind === 'TracingPolicy' ? `namespace ${policy.metadata.namespace}` : 'the namespaces that it is for';
    if (policy.spec.selector && this.#pods > 0) return `its selector is met by none of the pods of ${where}`;
    return `no pod runs in ${where}`;
  }
}

function count(pods: number): string {
  return `${pods} ${pods === 1 ? 'pod' : 'pods'}`;
}
