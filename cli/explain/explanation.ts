import { CANARY_HALTED, isCanaryHalted } from '../../injector/canary.ts';
import type { Decision } from '../../injector/decision.ts';
import { OTEL_OPERATOR } from '../../injector/other-tracers.ts';
import type { Pod } from '../../injector/pod.ts';
import type { Canary } from '../../injector/resolve.ts';
import { describePolicy, policyMark } from '../../injector/resolve.ts';
import type { Installation } from '../../operator/coverage/facts.ts';
import { isUninstalled } from '../../operator/coverage/installed.ts';
import { reportLines } from '../../operator/coverage/report-lines.ts';
import { whyNotReached } from '../../operator/reach.ts';
import { documentFor } from '../override/target.ts';
import type { Outcome } from '../workload.ts';
import { at, templatePath } from '../workload.ts';
import { agentsSay } from './agents.ts';
import { askFor, askingProblems, outcomeOf, whoAsks } from './asking.ts';
import { ITS_PODS } from './facts.ts';
import type { Facts } from './facts.ts';
import type { Explanation } from './layout.ts';
import { leftOver } from './left-over.ts';
import { mistakes } from './mistakes.ts';
import { findingOf, statusOf } from './pods.ts';
import { deliveredTo, findPolicy, isSure, policyLine } from './policy.ts';
import type { Problem, Wish } from './problem.ts';
import { standings } from './standing.ts';
import { underWayLines } from './under-way.ts';
import { changedAt } from './written.ts';

/** The title of the section that says who asks for tracing. */
export const ASKS = 'Asks for tracing';
/** Pods that are listed one by one. */
const LISTED = 10;

/**
 * Puts into words what the facts say of a workload, from who asks to what the agents say. Pure.
 * @returns `isEarly`: a problem may be a change of a moment ago, which leaves no time by which that could be seen. Worth another look.
 */
export function explain(facts: Facts): Explanation & { isEarly: boolean } {
  const { workload, namespace, kind } = facts;
  const target = `${kind.kind.toLowerCase()}/${workload.metadata.name}`;
  const kubectl = `kubectl -n ${namespace}`;
  const { installation } = facts;
  const installed = typeof installation === 'object' ? installation : undefined;
  const sure = isSure(facts);
  const { namespaced = [], cluster = [] } = facts;
  const outcome = outcomeOf(facts);
  const { resolution, pod } = outcome;
  const asked = outcome.asked.asked === true;
  const problems: Problem[] = [];
  const wishes: Wish[] = [];
  const sections: [title: string, lines: string[]][] = [];

  const gone = isUninstalled(facts);
  const remake = restart(facts, kubectl, target);
  if (gone)
    problems.push(
      {
        text: 'the operator is not installed: no pod gets the agent, and no policy is delivered',
        next: 'helm list -A',
        link: 'operator',
      },
      ...leftOver(facts, kubectl, target, remake),
    );
  else if (facts.namespaced === undefined && !facts.closed.some((text) => text.startsWith('TracingPolicies')))
    problems.push({
      text: 'the cluster has no TracingPolicies: the operator is not installed',
      next: 'helm list -A',
      link: 'operator',
    });
  if (installed?.readyReplicas === 0) problems.push(notReady(installed));
  const notReached = whyNotReached(namespace, installed?.reach, installed);
  if (asked && notReached) problems.push({ text: notReached.why, next: notReached.next, link: 'injected' });

  const who = outcome.isTakenOver
    ? `yes: ${OTEL_OPERATOR} asks for it, and the namespace is taken over`
    : whoAsks(outcome, facts);
  sections.push([ASKS, [who]]);
  if (!gone && outcome.asked.asked === false)
    wishes.push({ link: 'wanted', text: who, to: 'To have it traced', next: askFor(workload, kubectl, target) });
  const path = templatePath(workload);
  if (!gone) problems.push(...mistakes(facts, path && (at(workload, path) as Pod).metadata, kubectl, target));
  if (!notReached && !gone) problems.push(...askingProblems(outcome, facts, kubectl, target));

  const document = sure ? resolution.document : (deliveredTo(facts) ?? resolution.document);
  sections.push(['Policy', [gone ? 'none: nobody delivers one' : policyLine(document, facts, sure)]]);
  const standing = gone
    ? []
    : standings([...cluster, ...namespaced], resolution, pod.metadata?.labels, facts.namespaceLabels);
  if (standing.length > 0)
    sections.push(['Candidates', standing.map(({ policy, why }) => `${describePolicy(policy)}: ${why}`)]);
  const found = gone ? undefined : findPolicy(facts, outcome, asked, document, sure);
  problems.push(...(found?.problems ?? []));
  wishes.push(...(found?.wishes ?? []));

  for (const { agent, reason, message } of asked && !gone ? facts.outages : [])
    problems.push({
      text: `new pods of the namespace start without the agent (${agent}), which keeps pods from starting: ${reason}: ${message}`,
      next: `${kubectl} get events --field-selector reason=AgentUnavailable`,
      link: 'injected',
    });

  if (facts.restart) sections.push(['Restart', [`${facts.restart.phase}: ${facts.restart.message}`]]);
  sections.push(['Containers', containerLines(outcome, asked, gone)]);
  const { canary } = resolution;
  if (canary && asked && !gone) sections.push(['New agent', [canaryLine(canary)]]);
  const imagePolicy = resolution.candidates.find(({ policy }) => 'agent' in policy.spec && policy.spec.agent);
  for (const decision of outcome.decisions)
    if (
      asked &&
      !gone &&
      decision.warn &&
      decision.reason !== 'InvalidAnnotation' &&
      decision.reason !== 'PolicyProblem'
    )
      problems.push({
        text: describe(decision),
        next: `${kubectl} edit ${target} # ${decision.reason}: docs/reference/decisions.md`,
        link: 'injected',
      });

  const changed = changedAt(facts, resolution.policy);
  const findings = facts.pods.map((each) => ({
    name: each.metadata.name,
    ...findingOf(each, facts, {
      asked: asked && !notReached && !gone,
      mark: sure && !gone ? policyMark(documentFor(facts, each.metadata, facts.now)) : undefined,
      imageFrom: imagePolicy ? describePolicy(imagePolicy.policy) : 'the chart',
      restart: remake,
      changedAt: changed,
    }),
  }));
  const more = findings.length > LISTED ? [`and ${findings.length - LISTED} more`] : [];
  sections.push([
    'Pods',
    findings.length > 0
      ? [...findings.slice(0, LISTED).map(({ name, text }) => `${name}: ${text}`), ...more]
      : [asked && isScaledToNone(facts) ? 'none: it is scaled to 0' : 'none'],
  ]);
  problems.push(...summedUp(findings.flatMap((finding) => finding.problems)));
  if (facts.pods.length === 0 && asked && !gone) {
    const none = withoutPods(facts, kubectl, target);
    if (none && 'to' in none) wishes.push(none);
    else if (none) problems.push(none);
  }

  if (resolution.policy && !gone) {
    const said = agentsSay(facts, resolution.policy, document, remake);
    sections.push(['Agents say', said.lines]);
    problems.push(...said.problems);
  }
  if (facts.digest && !gone) {
    const { kind, name } = facts.digest;
    const whose = kind === workload.kind && name === workload.metadata.name ? [] : [`of all pods of ${kind} ${name}`];
    sections.push(['Reports', [...whose, ...reportLines(facts.digest, facts.now)]]);
  }
  if (facts.closed.length > 0) sections.push(['You may not read', facts.closed]);
  const underWay = [
    ...(found?.underWay ?? []),
    ...underWayLines(
      findings.flatMap((finding) => finding.underWay ?? []),
      facts.now,
    ),
  ];
  return {
    workload: `${kind.kind} ${namespace}/${workload.metadata.name}`,
    sections: sections.map(([title, lines]) => ({ title, lines })),
    problems,
    underWay,
    wishes,
    isEarly:
      !gone && installed?.readyReplicas !== 0 && (found?.isLate === true || findings.some(({ isLate }) => isLate)),
  };
}

/** An operator of which nothing runs: pods go on under the policy that they know. */
function notReady({ name, namespace, replicas }: Installation): Problem {
  return {
    link: 'operator',
    text: `no replica of the operator in ${namespace} is ready: new pods are not injected, policies do not change, and nobody hears what agents say: what is known of them is from before. Pods that are traced go on`,
    next:
      replicas === 0
        ? `kubectl -n ${namespace} scale deployment/${name} --replicas=2`
        : `kubectl -n ${namespace} describe pods -l app.kubernetes.io/name=tracing-operator`,
  };
}

function isScaledToNone({ workload }: Facts): boolean {
  return (workload['spec'] as { replicas?: number } | undefined)?.replicas === 0;
}

/** Of a workload without any pod: that somebody wants it so, or that pods cannot be made. */
function withoutPods(facts: Facts, kubectl: string, target: string): Problem | Wish | undefined {
  const { replicas } = (facts.workload['spec'] ?? {}) as { replicas?: number };
  if (replicas === 0)
    return {
      ...{ link: 'injected', text: 'it is scaled to 0, so that no pod of it runs', to: 'To have it run' },
      next: `${kubectl} scale ${target} --replicas=1`,
    };
  if (replicas === undefined || facts.closed.includes(ITS_PODS)) return undefined;
  return {
    ...{ link: 'injected', text: `it has no pod, and ${replicas} are asked for` },
    next: `${kubectl} describe ${target}`,
  };
}

function containerLines({ decisions, pod }: Outcome, asked: boolean, gone: boolean): string[] {
  const status = statusOf(pod.metadata?.annotations ?? {});
  if (status && decisions.some(({ reason }) => reason === 'AlreadyInjected'))
    return [
      ...status.injected.map((name) => `${name}: has the agent`),
      ...Object.entries(status.skipped ?? {}).map(([name, reason]) => `${name}: ${reason}`),
    ];
  if (gone) return pod.spec.containers.map(({ name }) => `${name}: starts without the agent`);
  if (!asked) return pod.spec.containers.map(({ name }) => `${name}: would get the agent if it were asked for`);
  const lines = decisions.map((decision) =>
    decision.reason === 'Injected' ? `${decision.container}: gets the agent` : describe(decision),
  );
  return lines.filter((line, i) => lines.indexOf(line) === i);
}

function canaryLine({ policy, agent, percent }: Canary): string {
  const condition = policy.status?.conditions?.find(({ type }) => type === CANARY_HALTED);
  const who = describePolicy(policy);
  if (isCanaryHalted(policy)) return `no new pod gets ${agent.image}, which ${who} has stopped: ${condition?.message}`;
  return `${percent} % of new pods get ${agent.image}, by ${who}`;
}

function describe({ container, reason, message }: Decision): string {
  return `${container ? `${container}: ` : ''}${reason}: ${message}`;
}

function restart({ workload, namespace }: Facts, kubectl: string, target: string): string {
  const { kind } = workload;
  if (['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind)) return `${kubectl} rollout restart ${target}`;
  if (kind === 'Rollout') return `kubectl argo rollouts -n ${namespace} restart ${workload.metadata.name}`;
  if (kind === 'CronJob')
    return `${kubectl} create job --from=${target} ${workload.metadata.name}-now # or wait for its next run`;
  return `${kubectl} get ${target} -o yaml # and create it anew`;
}

/** The same of many pods is one problem. */
function summedUp(problems: Problem[]): Problem[] {
  const kinds = new Map<string, Problem[]>();
  for (const problem of problems) {
    const same = problem.text.replace(/pod \S+/, 'pod');
    kinds.set(same, [...(kinds.get(same) ?? []), problem]);
  }
  return [...kinds.values()].map(([first, ...more]) => ({
    ...first!,
    text: more.length > 0 ? `${first!.text} (and ${more.length} more of its pods)` : first!.text,
  }));
}
