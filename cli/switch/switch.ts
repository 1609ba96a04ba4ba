import type { ClusterTracingPolicy, TracingPolicy } from '../../crds/tracing-policy.ts';
import { GROUP, VERSION } from '../../crds/tracing-policy.ts';
import { INJECTED_LABEL, NO_POLICY, POLICY_KEY } from '../../injector/names.ts';
import { owner } from '../../injector/resource.ts';
import type { Policy, Resolution } from '../../injector/resolve.ts';
import { describePolicy, resolver, whyBefore } from '../../injector/resolve.ts';
import { InputError } from '../input-error.ts';
import type { PodMeta } from '../../operator/coverage/facts.ts';

/** The policy that the verbs `off` and `on` make and delete, of a namespace or of the cluster. */
export const SWITCH = 'switch-off';
/** The highest that there is. */
const PRIORITY = 1000;

/** @param namespace undefined: all. As the API server takes it. */
export function switchPolicy(namespace: string | undefined) {
  const metadata = { name: SWITCH, ...(namespace !== undefined && { namespace }) };
  const kind = namespace === undefined ? 'ClusterTracingPolicy' : 'TracingPolicy';
  const override = namespace === undefined ? { override: true } : {};
  return {
    apiVersion: `${GROUP}/${VERSION}`,
    kind,
    metadata,
    spec: { ...override, priority: PRIORITY, enabled: false },
  };
}

/** The command that takes it away. */
export function switchedOn(policy: Policy): string {
  return policy.kind === 'TracingPolicy'
    ? `kubectl tracing on -n ${policy.metadata.namespace}`
    : 'kubectl tracing on -A';
}

export interface SwitchFacts {
  /** Undefined: all namespaces. */
  namespace?: string;
  namespaced: TracingPolicy[];
  cluster: ClusterTracingPolicy[];
  namespaceLabels: Map<string, Record<string, string>>;
  /** Those with the agent, that run or are still to. */
  pods: PodMeta[];
  /** Milliseconds since 1970. */
  now: number;
}

/**
 * The switch as it is there; undefined where it is not.
 * @throws InputError for a policy of that name which somebody has made for something else.
 */
export function findSwitch({ namespace, namespaced, cluster }: SwitchFacts): Policy | undefined {
  const found =
    namespace === undefined
      ? cluster.find(({ metadata }) => metadata.name === SWITCH)
      : namespaced.find(({ metadata }) => metadata.name === SWITCH && metadata.namespace === namespace);
  if (!found) return undefined;
  const { enabled, selector } = found.spec;
  const rest: unknown[] =
    found.kind === 'ClusterTracingPolicy' ? [found.spec.namespaceSelector, !found.spec.override || undefined] : [];
  if (enabled !== false || [selector, ...rest].some((each) => each !== undefined))
    throw new InputError(
      `${describePolicy(found)} is there, and is not the switch that this command would make: ${JSON.stringify(switchPolicy(namespace).spec)}. Delete it, or give it another name`,
    );
  return found;
}

/** Pods of one workload that stay under a policy which comes before the switch. */
export interface Unreached {
  namespace: string;
  workload: string;
  pods: number;
  policy: Policy;
  why: string;
}

export interface Reach {
  /** How many pods are under the switch. */
  pods: number;
  unreached: Unreached[];
}

/** Which pods the switch is in force for, where it is there. Pure: resolution is the operator's own. */
export function reachOf(facts: SwitchFacts): Reach {
  const made = {
    ...switchPolicy(facts.namespace),
    metadata: { name: SWITCH, uid: '', resourceVersion: '', creationTimestamp: '9999' },
  };
  const there = findSwitch(facts) !== undefined;
  const withSwitch: SwitchFacts = there
    ? facts
    : facts.namespace === undefined
      ? { ...facts, cluster: [...facts.cluster, made as unknown as ClusterTracingPolicy] }
      : {
          ...facts,
          namespaced: [
            ...facts.namespaced,
            { ...made, metadata: { ...made.metadata, namespace: facts.namespace } } as unknown as TracingPolicy,
          ],
        };
  let pods = 0;
  const unreached = new Map<string, Unreached>();
  for (const { pod, resolution } of resolved(withSwitch)) {
    const { policy, candidates } = resolution;
    if (isSwitch(policy, facts.namespace)) pods++;
    // What is switched off already needs no switch.
    else if (policy && policy.spec.enabled !== false) {
      const { namespace } = pod.metadata;
      const { kind, name } = owner(pod) ?? { kind: 'Pod', name: pod.metadata.name };
      const workload = `${kind.toLowerCase()}/${name}`;
      const id = `${namespace} ${workload}`;
      const beaten = candidates.find((each) => isSwitch(each.policy, facts.namespace))!;
      const why = whyBefore(candidates[0]!, beaten);
      const known = unreached.get(id) ?? { namespace, workload, pods: 0, policy, why };
      known.pods++;
      unreached.set(id, known);
    }
  }
  return { pods, unreached: [...unreached.values()] };
}

function isSwitch(policy: Policy | undefined, namespace: string | undefined): boolean {
  const kind = namespace === undefined ? 'ClusterTracingPolicy' : 'TracingPolicy';
  return policy?.metadata.name === SWITCH && policy.kind === kind;
}

export interface Progress {
  /** Pods that it is about. */
  pods: number;
  /** Of those, told by annotation. */
  told: number;
  /** That act on it, as their agents report. */
  current: number;
  /** Of which nothing is heard. */
  silent: number;
  /** Of those, which may yet say something: they are new, or have reported before. */
  awaited: number;
}

/**
 * How far the policies that are in force now have come.
 * @param only pods under the switch; otherwise all.
 */
export function progress(facts: SwitchFacts, only: boolean): Progress {
  const inForce = new Map<string, Policy>();
  let [pods, told, untold] = [0, 0, 0];
  for (const { pod, resolution } of resolved(facts)) {
    const { policy } = resolution;
    if (only && !isSwitch(policy, facts.namespace)) continue;
    pods++;
    if (isTold(pod, resolution)) told++;
    if (policy) inForce.set(describePolicy(policy), policy);
    else untold++;
  }
  const counts = [...inForce.values()].map(({ metadata, status }) =>
    status?.observedGeneration === metadata.generation ? (status?.pods ?? {}) : {},
  );
  const sum = (field: 'current' | 'noAgentReport' | 'unknown' | 'failed') =>
    counts.reduce((total, each) => total + (each[field] ?? 0), 0);
  return {
    pods,
    told,
    // No status counts pods without a policy: they have been told, and that is all that is known.
    current: sum('current') + untold,
    silent: sum('noAgentReport') + sum('unknown') + sum('failed'),
    awaited: sum('unknown'),
  };
}

/** @param isLate whether what is awaited has had its time. */
export function isDone({ pods, told, current, silent, awaited }: Progress, isLate = false): boolean {
  return told === pods && current + silent - (isLate ? 0 : awaited) >= pods;
}

function isTold({ metadata }: PodMeta, { policy, document }: Resolution): boolean {
  const key = metadata.annotations?.[POLICY_KEY] ?? NO_POLICY;
  // What the chart says is not known here.
  return policy ? key === document?.key : key === NO_POLICY || key === 'chart-default.json';
}

function* resolved({ namespaced, cluster, namespaceLabels, pods, now }: SwitchFacts) {
  const resolvers = new Map<string, ReturnType<typeof resolver>>();
  for (const pod of pods) {
    const { namespace, deletionTimestamp, labels } = pod.metadata;
    if (deletionTimestamp || labels?.[INJECTED_LABEL] !== 'true') continue;
    let resolve = resolvers.get(namespace);
    if (!resolve) {
      const around = { namespace, namespaceLabels: namespaceLabels.get(namespace) };
      resolvers.set(namespace, (resolve = resolver({ namespaced, cluster, defaults: {}, now }, around)));
    }
    yield { pod, resolution: resolve(pod.metadata) };
  }
}
