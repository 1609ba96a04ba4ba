import type { ObjectMeta } from '../../injector/pod.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Policies, Policy, Resolution } from '../../injector/resolve.ts';
import { policyMark, resolve } from '../../injector/resolve.ts';
import { workloadOf } from '../../injector/override.ts';
import { POLICY_KEY, POLICY_REVISION } from '../../injector/names.ts';
import type { Facts, LivePod } from '../explain/facts.ts';
import { isInjected } from '../explain/pods.ts';
import { InputError } from '../input-error.ts';
import { templatePath } from '../workload.ts';
import { podOf } from '../workload.ts';

/** The workload that somebody wants something else for, and the policy in force for it. */
export interface Target {
  /** `deployment/order` */
  workload: string;
  policy: Policy;
  /** Pods that run with the agent. */
  pods: LivePod[];
}

/** @throws InputError where no policy is in force, or that may not be read. */
export function targetOf(facts: Facts): Target {
  const { workload: object, namespace } = facts;
  const { metadata = {} } = facts.pods[0] ?? podOf(object, templatePath(object) ?? []);
  const { policy } = resolve(policiesOf(facts), subject(metadata, facts));
  const workload = workloadOf(metadata);
  if (!policy) {
    const where = facts.cluster === undefined ? ' that you may read' : '';
    throw new InputError(
      `no policy${where} is in force for ${workload} in namespace ${namespace}, so there is none to write to. Make one, e.g. kubectl tracing explain ${workload} -n ${namespace}`,
    );
  }
  return { workload, policy, pods: facts.pods.filter((pod) => isInjected(pod) && !pod.metadata.deletionTimestamp) };
}

/** What a pod is to act on. `now`: milliseconds, by the cluster's clock. `changed`: a policy as it is by now. */
export function documentFor(facts: Facts, pod: ObjectMeta, now: number, changed?: Policy): PolicyDocument | undefined {
  return resolutionFor(facts, pod, now, changed).document;
}

/**
 * Which policy applies to a pod. `now`: milliseconds, by the cluster's clock.
 * @param changed a policy as it is by now, in the place of what was read.
 */
export function resolutionFor(facts: Facts, pod: ObjectMeta, now: number, changed?: Policy): Resolution {
  const { namespaced, cluster, defaults } = policiesOf(facts);
  const current = <P extends Policy>(each: P) =>
    changed && each.kind === changed.kind && each.metadata.uid === changed.metadata.uid ? (changed as P) : each;
  const policies = { namespaced: namespaced.map(current), cluster: cluster.map(current), defaults, now };
  return resolve(policies, subject(pod, facts));
}

/** How many pods carry what they are to be told, with a policy as it is by now. */
export function toldOf(facts: Facts, policy: Policy, pods: readonly LivePod[], now: number): number {
  // What the chart fills in shows in the revision, and may not be known here.
  const isSure = typeof facts.installation === 'object' && facts.installation.defaults !== undefined;
  return pods.filter(({ metadata }) => {
    const { key, revision } = policyMark(documentFor(facts, metadata, now, policy));
    const { [POLICY_KEY]: toldKey, [POLICY_REVISION]: toldRevision } = metadata.annotations ?? {};
    return toldKey === key && (!isSure || toldRevision === revision);
  }).length;
}

function policiesOf({ namespaced = [], cluster = [], installation, now }: Facts): Policies & { now: number } {
  const defaults = typeof installation === 'object' ? (installation.defaults ?? {}) : {};
  return { namespaced, cluster, defaults, now };
}

function subject(metadata: ObjectMeta, { namespace, namespaceLabels }: Facts) {
  return { ...metadata, namespace, namespaceLabels };
}
