import type { IntegrationState, SystemName } from '../../crds/integration.ts';
import type { PolicyStatus, WorkloadReason } from '../../crds/tracing-policy.ts';
import { WORKLOAD_MESSAGE } from '../../crds/tracing-policy.ts';
import { describeFile, documentFiles } from '../../injector/credentials.ts';
import { whyLeftAlone } from '../../injector/decision.ts';
import { isAsked } from '../../injector/inject.ts';
import { STATUS } from '../../injector/names.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { owner } from '../../injector/resource.ts';
import type { Canary, Policies, Policy, Resolution } from '../../injector/resolve.ts';
import { describePolicy, policyMark, resolver, selectsNamespace, whyBefore } from '../../injector/resolve.ts';
import { startFailure } from '../breaker/agent-start.ts';
import { created } from '../breaker/outage.ts';
import type { Evidence } from '../canary/evidence.ts';
import { evidence } from '../canary/evidence.ts';
import type { Outcome } from '../integration/controller.ts';
import { isLive } from '../policy/cluster-view.ts';
import type { NamespaceMeta, PodMeta } from '../policy/cluster-view.ts';
import { isOwnWish } from '../reach.ts';
import type { KeptReport } from '../reports/report.ts';
import { REPORT_INTERVAL } from '../reports/report.ts';
import type { Phase, Restart } from '../rollout/restart.ts';
import { PATIENCE } from './behind.ts';
import { complaintsOf } from './complaints.ts';

export type PodCounts = Record<keyof NonNullable<PolicyStatus['pods']>, number>;
export type ProblemWorkload = NonNullable<PolicyStatus['workloads']>[number];

/** What there is to say about one policy in one namespace. */
export interface Summary {
  pods: PodCounts;
  workloads: ProblemWorkload[];
  /** Other policies that match pods of this one, or by which this one is beaten: `winner over loser (why)`. */
  overlaps: string[];
  /** What was wrong when it was resolved, such as exporters left out; and what agents say they cannot do. */
  problems: string[];
  /** Why spans of its pods are lost, as agents say. */
  troubles: string[];
  /** Why its pods do not get their agent: `namespace shop: ImagePullBackOff: …`. */
  outages: string[];
  /** Namespaces whose pods are never looked at, though somebody of them asks for it: why, and what to do. */
  unreached: string[];
  /** Of the pods that are missing, those that would be again if they were restarted now, or of which the operator takes care. */
  unavailable: number;
  /** Workloads that a restart would help, of a policy that has them restarted: by kind and name, each once. */
  stale: StaleWorkload[];
  /** How it stands with meshes and gateways of a namespace. */
  integrations: NamespaceIntegration[];
  /** Whether a namespace has not been looked at for that. */
  isPending: boolean;
  /** Of a policy with a new agent beside the other. */
  canary?: Evidence;
}

export interface StaleWorkload {
  namespace: string;
  kind: string;
  name: string;
}

export interface NamespaceIntegration {
  name: SystemName;
  namespace: string;
  state: IntegrationState;
  message: string;
}

export interface NamespaceFacts {
  namespace: NamespaceMeta;
  policies: Policies;
  injected: PodMeta[];
  others: PodMeta[];
  /** The reports of a pod's processes, by its UID. */
  reports: (podUid: string) => KeptReport[];
  /** Why pods of the namespace that resolve to this agent do not get it now. */
  whyNoAgent: (agent: Resolution['agent']) => string | undefined;
  /** Why pods of the namespace are never looked at, and what to do; undefined where they are. */
  notReached: string | undefined;
  /** As the annotation `tracing.acme/agent` calls it. */
  agentName: (agent: Resolution['agent']) => string;
  /** What became of meshes and gateways there, and by which policy; undefined while nobody has looked. */
  integrations: Outcome[] | undefined;
  /** Workloads of the namespace that the operator restarts or has restarted. */
  restarts: readonly Restart[];
  /** For how many milliseconds a pod, by its UID, has not acted on this key and revision. */
  behindFor: (podUid: string, mark: string) => number;
  /** How often in a row an agent of that name has kept pods of the namespace from starting, of late. */
  failedStarts: (agent: string) => number;
  /** Milliseconds since 1970. */
  now: number;
  /** When this operator began to hear reports: silence before says nothing. */
  listeningSince: number;
}

/** For so long a report is taken for the present state: two may go missing. */
const LATELY = 2.5 * REPORT_INTERVAL * 1000;

/** Sums up a namespace by policy; the key is what describePolicy() says. */
export function summarize(facts: NamespaceFacts): Map<string, Summary> {
  const summaries = new Map<string, Summary>();
  const of = (policy: Policy): Summary => ofId(describePolicy(policy));
  const ofId = (id: string): Summary => {
    let summary = summaries.get(id);
    if (!summary) summaries.set(id, (summary = emptySummary()));
    return summary;
  };
  const namespaceLabels = facts.namespace.metadata.labels ?? {};
  const resolve = resolver(facts.policies, { namespace: facts.namespace.metadata.name, namespaceLabels });
  const pods = [
    ...facts.injected.map((pod) => ({ pod, injected: true })),
    ...facts.others.map((pod) => ({ pod, injected: false })),
  ];
  const canaries = new Map<string, { canary: Canary; other: Resolution['agent']; pods: PodMeta[] }>();
  for (const { pod, injected } of pods) {
    if (!isLive(pod)) continue;
    const { annotations } = pod.metadata;
    const resolution = resolve(pod.metadata);
    if (injected && resolution.canary) {
      const { canary, agent: other } = resolution;
      const id = describePolicy(canary.policy);
      const known = canaries.get(id) ?? { canary, other, pods: [] };
      canaries.set(id, known);
      known.pods.push(pod);
    }
    if (!resolution.policy) continue;
    const { asked, by } = isAsked(annotations, namespaceLabels, resolution);
    if (!injected && asked !== true) continue;
    if (!injected && facts.notReached !== undefined) {
      if (isOwnWish(by, resolution.policy)) addOnce(of(resolution.policy).unreached, facts.notReached);
      continue;
    }

    const [winner, ...beaten] = resolution.candidates;
    const summary = of(resolution.policy);
    for (const problem of resolution.problems) addOnce(summary.problems, problem);
    for (const other of beaten) {
      const text = `${describePolicy(winner!.policy)} over ${describePolicy(other.policy)} ${whyBefore(winner!, other)}`;
      for (const side of [summary, of(other.policy)]) addOnce(side.overlaps, text);
    }

    summary.pods.matched++;
    const reports = injected ? facts.reports(pod.metadata.uid) : [];
    const outage = facts.whyNoAgent(resolution.agent);
    if (outage !== undefined) addOnce(summary.outages, `namespace ${pod.metadata.namespace}: ${outage}`);
    if (outage !== undefined && !injected) summary.unavailable++;
    const state = injected ? stateOf(pod, resolution.document, reports, outage, facts) : missing(outage);
    if (state.needsRestart === true) followRestart(summary, pod, resolution.policy, state, facts.restarts);
    summary.pods[state.count]++;
    if (injected && state.count !== 'noAgentReport') summary.pods.injected++;
    if (state.count === 'current' || state.count === 'outdated') summary.pods.reporting++;
    if (state.reason) addWorkload(summary.workloads, pod, state.reason, state.message ?? '');

    const { problems, troubles, libraries } = complaintsOf(lately(reports, facts.now));
    for (const problem of problems) addOnce(summary.problems, problem);
    for (const trouble of troubles) addOnce(summary.troubles, trouble);
    if (problems.length > 0) addWorkload(summary.workloads, pod, 'PolicyProblem', problems.join('; '));
    if (troubles.length > 0) addWorkload(summary.workloads, pod, 'ExportFailing', troubles.join('; '));
    if (libraries.length > 0)
      addWorkload(summary.workloads, pod, 'NotInstrumented', `no spans of ${libraries.join(', ')}`);
  }
  if (!facts.integrations) for (const policy of here(facts.policies, facts.namespace)) of(policy).isPending = true;
  for (const { policy, ...integration } of facts.integrations ?? []) {
    ofId(policy).integrations.push({ ...integration, namespace: facts.namespace.metadata.name });
  }
  for (const { canary, other, pods } of canaries.values())
    of(canary.policy).canary = evidence({
      namespace: facts.namespace.metadata.name,
      pods,
      canary: facts.agentName(canary.agent),
      other: facts.agentName(other),
      failedStarts: facts.failedStarts,
      now: facts.now,
    });
  return summaries;
}

interface State {
  count: 'current' | 'outdated' | 'noAgentReport' | 'unknown' | 'failed' | 'missing';
  reason?: WorkloadReason;
  message?: string;
  /** It stays so until the pod is made anew. */
  needsRestart?: boolean;
}

/** Where a policy has pods restarted: notes what is to be, and says how that stands instead of what is wrong. */
function followRestart(
  summary: Summary,
  pod: PodMeta,
  { spec }: Policy,
  state: State,
  restarts: readonly Restart[],
): void {
  const { kind, name } = owner(pod) ?? { kind: 'Pod', name: pod.metadata.name };
  const restart = restarts.find((each) => each.kind === kind && each.name === name);
  if (restart) {
    [state.reason, state.message] = [REASONS[restart.phase], restart.message];
    if (state.count === 'missing') summary.unavailable++;
  }
  if (
    spec.rollout?.strategy !== 'Restart' ||
    spec.enabled === false ||
    whyLeftAlone(pod.metadata.annotations?.[STATUS]) !== undefined
  )
    return;
  const { namespace } = pod.metadata;
  if (!summary.stale.some((each) => each.kind === kind && each.name === name))
    summary.stale.push({ namespace, kind, name });
}

const REASONS: Record<Phase, WorkloadReason> = {
  Restarting: 'Restarting',
  CrashLooping: 'Restarting',
  RolledBack: 'RolledBack',
  Undone: 'RestartUndone',
  NoHelp: 'RestartHeld',
};

function missing(outage: string | undefined): State {
  const reason = outage === undefined ? 'Missing' : 'AgentUnavailable';
  const message =
    outage ??
    'started without the agent: restart it, e.g. kubectl rollout restart; where that does not help, kubectl tracing explain says why';
  return { count: 'missing', reason, message, needsRestart: outage === undefined };
}

function stateOf(
  pod: PodMeta,
  document: PolicyDocument | undefined,
  all: KeptReport[],
  outage: string | undefined,
  { now, listeningSince, behindFor }: NamespaceFacts,
): State {
  const failed = pod.start && startFailure(pod.start, created(pod), now, false);
  // In the words of the outage where there is one: the kubelet changes its own with each try.
  if (failed && !('due' in failed))
    return { count: 'failed', reason: 'AgentUnavailable', message: `hangs by its agent: ${outage ?? failed.message}` };
  const fresh = lately(all, now);
  const wanted = policyMark(document);
  const failure = fresh.find((report) => report.failure !== undefined)?.failure;
  if (failure !== undefined) return { count: 'failed', reason: 'AgentFailed', message: failure };
  if (fresh.length > 0) {
    const behind = fresh.find(({ key, revision }) => key !== wanted.key || revision !== wanted.revision);
    if (!behind) {
      // It knows of the change, and cannot follow it: volumes of a pod are what they were when it was made.
      const absent = documentFiles(document).filter((path) => !pod.credentials?.includes(path));
      if (absent.length === 0) return { count: 'current' };
      const message = `older than the policy's use of ${absent.map(describeFile).join(', ')}: restart it, e.g. kubectl rollout restart`;
      return { count: 'outdated', reason: 'Outdated', message, needsRestart: true };
    }
    // Most follow within seconds: what is only on its way is nobody's trouble.
    const mark = `${wanted.key} ${wanted.revision}`;
    if (behindFor(pod.metadata.uid, mark) < PATIENCE) return { count: 'outdated' };
    const message = `a process acts on ${behind.key} ${behind.revision}, not on ${mark}`;
    return { count: 'outdated', reason: 'Outdated', message };
  }
  if (all.length > 0) return { count: 'unknown', reason: 'ReportsStopped', message: 'no report for some minutes' };
  // Silence means something only where there was time to speak, for the pod and to us.
  const since = Math.max(listeningSince, Date.parse(pod.metadata.creationTimestamp));
  if (now - since < LATELY) return { count: 'unknown' };
  return { count: 'noAgentReport', reason: 'NoAgentReport', message: 'no Node.js process has ever reported' };
}

function lately(reports: KeptReport[], now: number): KeptReport[] {
  return reports.filter(({ receivedAt }) => now - receivedAt < LATELY);
}

function addWorkload(workloads: ProblemWorkload[], pod: PodMeta, reason: WorkloadReason, message: string): void {
  const { kind, name } = owner(pod) ?? { kind: 'Pod', name: pod.metadata.name };
  const { namespace } = pod.metadata;
  const known = workloads.find((each) => each.kind === kind && each.name === name && each.reason === reason);
  if (known) known.pods++;
  else workloads.push({ namespace, kind, name, reason, pods: 1, message: cut(message) });
}

/** The API server takes no longer ones. */
function cut(message: string): string {
  return message.length > WORKLOAD_MESSAGE ? `${message.slice(0, WORKLOAD_MESSAGE - 1)}…` : message;
}

export function emptySummary(): Summary {
  const pods = {
    ...{ matched: 0, injected: 0, reporting: 0, current: 0, outdated: 0 },
    ...{ missing: 0, noAgentReport: 0, unknown: 0, failed: 0 },
  };
  return {
    pods,
    workloads: [],
    overlaps: [],
    problems: [],
    troubles: [],
    outages: [],
    unreached: [],
    unavailable: 0,
    stale: [],
    integrations: [],
    isPending: false,
  };
}

/** One summary of several namespaces. */
export function add(total: Summary, part: Summary): void {
  for (const key of Object.keys(total.pods) as (keyof PodCounts)[]) total.pods[key] += part.pods[key];
  total.workloads.push(...part.workloads);
  for (const text of part.overlaps) addOnce(total.overlaps, text);
  for (const text of part.problems) addOnce(total.problems, text);
  for (const text of part.troubles) addOnce(total.troubles, text);
  for (const text of part.outages) addOnce(total.outages, text);
  for (const text of part.unreached) addOnce(total.unreached, text);
  total.unavailable += part.unavailable;
  total.stale.push(...part.stale);
  total.integrations.push(...part.integrations);
  total.isPending ||= part.isPending;
}

/** Policies that may apply in a namespace. */
function here({ namespaced, cluster }: Policies, { metadata }: NamespaceMeta): Policy[] {
  return [
    ...namespaced.filter((policy) => policy.metadata.namespace === metadata.name),
    ...cluster.filter((policy) => selectsNamespace(policy, metadata.labels)),
  ];
}

function addOnce(list: string[], text: string): void {
  if (list.length < 20 && !list.includes(text)) list.push(text);
}
