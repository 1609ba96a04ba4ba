import type { WorkloadReason } from '../../crds/tracing-policy.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { owner } from '../../injector/resource.ts';
import type { Policy } from '../../injector/resolve.ts';
import { describePolicy } from '../../injector/resolve.ts';
import type { Facts } from './facts.ts';
import type { Link, Problem } from './problem.ts';
import { diagnose } from './receivers.ts';
import { unfollowed } from './under-way.ts';

/** What a reason of a policy's status breaks, and what to do about it. */
interface Remedy {
  link?: Link;
  next: (kubectl: string, target: string, restart: string) => string;
}

const logs = (kubectl: string, target: string) => `${kubectl} logs ${target} | grep tracing-operator:`;
const REMEDIES: Record<Exclude<WorkloadReason, 'PolicyProblem' | 'ExportFailing'>, Remedy> = {
  Missing: { link: 'injected', next: (_kubectl, _target, restart) => restart },
  Outdated: {
    link: 'policy',
    next: (kubectl, target, restart) => `${restart} # or see whether its node is well: ${kubectl} describe ${target}`,
  },
  NoAgentReport: { link: 'started', next: logs },
  ReportsStopped: { link: 'started', next: logs },
  AgentUnavailable: { link: 'injected', next: (_kubectl, _target, restart) => `${restart} # when it is over` },
  AgentFailed: { link: 'started', next: logs },
  RolledBack: {
    link: 'injected',
    next: (kubectl, target) => `${kubectl} logs ${target} --previous # then change it, or the policy`,
  },
  RestartUndone: { next: (kubectl, target) => `${kubectl} get ${target} -o yaml --show-managed-fields` },
  RestartHeld: { next: (kubectl, target) => `${kubectl} describe ${target}` },
  Restarting: { next: (kubectl, target) => `${kubectl} rollout status ${target}` },
  NotInstrumented: { next: (kubectl, target) => `${kubectl} describe ${target}` },
};
/** Said of the pods themselves already; and what nobody can do anything about is no problem. */
const SAID: WorkloadReason[] = ['Missing', 'AgentUnavailable', 'Restarting', 'NotInstrumented'];
/** What the operator says itself. */
const OWN: WorkloadReason[] = ['RolledBack', 'RestartUndone', 'RestartHeld'];
const NEEDS = /it needs (key \S+ of (?:Secret|ConfigMap) \S+), which/;

/** In the order in which one follows from the other. */
const COUNTS = [
  ...(['matched', 'injected', 'reporting', 'current', 'outdated'] as const),
  ...(['missing', 'noAgentReport', 'unknown', 'failed'] as const),
];

/** What the status of the policy in force says of a workload. @param restart makes its pods anew. */
export function agentsSay(
  facts: Facts,
  policy: Policy,
  document: PolicyDocument | undefined,
  restart: string,
): { lines: string[]; problems: Problem[] } {
  const { workload, namespace, pods } = facts;
  const kubectl = `kubectl -n ${namespace}`;
  const { status } = policy;
  const problems: Problem[] = [];
  if (!status?.pods) return { lines: [`nothing yet: ${describePolicy(policy)} has no status`], problems };
  const { pods: counted } = status;
  const counts = COUNTS.flatMap((name) => (counted[name] ? [`${counted[name]} ${name}`] : []));
  const lines = [`of all pods under ${describePolicy(policy)}: ${counts.join(', ') || 'there are none'}`];
  const maker = (pods[0] && owner(pods[0])) ?? { kind: workload.kind, name: workload.metadata.name };
  const own = (status.workloads ?? []).filter(
    (each) =>
      each.namespace === namespace &&
      ((each.kind === workload.kind && each.name === workload.metadata.name) ||
        (each.kind === maker.kind && each.name === maker.name)),
  );
  const target = `${workload.kind.toLowerCase()}/${workload.metadata.name}`;
  // A Secret that is missing is told of in three ways.
  const needs = own.flatMap(({ reason, message = '' }) =>
    reason === 'PolicyProblem' ? (NEEDS.exec(message)?.[1] ?? []) : [],
  );
  for (const { reason, pods: count, message = '' } of own) {
    const text = `${reason} in ${count} ${count === 1 ? 'pod' : 'pods'}${message ? `: ${message}` : ''}`;
    lines.push(text);
    if (SAID.includes(reason)) continue;
    if (reason !== 'PolicyProblem' && needs.some((each) => message.includes(each))) continue;
    const isExport = reason === 'ExportFailing' || reason === 'PolicyProblem';
    const { why, next } = isExport
      ? diagnose(message, facts, document, policy, target)
      : { why: undefined, next: REMEDIES[reason].next(kubectl, target, restart) };
    const link = isExport ? (NEEDS.test(message) ? 'policy' : 'accepted') : REMEDIES[reason].link;
    problems.push({
      text: `${OWN.includes(reason) ? text : `agents report ${text}`}${why === undefined ? '' : `. ${capital(why)}`}`,
      next,
      ...(link && { link }),
      ...(!OWN.includes(reason) && { by: 'agents' }),
    });
  }
  const behind = own.some(({ reason }) => reason === 'Outdated') ? undefined : unfollowed(facts);
  if (behind !== undefined)
    problems.push({
      ...{ text: `agents report that ${behind}`, by: 'agents' },
      ...{ link: 'policy', next: REMEDIES.Outdated.next(kubectl, target, restart) },
    });
  if (own.length === 0)
    lines.push(
      `its status knows of no trouble with this ${workload.kind}${(status.workloads?.length ?? 0) >= 20 ? ', or it is not among the 20 workloads that are listed' : ''}`,
    );
  if (counted.unknown) lines.push('unknown: not heard from yet, or no more; new pods report within two minutes');
  return { lines, problems };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
