import { owner } from '../../injector/resource.ts';
import { agentOf, created } from '../breaker/outage.ts';
import type { PodMeta } from '../policy/cluster-view.ts';

/** What speaks for or against a policy's new agent. */
export interface Evidence {
  /** The agents that were compared, as the annotation `tracing.acme/agent` names them. */
  canary: string;
  other: string;
  /** Pods that have it, and pods that have the one it would replace. */
  pods: number;
  others: number;
  /** Restarts of pods that have it, beyond what the others lead to expect; and starts that it kept from happening. */
  excess: number;
  /** Where, for people: `Deployment shop/web: 4 restarts of 2 pods, 0 of 5 others`. */
  where: string[];
}

export interface CanaryFacts {
  namespace: string;
  /** Pods of the namespace that live and that the policy gives their agent. */
  pods: readonly PodMeta[];
  /** As the annotation `tracing.acme/agent` names them. */
  canary: string;
  other: string;
  /** How often in a row an agent has kept pods of the namespace from starting, of late. */
  failedStarts: (agent: string) => number;
  now: number;
}

/** Named in a condition. */
const SHOWN = 5;
/** Chance alone gives one of two equal groups more restarts: so many times as often is no chance. */
const MORE = 2;

interface Group {
  pods: number;
  restarts: number;
  /** Milliseconds that its pods have been there, all together. */
  time: number;
}

/**
 * Compares pods with the new agent and pods with the other one, workload by workload: an app that ends again and again by
 * itself does so with either. The pods of one ReplicaSet, StatefulSet and so on are compared, since a new version of the app may
 * be what fails. Where no other pod is there to compare with, it counts once at most, however often its pods restart. Pods with
 * a third agent, of before, say nothing. Pure.
 */
export function evidence({ namespace, pods, canary, other, failedStarts, now }: CanaryFacts): Evidence {
  const result: Evidence = { canary, other, pods: 0, others: 0, excess: 0, where: [] };
  const workloads = new Map<string, { name: string; canaries: Group; others: Group }>();
  for (const pod of pods) {
    const agent = agentOf(pod);
    if (agent !== canary && agent !== other) continue;
    const isCanary = agent === canary;
    if (isCanary) result.pods++;
    else result.others++;
    const reference = pod.metadata.ownerReferences?.[0];
    const key = reference ? `${reference.kind} ${reference.name}` : `Pod ${pod.metadata.name}`;
    let workload = workloads.get(key);
    if (!workload) {
      const { kind, name } = owner(pod) ?? { kind: 'Pod', name: pod.metadata.name };
      workload = { name: `${kind} ${namespace}/${name}`, canaries: nothing(), others: nothing() };
      workloads.set(key, workload);
    }
    const group = isCanary ? workload.canaries : workload.others;
    group.pods++;
    group.restarts += pod.restarts ?? 0;
    group.time += Math.max(now - created(pod), 1);
  }
  for (const { name, canaries, others } of workloads.values()) {
    const excess =
      others.pods === 0
        ? Math.min(canaries.restarts, 1)
        : // Whole ones, so that the mere passing of time changes nothing.
          Math.floor(canaries.restarts - (MORE * others.restarts * canaries.time) / others.time);
    if (excess <= 0) continue;
    result.excess += excess;
    result.where.push(
      `${name}: ${count(canaries.restarts, 'restart')} of ${count(canaries.pods, 'pod')}, ${others.restarts} of ${count(others.pods, 'other')}`,
    );
  }
  const failed = failedStarts(other) > 0 ? 0 : failedStarts(canary);
  if (failed > 0) {
    result.excess += failed;
    result.where.push(`namespace ${namespace}: it kept pods from starting, ${count(failed, 'time')}`);
  }
  result.where = result.where.sort().slice(0, SHOWN);
  return result;
}

/** The evidence of several namespaces about the same two agents. */
export function together(a: Evidence | undefined, b: Evidence): Evidence {
  if (!a) return b;
  return {
    ...a,
    pods: a.pods + b.pods,
    others: a.others + b.others,
    excess: a.excess + b.excess,
    where: [...a.where, ...b.where].sort().slice(0, SHOWN),
  };
}

function nothing(): Group {
  return { pods: 0, restarts: 0, time: 0 };
}

function count(number: number, of: string): string {
  return `${number} ${of}${number === 1 ? '' : 's'}`;
}
