import { inject } from '../../injector/inject.ts';
import { INJECT, INJECT_FROM_WORKLOAD, NAMESPACE_LABEL } from '../../injector/names.ts';
import { OTEL_OPERATOR } from '../../injector/other-tracers.ts';
import type { Pod } from '../../injector/pod.ts';
import { takeOver } from '../../injector/take-over.ts';
import { WORKLOAD_KINDS } from '../../injector/workload.ts';
import type { Installation } from '../../operator/coverage/facts.ts';
import { CHART } from '../chart.ts';
import type { Outcome } from '../workload.ts';
import { at, decide, put, templatePath } from '../workload.ts';
import { annotate, patchTemplate } from './commands.ts';
import type { Facts } from './facts.ts';
import type { Problem } from './problem.ts';

/** What admission makes of the pods of a workload, by what can be read. */
export function outcomeOf(facts: Facts): Outcome & { isTakenOver: boolean } {
  const { workload, namespace, namespaceLabels = {}, namespaced = [], cluster = [], now } = facts;
  const installed = typeof facts.installation === 'object' ? facts.installation : undefined;
  const taken = takenOver(facts, installed);
  const outcome = decide(taken ?? workload, templatePath(workload) ?? [], {
    namespace,
    namespaceLabels,
    policies: { namespaced, cluster, defaults: installed?.defaults ?? {}, now },
    options: {
      agentImage: installed?.agentImage ?? CHART.agentImage,
      agentImagePullPolicy: CHART.agentImagePullPolicy,
    },
  });
  return { ...outcome, isTakenOver: taken !== undefined };
}

/** The workload as if it asked us, where it asks opentelemetry-operator and the chart says that we answer. */
function takenOver({ workload, namespace, namespaceAnnotations }: Facts, installed: Installation | undefined) {
  if (!installed?.takenOver.includes(namespace)) return undefined;
  const path = templatePath(workload) ?? [];
  const pod = takeOver(at(workload, path) as Pod, namespaceAnnotations?.[OTEL_OPERATOR]);
  return pod && put(workload, path, pod);
}

export function whoAsks({ asked, pod }: Outcome, { workload, namespace }: Facts): string {
  const annotations = pod.metadata?.annotations ?? {};
  const value = annotations[INJECT] ?? workload.metadata.annotations?.[INJECT];
  const where =
    annotations[INJECT_FROM_WORKLOAD] !== undefined
      ? `on the ${workload.kind}`
      : workload.kind === 'Pod'
        ? 'on the pod'
        : 'on its pod template';
  if (asked.by === 'pod') {
    const yes = asked.asked === 'invalid' ? 'no' : asked.asked ? 'yes' : 'no';
    return `${yes}, by the annotation ${INJECT}: ${JSON.stringify(value)} ${where}`;
  }
  const own = workload.metadata.annotations?.[INJECT];
  if (asked.by === 'nobody' && inject(workload.metadata.annotations) === 'invalid')
    return `no: the annotation ${INJECT}: ${JSON.stringify(own)} on the ${workload.kind} says nothing`;
  if (asked.by === 'namespace')
    return `${asked.asked ? 'yes' : 'no'}, by the label ${NAMESPACE_LABEL}=${String(asked.asked)} of namespace ${namespace}`;
  if (asked.by === 'policy') return 'yes, by its policy, which says injection: All';
  return 'no: neither the workload nor its namespace nor a policy does';
}

export function askingProblems(
  { decisions, object }: Outcome,
  { workload }: Facts,
  kubectl: string,
  target: string,
): Problem[] {
  const own = workload.metadata.annotations?.[INJECT];
  const isOwnWrong = workload.kind === 'Pod' || inject(workload.metadata.annotations) === 'invalid';
  const problems: Problem[] = decisions
    .filter(({ reason }) => reason === 'InvalidAnnotation')
    .slice(0, 1)
    .map(({ message }) => ({
      link: 'wanted' as const,
      text: message,
      // What the template says counts, and the annotation of a workload is not copied over it.
      next: isOwnWrong ? annotate(kubectl, target) : patchTemplate(kubectl, target, workload.kind),
    }));
  const path = templatePath(workload) ?? [];
  const annotationsOf = (of: unknown) =>
    (
      path.reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], of) as
        { metadata?: { annotations?: Record<string, string> } } | undefined
    )?.metadata?.annotations ?? {};
  const isCopied = annotationsOf(object)[INJECT_FROM_WORKLOAD] === annotationsOf(workload)[INJECT_FROM_WORKLOAD];
  if (WORKLOAD_KINDS.includes(workload.kind) && !isCopied)
    problems.push({
      link: own === undefined ? 'wanted' : 'injected',
      text:
        workload.kind === 'Job'
          ? `the annotation was not copied to the pod template, which of a Job cannot be changed: it has to be there when the Job is created`
          : own === undefined
            ? `the annotation is gone from the ${workload.kind}, and its copy is still on the pod template: the operator was away when it was removed`
            : `the annotation was not copied to the pod template: the operator was away when it was written`,
      next:
        workload.kind === 'Job'
          ? `${kubectl} get ${target} -o yaml # and create it anew`
          : `${kubectl} rollout restart ${target}`,
    });
  if (own !== undefined && !WORKLOAD_KINDS.includes(workload.kind) && workload.kind !== 'Pod')
    problems.push({
      link: 'wanted',
      text: `the annotation of a ${workload.kind} does not count: write it on its pod template, or on what made it`,
      next: askFor(workload, kubectl, target),
    });
  return problems;
}

/** The annotation of a workload counts only where the webhook copies it to the pod template. */
export function askFor({ kind }: Facts['workload'], kubectl: string, target: string): string {
  return WORKLOAD_KINDS.includes(kind) || kind === 'Pod'
    ? annotate(kubectl, target)
    : patchTemplate(kubectl, target, kind);
}
