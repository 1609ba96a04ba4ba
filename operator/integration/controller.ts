import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { SystemName } from '../../crds/integration.ts';
import type { Policies, Policy } from '../../injector/resolve.ts';
import { describePolicy } from '../../injector/resolve.ts';
import type { KubeClient } from '../kube/client.ts';
import { isLive } from '../policy/cluster-view.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import type { Reach } from '../reach.ts';
import { reaches } from '../reach.ts';
import { Additions, mergeAdditions } from './additions.ts';
import type { Conflict } from './apply.ts';
import { Applier } from './apply.ts';
import type { SystemPlan } from './plan.ts';
import { planNamespace } from './plan.ts';
import type { Standing, System } from './system.ts';
import type { IntegrationView } from './view.ts';

/** What became of one system in one namespace. */
export interface Outcome extends Standing {
  /** As describePolicy() says. */
  policy: string;
  name: SystemName;
}

export interface IntegrationOptions {
  systems: readonly System[];
  /** Nothing is ever set elsewhere. */
  reach: Reach;
  logger: Logger;
  /** The outcome in a namespace is another. */
  onOutcome: (namespace: string) => void;
}

/** Makes the objects of other systems in a namespace as the plans say, and remembers for the status what became of it. */
export class IntegrationController {
  readonly #view: ClusterView;
  readonly #seen: IntegrationView;
  readonly #options: IntegrationOptions;
  readonly #applier: Applier;
  readonly #additions: Additions;
  readonly #outcomes = new Map<string, Outcome[]>();

  constructor(client: KubeClient, view: ClusterView, seen: IntegrationView, options: IntegrationOptions) {
    this.#view = view;
    this.#seen = seen;
    this.#options = options;
    this.#applier = new Applier(client, seen, options.logger);
    this.#additions = new Additions(client, seen, options.logger);
  }

  /** What became of each system in a namespace, by policy; undefined while it has not been looked at. */
  outcomes(namespace: string): Outcome[] | undefined {
    return this.#outcomes.get(namespace);
  }

  async reconcile(name: string, signal: AbortSignal): Promise<undefined> {
    // What is not known yet must not be taken for absent: all namespaces come again when it is.
    if (this.#seen.waitingFor() !== undefined) return;
    const { systems, reach } = this.#options;
    const namespace = this.#view.namespace(name);
    if (!namespace) return void this.#outcomes.delete(name);
    if (namespace.metadata.deletionTimestamp || !reaches(reach, name)) return this.#note(name, []);
    const policies = this.#view.policies(name);
    const pods = [...this.#view.injectedPods(name), ...this.#view.otherPods(name)].filter(isLive);
    const { policy, plans } = planNamespace(systems, { namespace, policies, pods, seen: this.#seen });
    const conflicts = await this.#apply(plans, policy, name, signal);
    const beside = others(policies, policy, name);
    return this.#note(
      name,
      plans.flatMap((plan) => outcomesOf(plan, conflicts.get(plan.system.name) ?? [], policy, beside)),
    );
  }

  async #apply(
    plans: readonly SystemPlan[],
    policy: Policy | undefined,
    namespace: string,
    signal: AbortSignal,
  ): Promise<Map<SystemName, Conflict[]>> {
    const conflicts = new Map<SystemName, Conflict[]>();
    for (const { system, objects } of plans) {
      const own: Conflict[] = [];
      for (const watched of system.owned) {
        const ofGroup = objects.filter(({ apiVersion }) => apiVersion.startsWith(`${watched.group}/`));
        own.push(...(await this.#applier.reconcile(watched, namespace, ofGroup, signal)));
      }
      conflicts.set(system.name, own);
    }
    // What is not taken is not to be referred to.
    const whole = plans.filter(
      ({ system }) => !conflicts.get(system.name)!.some(({ state }) => state === 'Incomplete'),
    );
    const source = policy ? describePolicy(policy) : '';
    // Several systems may add to one object: it is applied as a whole.
    for (const to of new Set(this.#options.systems.flatMap(({ added = [] }) => added))) {
      const merged = mergeAdditions(whole.flatMap(({ additions }) => additions).filter((each) => each.to === to));
      for (const conflict of await this.#additions.reconcile(to, namespace, merged, source, signal))
        for (const { system, additions } of whole)
          if (additions.some((each) => each.to === to && `${to.kind} ${each.name}` === conflict.object))
            conflicts.get(system.name)!.push(conflict);
    }
    return conflicts;
  }

  #note(namespace: string, outcomes: Outcome[]): undefined {
    if (isDeepStrictEqual(this.outcomes(namespace), outcomes)) return;
    this.#outcomes.set(namespace, outcomes);
    this.#options.onOutcome(namespace);
  }
}

function outcomesOf(
  { system: { name }, state, message }: SystemPlan,
  conflicts: readonly Conflict[],
  policy: Policy | undefined,
  beside: readonly Policy[],
): Outcome[] {
  const standing: Standing =
    conflicts.length === 0
      ? { state, message }
      : {
          state: conflicts.some((each) => each.state === 'Conflict') ? 'Conflict' : 'Incomplete',
          message: conflicts.map(({ object, message: why }) => `${object}: ${why}`).join('; '),
        };
  const decides = policy
    ? `the namespace as a whole goes by ${describePolicy(policy)}`
    : 'it selects some pods, and this counts for the namespace as a whole';
  return [
    ...(policy ? [{ policy: describePolicy(policy), name, ...standing }] : []),
    ...beside.map((each): Outcome => ({ policy: describePolicy(each), name, state: 'NotInForce', message: decides })),
  ];
}

/** TracingPolicies of the namespace that do not count for it as a whole. */
function others({ namespaced }: Policies, inForce: Policy | undefined, namespace: string): Policy[] {
  return namespaced.filter((policy) => policy !== inForce && policy.metadata.namespace === namespace);
}
