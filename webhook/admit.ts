import type { Decision } from '../injector/decision.ts';
import type { InjectOptions, Injection, InjectionNamespace } from '../injector/inject.ts';
import { injectPod, leaveUntraced } from '../injector/inject.ts';
import { NAMESPACE_LABEL } from '../injector/names.ts';
import type { Pod } from '../injector/pod.ts';
import type { Policies, Policy, Resolution } from '../injector/resolve.ts';
import { resolve } from '../injector/resolve.ts';
import { OTEL_OPERATOR } from '../injector/other-tracers.ts';
import { takeOver } from '../injector/take-over.ts';
import type { Workload } from '../injector/workload.ts';
import { propagateInject } from '../injector/workload.ts';
import { diff } from './json-patch.ts';
import type { AdmissionReply, AdmissionRequest } from './review.ts';

/**
 * Why the API server sends an object: the object itself asks, or did; its namespace has the label that asks for all pods; or
 * its namespace is one in which we take over from opentelemetry-operator.
 */
export type Entry = 'object' | 'namespace' | 'take-over';

const TAKEN_OVER: Decision = {
  reason: 'TakenOver',
  message: `${OTEL_OPERATOR} asks for tracing, and this namespace is taken over: opentelemetry-operator leaves the pod alone`,
};

/** What admission needs to know about the cluster; all of it answered from memory. */
export interface AdmitContext {
  policies(namespace: string): Policies;
  namespaceLabels(namespace: string): Record<string, string>;
  namespaceAnnotations(namespace: string): Record<string, string>;
  /** Why pods of a namespace cannot have an agent now, by the name that tracing.acme/agent gives it. */
  whyNoAgent(namespace: string, agent: string, isDryRun: boolean): string | undefined;
  /** Why a pod is to go without that agent: pods of its workload crashed with it, under this policy. */
  whyRolledBack(namespace: string, pod: Pod, policy: Policy | undefined, agent: string): string | undefined;
  /** Whether the next new pod is one that gets the new agent of a policy. */
  isCanary(policyUid: string, percent: number, isDryRun: boolean): boolean;
  options: InjectOptions;
  /** How the cluster's meshes are told of tracing, for pods of a namespace with these labels. */
  meshes(resolution: Resolution, namespaceLabels: Record<string, string>): Pick<InjectOptions, 'linkerd' | 'istio'>;
}

/** Answers one admission request: injects a pod, or copies the annotation of a workload to its template. */
export function admit(
  request: AdmissionRequest,
  entry: Entry,
  context: AdmitContext,
): { reply: AdmissionReply; decisions: Decision[] } {
  const { object } = request;
  if (!object) return { reply: {}, decisions: [] };
  if (request.kind.kind === 'Pod') {
    const sent = object as unknown as Pod;
    const name = request.namespace ?? sent.metadata?.namespace ?? 'default';
    const pod = entry === 'take-over' ? takeOver(sent, context.namespaceAnnotations(name)[OTEL_OPERATOR]) : sent;
    if (!pod) return { reply: {}, decisions: [] };
    // The API server has read the label just now; our copy of it may be a moment behind.
    const labels = { ...context.namespaceLabels(name), ...(entry === 'namespace' && { [NAMESPACE_LABEL]: 'true' }) };
    const namespace = { name, labels, annotations: context.namespaceAnnotations(name) };
    const subject = {
      namespace: name,
      namespaceLabels: labels,
      labels: pod.metadata?.labels,
      annotations: pod.metadata?.annotations,
      name: pod.metadata?.name,
      ownerReferences: pod.metadata?.ownerReferences,
    };
    const result = injected(pod, namespace, resolve(context.policies(name), subject), request.dryRun === true, context);
    if (entry !== 'take-over') return { reply: reply(sent, result.pod, result.decisions), decisions: result.decisions };
    // What we do not inject is left to opentelemetry-operator as it was.
    if (!result.decisions.some(({ reason }) => reason === 'Injected'))
      return { reply: reply(sent, sent, result.decisions), decisions: result.decisions };
    const decisions = [TAKEN_OVER, ...result.decisions];
    return { reply: reply(sent, result.pod, decisions), decisions };
  }
  const workload = object as unknown as Workload;
  const result = propagateInject(workload);
  return { reply: reply(workload, result.workload, result.decisions), decisions: result.decisions };
}

/**
 * A pod with the agent that is to be had for it. A pod that has one already (this is a reinvocation) keeps that: whether it
 * is a canary is decided once.
 */
function injected(
  pod: Pod,
  namespace: InjectionNamespace,
  resolution: Resolution,
  isDryRun: boolean,
  context: AdmitContext,
): Injection {
  const options = { ...context.options, ...context.meshes(resolution, namespace.labels) };
  const result = injectPod(pod, namespace, resolution, options);
  if (result.agent === undefined) return result;
  const crashed = context.whyRolledBack(namespace.name, pod, resolution.policy, result.agent);
  if (crashed !== undefined) return leaveUntraced(pod, 'RolledBack', crashed);
  const { canary } = resolution;
  if (canary && context.isCanary(canary.policy.metadata.uid, canary.percent, isDryRun)) {
    const first = injectPod(pod, namespace, { ...resolution, agent: canary.agent }, options);
    // A new agent that cannot be had in this namespace is no reason to go without any.
    if (first.agent !== undefined && context.whyNoAgent(namespace.name, first.agent, isDryRun) === undefined)
      return first;
  }
  const whyNot = context.whyNoAgent(namespace.name, result.agent, isDryRun);
  return whyNot === undefined ? result : leaveUntraced(pod, 'AgentUnavailable', whyNot);
}

function reply(before: unknown, after: unknown, decisions: Decision[]): AdmissionReply {
  return {
    patch: before === after ? [] : diff(before, after),
    warnings: decisions.filter((decision) => decision.warn).map((decision) => `tracing: ${decision.message}`),
    ...(decisions.length > 0 && {
      auditAnnotations: {
        decisions: decisions
          .map(({ container, reason }) => (container ? `${container}=${reason}` : reason))
          .join(',')
          .slice(0, 1000),
      },
    }),
  };
}
