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
  /** Namespaces with pods. */
  readonly #peopled = new Set<string>();

  /** @param isAsking whether the pod has the agent or asks for it. */
  note(namespace: string, { candidates }: Resolution, isAsking: boolean): void {
    this.#peopled.add(namespace);
    const [winner] = candidates;
    for (const candidate of candidates) {
      const id = describePolicy(candidate.policy);
      const matched = this.#matched.get(id) ?? { pods: 0, asking: 0, beaten: new Map<string, number>() };
      this.#matched.set(id, matched);
      matched.pods++;
      if (!isAsking) continue;
      matched.asking++;
      const text = `${describePolicy(winner!.policy)}, ${whyBefore(winner!, candidate)}`;
      matched.beaten.set(text, (matched.beaten.get(text) ?? 0) + 1);
    }
  }

  /**
   * Why a policy is in force for none of them.
   * @param whyNotReached why the operator looks at no pod of a namespace; undefined where it does.
   */
  whyIdle(
    policy: Policy,
    namespaceLabels: Map<string, Record<string, string>>,
    whyNotReached: (namespace: string) => string | undefined,
  ): string {
    const matched = this.#matched.get(describePolicy(policy));
    if (matched && matched.asking > 0) {
      const by = [...matched.beaten].map(([text, pods]) =>
        matched.beaten.size > 1 ? `${text} (${count(pods)})` : text,
      );
      return `the ${count(matched.asking)} that it matches, and that ${matched.asking === 1 ? 'is' : 'are'} traced or to be, ${matched.asking === 1 ? 'is' : 'are'} under ${by.join('; ')}`;
    }
    if (matched)
      return `it matches ${count(matched.pods)}, and ${matched.pods === 1 ? 'that does not ask' : 'none of them asks'} for tracing, as would: kubectl annotate deployment NAME tracing.acme/inject=true`;
    const isFor = (namespace: string) =>
      policy.kind === 'TracingPolicy'
        ? namespace === policy.metadata.namespace
        : selectsNamespace(policy, namespaceLabels.get(namespace));
    const spaces =
      policy.kind === 'TracingPolicy' ? [policy.metadata.namespace] : [...namespaceLabels.keys()].filter(isFor);
    if (policy.kind === 'ClusterTracingPolicy' && policy.spec.namespaceSelector && spaces.length === 0)
      return `its namespaceSelector is met by none of ${namespaceLabels.size} namespaces`;
    const unreached = spaces.map(whyNotReached).filter((why) => why !== undefined);
    if (unreached.length > 0 && unreached.length === spaces.length)
      return spaces.length === 1
        ? unreached[0]!
        : `the operator looks at none of the ${spaces.length} namespaces that it is for, of which one: ${unreached[0]}`;
    const where =
      policy.kind === 'TracingPolicy'
        ? `namespace ${policy.metadata.namespace}`
        : `the namespaces that it is for${unreached.length > 0 ? ' and that the operator looks at' : ''}`;
    if (policy.spec.selector && [...this.#peopled].some(isFor))
      return `its selector is met by none of the pods of ${where}`;
    return `no pod runs in ${where}`;
  }
}

function count(pods: number): string {
  return `${pods} ${pods === 1 ? 'pod' : 'pods'}`;
}
