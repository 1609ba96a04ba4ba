import { GROUP, VERSION } from '../../crds/tracing-policy.ts';
import type { Policies, Policy } from '../../injector/resolve.ts';
import { resolve } from '../../injector/resolve.ts';
import { OWNED } from '../owned.ts';
import type { NamespaceMeta, PodMeta } from '../policy/cluster-view.ts';
import type { CompleteObject } from './apply.ts';
import { modeOf } from './standing.ts';
import type { DesiredAddition, DesiredObject, Plan, Seen, Standing, System } from './system.ts';
import { nothing } from './system.ts';

export interface SystemPlan extends Standing {
  system: System;
  objects: CompleteObject[];
  additions: DesiredAddition[];
}

/**
 * What every system of a namespace is to be like, by the policy that counts for the namespace as a whole: the one of pods
 * without labels. Meshes and gateways know namespaces and labels, and nothing of which of our policies a pod is under.
 */
export function planNamespace(
  systems: readonly System[],
  facts: { namespace: NamespaceMeta; policies: Policies; pods: PodMeta[]; seen: Seen },
): { policy: Policy | undefined; plans: SystemPlan[] } {
  const { name, labels } = facts.namespace.metadata;
  const { policy, document } = resolve(facts.policies, { namespace: name, namespaceLabels: labels });
  const plans = systems.map((system): SystemPlan => {
    const absent = system.absent(facts.seen);
    let plan: Plan;
    // The chart's default is nobody's word about other systems.
    if (!policy || !document) plan = nothing('NotInForce', 'no policy applies to the namespace as a whole');
    else if (modeOf(system.name, policy) === 'Disabled') plan = nothing('Disabled', 'nothing is set, by the policy');
    else if (system.forbidden !== undefined) plan = nothing('NotAllowed', system.forbidden);
    else if (absent !== undefined) plan = nothing('NotInstalled', absent);
    else plan = system.plan({ ...facts, policy, document });
    const left = system.left?.(facts.namespace);
    if (left !== undefined)
      plan = {
        ...plan,
        state: plan.state === 'Conflict' ? 'Conflict' : 'Incomplete',
        message: `${plan.message}; ${left}`,
      };
    const objects = policy ? plan.objects.map((each) => complete(each, name, policy)) : [];
    return { additions: [], ...plan, system, objects };
  });
  return { policy, plans };
}

function complete(object: DesiredObject, namespace: string, policy: Policy): CompleteObject {
  const { name, uid } = policy.metadata;
  return {
    ...object,
    metadata: {
      ...object.metadata,
      namespace,
      labels: { ...object.metadata.labels, ...OWNED },
      // With the policy it goes, also while the operator is away.
      ownerReferences: [{ apiVersion: `${GROUP}/${VERSION}`, kind: policy.kind, name, uid }],
    },
  };
}
