import { isDeepStrictEqual } from 'node:util';
import type { ClusterTracingPolicy, TracingPolicy } from '../../crds/tracing-policy.ts';
import { describeFile, documentFiles, mountedCredentials } from '../../injector/credentials.ts';
import { isAsked } from '../../injector/inject.ts';
import { INJECTED_LABEL } from '../../injector/names.ts';
import type { PodSpec } from '../../injector/pod.ts';
import { workloadOf } from '../../injector/override.ts';
import type { DefaultPolicy, Resolution } from '../../injector/resolve.ts';
import { describePolicy, resolver } from '../../injector/resolve.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import { RESTARTED_KINDS } from '../../operator/rollout/restart.ts';
import type { PodMeta } from '../../operator/coverage/facts.ts';
import type { Reach, Release } from '../../operator/reach.ts';
import { whyNotReached } from '../../operator/reach.ts';
import { Matches } from './idle.ts';
import type { Idle } from './idle.ts';
import type { LoadedWorkload, LoadPlan } from './load.ts';
import { loadOf } from './load.ts';

/** A pod that runs or is still to; of those with the agent the whole. */
export type PlannedPod = PodMeta & { spec?: PodSpec };

export interface PlanFacts {
  /** As they are in the cluster. */
  namespaced: TracingPolicy[];
  cluster: ClusterTracingPolicy[];
  /** Those of the file. */
  written: { namespaced: TracingPolicy[]; cluster: ClusterTracingPolicy[] };
  defaults: DefaultPolicy;
  namespaceLabels: Map<string, Record<string, string>>;
  pods: PlannedPod[];
  /** What agents report, by namespace. */
  digests: Map<string, Digest[]>;
  /** Left out where it is not known how the operator is installed. */
  installation?: Release & { reach: Reach };
  /** Whether the chart lets the operator restart workloads; undefined where that cannot be seen. */
  mayRestart?: boolean;
  /** ISO 8601. */
  now: string;
}

/** Pods to which the same happens. */
export interface Step {
  /** `Live`: within seconds. `Restart`: when they are made anew. */
  when: 'Live' | 'Restart';
  /** `TracingPolicy shop/default`, `chart default`, `none` */
  from: string;
  to: string;
  /** `shop deployment/order`, with how many pods. */
  workloads: { namespace: string; workload: string; pods: number }[];
  /** What their processes are told otherwise: `sampling.ratio: 0.1 → 0.5`. */
  changes: string[];
  /** Of `Restart`: why it takes one, and what does not. */
  why?: string;
  /** Of `Restart`: that the operator does it, as the policy's `rollout` says, and how; left out: somebody else has to. */
  by?: string;
}

export interface Plan {
  steps: Step[];
  /** Pods with the agent to which nothing happens. */
  unchanged: number;
  /** Policies of the file that are in force for no pod, and why. */
  idle: Idle[];
  /** What exporters get from the pods that are looked at, now and then. */
  load: LoadPlan;
}

/** What would become of the pods that run if the policies of a file were applied. Pure: resolution is the operator's own. */
export function plan(facts: PlanFacts): Plan {
  const { written, defaults, namespaceLabels, now, installation } = facts;
  const after = {
    namespaced: merged(facts.namespaced, written.namespaced, now),
    cluster: merged(facts.cluster, written.cluster, now),
    defaults,
    now: Date.parse(now),
  };
  const before = { namespaced: facts.namespaced, cluster: facts.cluster, defaults, now: after.now };
  const resolvers = new Map<string, ReturnType<typeof resolver>[]>();
  const steps = new Map<string, Step>();
  const used = new Set<string>();
  const loaded = new Map<string, LoadedWorkload>();
  const matches = new Matches();
  const notReached = (namespace: string) => {
    const found = whyNotReached(namespace, installation?.reach, installation);
    return found && `${found.why}. Next: ${found.next}`;
  };
  let unchanged = 0;
  for (const pod of facts.pods) {
    const { namespace, deletionTimestamp, labels, annotations } = pod.metadata;
    if (deletionTimestamp || notReached(namespace) !== undefined) continue;
    const own = namespaceLabels.get(namespace) ?? {};
    let both = resolvers.get(namespace);
    if (!both) {
      both = [before, after].map((policies) => resolver(policies, { namespace, namespaceLabels: own }));
      resolvers.set(namespace, both);
    }
    const [old, next] = both.map((resolve) => resolve(pod.metadata)) as [Resolution, Resolution];
    const injected = labels?.[INJECTED_LABEL] === 'true';
    const asks = (resolution: Resolution) => isAsked(annotations, own, resolution).asked === true;
    if (injected || asks(next)) used.add(nameOf(next));
    matches.note(namespace, next, injected || asks(next));
    const workload = workloadOf(pod.metadata);
    const by = restartedBy(next, workload, facts.mayRestart);
    const add = (step: Omit<Step, 'workloads'>) => {
      const id = JSON.stringify(step);
      const known = steps.get(id) ?? { ...step, workloads: [] };
      steps.set(id, known);
      const row = known.workloads.find((each) => each.namespace === namespace && each.workload === workload);
      if (row) row.pods++;
      else known.workloads.push({ namespace, workload, pods: 1 });
    };
    const [from, to] = [nameOf(old), nameOf(next)];
    if (!injected) {
      if (asks(next) && (!asks(old) || by !== undefined))
        add({ when: 'Restart', from, to, changes: [], why: 'they have no agent, and would be given it', ...by });
      continue;
    }
    const id = `${namespace} ${workload}`;
    if (!loaded.has(id)) {
      const digest = facts.digests
        .get(namespace)
        ?.find((each) => `${each.kind.toLowerCase()}/${each.name}` === workload);
      loaded.set(id, { id, before: old.document, after: next.document, rates: digest?.numbers.rates });
    }
    const changes = differences(old.document?.spec, next.document?.spec);
    const mounted = mountedCredentials(pod.spec);
    const absent = documentFiles(next.document).filter((path) => !mounted.includes(path));
    if (changes.length === 0 && from === to && !(by && absent.length > 0)) {
      unchanged++;
      continue;
    }
    if (absent.length > 0)
      add({
        ...{ when: 'Restart', from, to, changes },
        why: `they were not made with ${absent.map(describeFile).join(', ')}: until they are restarted nothing goes to the exporter that needs it; the rest is live`,
        ...by,
      });
    else add({ when: 'Live', from, to, changes });
  }
  const idle = [...written.namespaced, ...written.cluster].filter((policy) => !used.has(describePolicy(policy)));
  return {
    steps: [...steps.values()].sort((a, b) => (a.when < b.when ? 1 : a.when > b.when ? -1 : a.to < b.to ? -1 : 1)),
    unchanged,
    idle: idle.map((policy) => ({
      policy: describePolicy(policy),
      why: matches.whyIdle(policy, namespaceLabels, notReached),
    })),
    load: loadOf([...loaded.values()]),
  };
}

/** Who restarts the workload of a pod, where a policy's `rollout` asks the operator for it. */
function restartedBy(
  { policy }: Resolution,
  workload: string,
  mayRestart: boolean | undefined,
): Pick<Step, 'by'> | undefined {
  const { rollout, enabled } = policy?.spec ?? {};
  if (rollout?.strategy !== 'Restart' || enabled === false) return undefined;
  if (!RESTARTED_KINDS.some((kind) => workload.startsWith(`${kind.toLowerCase()}/`))) return undefined;
  if (mayRestart === false)
    return { by: "nobody: rollout asks the operator for it, and the chart's changeWorkloads is false" };
  const { maxUnavailable = 1 } = rollout;
  return { by: `the operator, ${maxUnavailable} ${maxUnavailable === 1 ? 'workload' : 'workloads'} at a time` };
}

/** One that is there keeps its age; a new one is the youngest. */
function merged<P extends TracingPolicy | ClusterTracingPolicy>(there: P[], written: P[], now: string): P[] {
  const id = ({ metadata }: P) => `${'namespace' in metadata ? metadata.namespace : ''}/${metadata.name}`;
  const old = new Map(there.map((policy) => [id(policy), policy]));
  for (const policy of written) {
    const { creationTimestamp = now, annotations } = old.get(id(policy))?.metadata ?? {};
    // As kubectl apply does, annotations that the file does not name stay.
    const kept = { ...annotations, ...policy.metadata.annotations };
    old.set(id(policy), { ...policy, metadata: { ...policy.metadata, creationTimestamp, annotations: kept } });
  }
  return [...old.values()];
}

function nameOf({ policy, document }: Resolution): string {
  return policy ? describePolicy(policy) : (document?.source ?? 'none');
}

/** Fields in which two documents differ, one a line. What headers say is not shown: it may be a secret. */
function differences(before: unknown, after: unknown, path = ''): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isObject(before) && isObject(after))
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
      differences(before[key], after[key], path ? `${path}.${key}` : key),
    );
  const [old, next] = [byName(before), byName(after)];
  if (old && next)
    return [...new Set([...old.keys(), ...next.keys()])].flatMap((name) =>
      differences(old.get(name), next.get(name), `${path}[${name}]`),
    );
  if (path === '') return [`${before === undefined ? 'nothing was recorded before' : 'nothing is recorded any more'}`];
  const factor =
    path === 'sampling.ratio' && typeof before === 'number' && typeof after === 'number' && before > 0
      ? ` (${Number((after / before).toPrecision(2))} times as many traces begin here, but for what rules say)`
      : '';
  if (/headers\[[^\]]*\]/.test(path)) return [`${path}: changed`];
  return [`${path}: ${shown(before)} → ${shown(after)}${factor}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A list of which the items have names, as exporters have and their headers. */
function byName(value: unknown): Map<string, unknown> | undefined {
  if (!Array.isArray(value)) return undefined;
  const named = value.map((item: unknown) => (isObject(item) ? item['name'] : undefined));
  if (!named.every((name) => typeof name === 'string')) return undefined;
  return new Map(value.map((item: unknown, i) => [named[i]!, item]));
}

function shown(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value === 'string') return value;
  if (isObject(value)) return typeof value['endpoint'] === 'string' ? value['endpoint'] : JSON.stringify(value);
  if (!Array.isArray(value)) return JSON.stringify(value);
  // What headers say may be a secret.
  const names = value.map((item: unknown) => (isObject(item) ? item['name'] : String(item)));
  return names.length === 0 ? 'none' : names.every(Boolean) ? names.join(', ') : `${names.length} of them`;
}
