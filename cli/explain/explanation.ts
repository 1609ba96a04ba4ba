import { GROUP, VERSION } from '../../crds/tracing-policy.ts';
import type { WorkloadReason } from '../../crds/tracing-policy.ts';
import { CANARY_HALTED, isCanaryHalted } from '../../injector/canary.ts';
import type { Decision } from '../../injector/decision.ts';
import { inject } from '../../injector/inject.ts';
import { INJECT, INJECT_FROM_WORKLOAD, NAMESPACE_LABEL, OVERRIDE, POLICY_KEY } from '../../injector/names.ts';
import { overrideProblem } from '../../injector/override.ts';
import { OTEL_OPERATOR } from '../../injector/other-tracers.ts';
import { takeOver } from '../../injector/take-over.ts';
import type { ObjectMeta, Pod } from '../../injector/pod.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Canary } from '../../injector/resolve.ts';
import { describePolicy, policyMark, resolve } from '../../injector/resolve.ts';
import { owner } from '../../injector/resource.ts';
import { WORKLOAD_KINDS } from '../../injector/workload.ts';
import type { Installation } from '../../operator/coverage/facts.ts';
import { isUninstalled } from '../../operator/coverage/installed.ts';
import { reportLines } from '../../operator/coverage/report-lines.ts';
import { whyNotReached } from '../../operator/reach.ts';
import { CHART } from '../chart.ts';
import { SWITCH, switchedOn } from '../switch/switch.ts';
import type { Outcome } from '../workload.ts';
import { at, decide, put, templatePath } from '../workload.ts';
import { annotate, patchTemplate } from './commands.ts';
import type { Facts } from './facts.ts';
import { leftOver } from './left-over.ts';
import { findingOf, operatorLogs, statusOf } from './pods.ts';
import type { Explanation } from './layout.ts';
import type { Problem } from './problem.ts';
import { mistakes } from './mistakes.ts';
import { standings } from './standing.ts';

/** Pods that are listed one by one. */
const LISTED = 10;

/** A policy as it may be to begin with. */
const FIRST_POLICY = JSON.stringify({
  apiVersion: `${GROUP}/${VERSION}`,
  kind: 'TracingPolicy',
  metadata: { name: 'default' },
  spec: { exporters: [{ name: 'default', endpoint: 'http://otel-collector.observability:4318' }] },
});

/** Puts into words what the facts say of a workload, from who asks to what the agents say. Pure. */
export function explain(facts: Facts): Explanation {
  const { workload, namespace, kind } = facts;
  const target = `${kind.kind.toLowerCase()}/${workload.metadata.name}`;
  const kubectl = `kubectl -n ${namespace}`;
  const { installation } = facts;
  const installed = typeof installation === 'object' ? installation : undefined;
  // Where something may not be read, what is resolved here need not be what the operator resolves.
  const sure = [facts.namespaced, facts.cluster, facts.namespaceLabels, installed?.defaults].every(Boolean);
  const { namespaceLabels = {}, namespaced = [], cluster = [] } = facts;
  const policies = { namespaced, cluster, defaults: installed?.defaults ?? {}, now: facts.now };
  const taken = takenOver(facts, installed);
  const outcome = decide(taken ?? workload, templatePath(workload) ?? [], {
    namespace,
    namespaceLabels,
    policies,
    options: {
      agentImage: installed?.agentImage ?? CHART.agentImage,
      agentImagePullPolicy: CHART.agentImagePullPolicy,
    },
  });
  const { resolution, pod } = outcome;
  const asked = outcome.asked.asked === true;
  const problems: Problem[] = [];
  const sections: [title: string, lines: string[]][] = [];

  const gone = isUninstalled(facts);
  const remake = restart(facts, kubectl, target);
  if (gone)
    problems.push(
      {
        text: 'the operator is not installed: no pod gets the agent, and no policy is delivered',
        next: 'helm list -A',
      },
      ...leftOver(facts, kubectl, target, remake),
    );
  else if (facts.namespaced === undefined && !facts.closed.some((text) => text.startsWith('TracingPolicies')))
    problems.push({ text: 'the cluster has no TracingPolicies: the operator is not installed', next: 'helm list -A' });
  if (installed?.readyReplicas === 0)
    problems.push({
      text: `no replica of the operator in ${installed.namespace} is ready: new pods are not injected, and policies do not change`,
      next: `kubectl -n ${installed.namespace} describe pods -l app.kubernetes.io/name=tracing-operator`,
    });
  const notReached = whyNotReached(namespace, installed?.reach, installed);
  if (asked && notReached) problems.push({ text: notReached.why, next: notReached.next });

  sections.push([
    'Asks for tracing',
    [taken ? `yes: ${OTEL_OPERATOR} asks for it, and the namespace is taken over` : whoAsks(outcome, facts)],
  ]);
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
  if (!gone) problems.push(...policyProblems(facts, resolution, asked, document, sure, kubectl));

  for (const { agent, reason, message } of asked && !gone ? facts.outages : [])
    problems.push({
      text: `new pods of the namespace start without the agent (${agent}), which keeps pods from starting: ${reason}: ${message}`,
      next: `${kubectl} get events --field-selector reason=AgentUnavailable`,
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
      });

  const resolvedFor = (pod: ObjectMeta) => resolve(policies, { ...pod, namespace, namespaceLabels });
  const findings = facts.pods.map((each) => ({
    name: each.metadata.name,
    ...findingOf(each, facts, {
      asked: asked && !notReached && !gone,
      mark: sure && !gone ? policyMark(resolvedFor(each.metadata).document) : undefined,
      imageFrom: imagePolicy ? describePolicy(imagePolicy.policy) : 'the chart',
      restart: remake,
    }),
  }));
  const more = findings.length > LISTED ? [`and ${findings.length - LISTED} more`] : [];
  sections.push([
    'Pods',
    findings.length > 0
      ? [...findings.slice(0, LISTED).map(({ name, text }) => `${name}: ${text}`), ...more]
      : ['none'],
  ]);
  problems.push(...summedUp(findings.flatMap((finding) => finding.problems)));

  if (resolution.policy && !gone) {
    const said = agentsSay(facts, resolution.policy, kubectl);
    sections.push(['Agents say', said.lines]);
    problems.push(...said.problems);
  }
  if (facts.digest && !gone) {
    const { kind, name } = facts.digest;
    const whose = kind === workload.kind && name === workload.metadata.name ? [] : [`of all pods of ${kind} ${name}`];
    sections.push(['Reports', [...whose, ...reportLines(facts.digest, facts.now)]]);
  }
  if (facts.closed.length > 0) sections.push(['You may not read', facts.closed]);
  const hint = gone ? undefined : next(outcome, facts, kubectl, target);
  return {
    workload: `${kind.kind} ${namespace}/${workload.metadata.name}`,
    sections: sections.map(([title, lines]) => ({ title, lines })),
    problems,
    ...(hint !== undefined && { hint }),
  };
}

/** The workload as if it asked us, where it asks opentelemetry-operator and the chart says that we answer. */
function takenOver({ workload, namespace, namespaceAnnotations }: Facts, installed: Installation | undefined) {
  if (!installed?.takenOver.includes(namespace)) return undefined;
  const path = templatePath(workload) ?? [];
  const pod = takeOver(at(workload, path) as Pod, namespaceAnnotations?.[OTEL_OPERATOR]);
  return pod && put(workload, path, pod);
}

function whoAsks({ asked, pod }: Outcome, { workload, namespace }: Facts): string {
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

function askingProblems(
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
      text: `the annotation of a ${workload.kind} does not count: write it on its pod template, or on what made it`,
      next: askFor(workload, kubectl, target),
    });
  return problems;
}

function policyLine(document: PolicyDocument | undefined, facts: Facts, sure: boolean): string {
  if (!document) return sure ? 'none applies: nothing is recorded' : 'none that you may read applies';
  const { sampling, exporters, propagators } = document.spec;
  const to = exporters.map(({ name, endpoint, protocol }) => `${name} ${endpoint} (${protocol})`).join(', ');
  const missing = sure ? 'nowhere' : "nowhere, unless the chart's default says where";
  const from = !sure && deliveredTo(facts) === document ? ', as the operator delivered it' : '';
  return `${document.source}${from}: ${samplingLine(sampling)}, to ${to || missing}, propagators ${propagators.join(', ')}`;
}

function samplingLine({ ratio, parentBased, rules = [] }: PolicyDocument['spec']['sampling']): string {
  const ruled =
    rules.length > 0 ? `, but for what ${rules.length === 1 ? 'a rule is' : `${rules.length} rules are`} about` : '';
  return `ratio ${ratio}${ruled}${parentBased === false ? ', whatever a caller decided' : ''}`;
}

/** The document that the operator wrote for the pods of the workload: what is in force, whoever asks. */
function deliveredTo({ pods, delivered }: Facts): PolicyDocument | undefined {
  for (const { metadata } of pods) {
    const document = delivered?.get(metadata.annotations?.[POLICY_KEY] ?? '');
    if (document) return document;
  }
  return undefined;
}

function policyProblems(
  facts: Facts,
  { policy, problems }: Outcome['resolution'],
  asked: boolean,
  document: PolicyDocument | undefined,
  sure: boolean,
  kubectl: string,
): Problem[] {
  const found: Problem[] = facts.unreadable.map((text) => ({
    text: `${text}: the operator ignores it`,
    next: `${kubectl} get tracingpolicy -o yaml`,
  }));
  const wrong = policy && overrideProblem(policy, facts.now);
  if (wrong !== undefined)
    found.push({
      text: `the annotation ${OVERRIDE} of ${describePolicy(policy!)} counts for nothing: ${wrong}`,
      next: `${policy!.kind === 'TracingPolicy' ? kubectl : 'kubectl'} annotate ${policy!.kind.toLowerCase()} ${policy!.metadata.name} ${OVERRIDE}-`,
    });
  if (!asked) return found;
  const show = policy
    ? `${kubectl} describe ${policy.kind.toLowerCase()} ${policy.metadata.name}`
    : `${kubectl} get tracingpolicy`;
  for (const text of problems)
    found.push({ text, next: text.startsWith('annotation ') ? `${kubectl} get tracingpolicy` : show });
  if (policy?.spec.enabled === false)
    found.push({
      text: `${describePolicy(policy)} is switched off (enabled: false)`,
      next: policy.metadata.name === SWITCH ? switchedOn(policy) : show,
    });
  else if (document ? document.spec.exporters.length === 0 && sure : sure)
    found.push({
      text: document
        ? `${document.source} has no exporter, and the chart's default has none: spans have nowhere to go`
        : 'no policy applies, so nothing is recorded',
      next: policy
        ? `${kubectl} edit ${policy.kind.toLowerCase()} ${policy.metadata.name}`
        : `${kubectl} apply -f - <<< '${FIRST_POLICY}'`,
    });
  const { generation = 0 } = policy?.metadata ?? {};
  if (policy && (policy.status?.observedGeneration ?? 0) < generation)
    found.push({
      text: `the operator has not looked at the newest ${describePolicy(policy)} yet`,
      next: operatorLogs(facts),
    });
  return found;
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

/** What to do about what a policy's status says of a workload. */
const ACTIONS: Record<WorkloadReason, (kubectl: string, target: string) => string> = {
  Missing: (kubectl, target) => `${kubectl} rollout restart ${target}`,
  Outdated: (kubectl, target) => `${kubectl} describe ${target}`,
  NoAgentReport: (kubectl, target) => `${kubectl} logs ${target} | grep tracing-operator:`,
  ReportsStopped: (kubectl, target) => `${kubectl} logs ${target} | grep tracing-operator:`,
  AgentUnavailable: (kubectl, target) => `${kubectl} rollout restart ${target} # when it is over`,
  AgentFailed: (kubectl, target) => `${kubectl} logs ${target} | grep tracing-operator:`,
  PolicyProblem: (kubectl) => `${kubectl} get tracingpolicy,secret,configmap`,
  ExportFailing: (kubectl, target) => `${kubectl} logs ${target} | grep tracing-operator:`,
  RolledBack: (kubectl, target) => `${kubectl} logs ${target} --previous # then change it, or the policy`,
  RestartUndone: (kubectl, target) => `${kubectl} get ${target} -o yaml --show-managed-fields`,
  RestartHeld: (kubectl, target) => `${kubectl} describe ${target}`,
  Restarting: (kubectl, target) => `${kubectl} rollout status ${target}`,
  NotInstrumented: (kubectl, target) => `${kubectl} describe ${target}`,
};

/** In the order in which one follows from the other. */
const COUNTS = [
  ...(['matched', 'injected', 'reporting', 'current', 'outdated'] as const),
  ...(['missing', 'noAgentReport', 'unknown', 'failed'] as const),
];

function agentsSay(
  { workload, namespace, pods }: Facts,
  policy: NonNullable<Outcome['resolution']['policy']>,
  kubectl: string,
) {
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
  for (const { reason, pods: count, message } of own) {
    const text = `${reason} in ${count} ${count === 1 ? 'pod' : 'pods'}${message ? `: ${message}` : ''}`;
    lines.push(text);
    // Said of the pods themselves already; and what nobody can do anything about is no problem.
    if (!['Missing', 'AgentUnavailable', 'Restarting', 'NotInstrumented'].includes(reason))
      problems.push({
        text: ['RolledBack', 'RestartUndone', 'RestartHeld'].includes(reason) ? text : `agents report ${text}`,
        next: ACTIONS[reason](kubectl, target),
      });
  }
  if (own.length === 0)
    lines.push(
      `its status knows of no trouble with this ${workload.kind}${(status.workloads?.length ?? 0) >= 20 ? ', or it is not among the 20 workloads that are listed' : ''}`,
    );
  if (counted.unknown) lines.push('unknown: not heard from yet, or no more; new pods report within two minutes');
  return { lines, problems };
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
    text: more.length > 0 ? `${first!.text} (and ${more.length} more of its pods)` : first!.text,
    next: first!.next,
  }));
}

function next({ asked }: Outcome, { workload }: Facts, kubectl: string, target: string): string | undefined {
  return asked.asked === false ? `To have it traced: ${askFor(workload, kubectl, target)}` : undefined;
}

/** The annotation of a workload counts only where the webhook copies it to the pod template. */
function askFor({ kind }: Facts['workload'], kubectl: string, target: string): string {
  return WORKLOAD_KINDS.includes(kind) || kind === 'Pod'
    ? annotate(kubectl, target)
    : patchTemplate(kubectl, target, kind);
}
