import { X509Certificate } from 'node:crypto';
import { WORKLOAD_REASONS } from '../../crds/tracing-policy.ts';
import type { PolicyStatus, WorkloadReason } from '../../crds/tracing-policy.ts';
import type { InjectionStatus } from '../../injector/decision.ts';
import { isAsked } from '../../injector/inject.ts';
import * as names from '../../injector/names.ts';
import { owner } from '../../injector/resource.ts';
import { describePolicy, resolver } from '../../injector/resolve.ts';
import type { Policy, Resolution } from '../../injector/resolve.ts';
import type { Digest } from '../digest/digest.ts';
import type { Trouble, WorkloadStanding } from '../page/state.ts';
import { isOwnWish, whyNotReached } from '../reach.ts';
import type { PodMeta, StatusFacts } from './facts.ts';
import { isUninstalled, REMOVE_DEFINITIONS } from './installed.ts';

export interface WorkloadRow extends WorkloadStanding {
  namespace: string;
}

export interface NamespaceRow {
  namespace: string;
  workloads: number;
  pods: number;
  traced: number;
  reporting: number;
  /** Workloads that are not as they should be. */
  troubled: number;
}

export interface PolicyRow {
  policy: string;
  matched: number;
  current: number;
  /** Reason of the condition `Degraded`, or of `Ready` where that does not hold; `Unknown` while nothing is said. */
  health: string;
  /** What it says otherwise for some workloads, for a while; absent where nothing. */
  overridden?: string;
  troubles: Trouble[];
}

export interface OperatorState {
  /** Undefined where it cannot be seen, or is not installed. */
  namespace?: string;
  name?: string;
  version?: string;
  readyReplicas?: number;
  replicas?: number;
  leader?: string;
  /** ISO 8601: until when the API server can know the webhook. */
  authorityUntil?: string;
  troubles: Trouble[];
}

/** What `kubectl tracing status` says; `-o json` and `-o yaml` write it as it is. */
export interface Overview {
  operator: OperatorState;
  namespaces: NamespaceRow[];
  /** What has to do with tracing; those in trouble first. */
  workloads: WorkloadRow[];
  policies: PolicyRow[];
  /** What could not be read, and what that leaves open. */
  notReadable: string[];
}

/** Why a pod was left alone at admission, where that is meant so. */
const MEANT = ['NotAsked', 'OptedOut', 'AlreadyInjected'];
/** For information: nobody need do anything. */
const REMARK = 'NotInstrumented';
/** A Lease is renewed every two seconds and taken over after 15, both in milliseconds. */
const LEASE = 15_000;
/** An authority lasts ten years, and is renewed long before its end. */
const SOON = 30 * 24 * 3_600_000;

/** Puts together what the facts say, trouble first. Pure. */
export function overview(facts: StatusFacts): Overview {
  const workloads = workloadRows(facts).sort(
    (a, b) => b.troubles.length - a.troubles.length || compare(a.namespace, b.namespace) || compare(a.name, b.name),
  );
  const gone = isUninstalled(facts);
  const policies = [...(facts.cluster ?? []), ...(facts.namespaced ?? [])].map((policy) =>
    // What an operator that is not there any more has said holds no longer.
    policyRow(gone ? { ...policy, status: {} } : policy, facts.namespace),
  );
  for (const text of facts.unreadable) {
    const policy = text.slice(0, text.indexOf(':'));
    policies.push({
      policy,
      matched: 0,
      current: 0,
      health: 'Unreadable',
      troubles: [{ reason: 'Unreadable', message: text }],
    });
  }
  return {
    operator: gone ? uninstalled(policies.length, workloads) : operatorState(facts),
    namespaces: namespaceRows(workloads),
    workloads,
    policies: policies.sort((a, b) => b.troubles.length - a.troubles.length || compare(a.policy, b.policy)),
    notReadable: facts.closed,
  };
}

/** How many things are not as they should be. */
export function countTroubles({ operator, workloads, policies }: Overview): number {
  const parts = [operator, ...workloads, ...policies];
  return parts.filter(({ troubles }) => troubles.length > 0).length;
}

/** Of the pods of a workload. */
interface Seen {
  /** That no policy wants them traced. */
  off: boolean;
  /** What those with the agent were told. */
  under: Set<string>;
  unready?: string;
  isUnderNone: boolean;
  /** That any asks for tracing: what runs on after that was taken back lacks nothing. */
  asks: boolean;
}

function workloadRows(facts: StatusFacts): WorkloadRow[] {
  const gone = isUninstalled(facts);
  const rows = new Map<string, WorkloadRow>();
  const rowOf = (namespace: string, kind: string, name: string): WorkloadRow => {
    const id = `${namespace} ${kind}/${name}`;
    let row = rows.get(id);
    if (!row) {
      row = { namespace, kind, name, pods: 0, traced: 0, reporting: 0, policy: '', state: '', troubles: [] };
      rows.set(id, row);
    }
    return row;
  };
  const seen = new Map<WorkloadRow, Seen>();
  const resolvers = new Map<string, ReturnType<typeof resolver>>();
  for (const pod of facts.pods ?? []) {
    const { namespace, deletionTimestamp, labels, annotations = {} } = pod.metadata;
    if (deletionTimestamp) continue;
    let resolve = resolvers.get(namespace);
    if (!resolve) {
      const { namespaced = [], cluster = [] } = facts;
      const namespaceLabels = facts.namespaceLabels.get(namespace) ?? {};
      resolve = resolver({ namespaced, cluster, defaults: {}, now: facts.now }, { namespace, namespaceLabels });
      resolvers.set(namespace, resolve);
    }
    const resolution = resolve(pod.metadata);
    const injected = labels?.[names.INJECTED_LABEL] === 'true';
    const asked = isAsked(annotations, facts.namespaceLabels.get(namespace) ?? {}, resolution);
    const left = leftAlone(annotations);
    const vain = injected ? undefined : gone ? nobodyThere : notReached(facts, namespace);
    // What a policy of the cluster asks for in general, nobody waits for where the chart says no.
    const isWanted = asked.asked === true && (!vain || isOwnWish(asked.by, resolution.policy));
    if (!injected && !isWanted && left === undefined) continue;
    const { kind, name } = owner(pod) ?? { kind: 'Pod', name: pod.metadata.name };
    const row = rowOf(namespace, kind, name);
    const known = seen.get(row) ?? { off: true, under: new Set<string>(), isUnderNone: true, asks: false };
    seen.set(row, known);
    row.pods++;
    if (isWanted) known.asks = true;
    if (injected) {
      row.traced++;
      known.under.add(policyOf(pod, resolution));
      if (resolution.policy) known.isUnderNone = false;
      if (resolution.policy?.spec.enabled !== false) known.off = false;
      const ready = resolution.policy?.status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.status === 'False' && !gone) known.unready = ready.reason;
    } else addTrouble(row, left ?? vain ?? missing);
  }
  for (const policy of gone ? [] : [...(facts.cluster ?? []), ...(facts.namespaced ?? [])])
    for (const { namespace, kind, name, reason, message = '' } of policy.status?.workloads ?? [])
      if (reason !== REMARK && (facts.namespace ?? namespace) === namespace && isStill(namespace, kind, name, reason))
        addTrouble(rowOf(namespace, kind, name), { reason, message });
  for (const [namespace, digests] of facts.digests)
    for (const digest of digests) {
      const row = rows.get(`${namespace} ${digest.kind}/${digest.name}`);
      if (!row) continue;
      row.reporting = Math.min(digest.facts.pods, row.traced);
      for (const trouble of troublesOf(digest)) addTrouble(row, trouble);
    }
  for (const row of rows.values()) {
    const { off, under, unready, isUnderNone, asks } = seen.get(row) ?? { off: false, under: new Set<string>() };
    row.policy = [...under].sort(compare).join(', ') || 'none';
    if (isUnderNone && asks && row.traced > 0 && row.policy === 'none' && !gone) addTrouble(row, noPolicy);
    row.troubles.sort((a, b) => rank(a.reason) - rank(b.reason));
    row.state =
      row.troubles[0]?.reason ?? unready ?? (row.policy === 'none' ? 'NoPolicy' : off ? 'SwitchedOff' : 'Traced');
  }
  return [...rows.values()];

  /** What a status says of pods holds for as long as there are any: one that nobody writes any more is from before. */
  function isStill(namespace: string, kind: string, name: string, reason: WorkloadReason): boolean {
    return facts.pods === undefined || rows.has(`${namespace} ${kind}/${name}`) || OF_WORKLOADS.includes(reason);
  }
}

/** What the operator says of a workload itself. */
const OF_WORKLOADS: WorkloadReason[] = ['RolledBack', 'RestartUndone', 'RestartHeld', 'Restarting'];

const noPolicy: Trouble = {
  reason: 'NoPolicy',
  message: 'asks for tracing, and no policy applies to it: nothing is recorded until one does',
};

const missing: Trouble = {
  reason: 'Missing',
  message: 'started without the agent: before tracing was asked for, or while the operator was away; restart it',
};

const nobodyThere: Trouble = {
  reason: 'NotInstalled',
  message: 'asks for tracing, and there is no operator that would give its pods the agent',
};

/** What an agent says itself: the policy's status names only the first 20 workloads. */
function troublesOf({ facts: { failures, problems, troubles } }: Digest): Trouble[] {
  return [
    ...failures.slice(0, 1).map((message) => ({ reason: 'AgentFailed', message })),
    ...problems.slice(0, 1).map((message) => ({ reason: 'PolicyProblem', message })),
    ...troubles.slice(0, 1).map((message) => ({ reason: 'ExportFailing', message })),
  ];
}

function addTrouble(row: WorkloadRow, trouble: Trouble): void {
  if (!row.troubles.some(({ reason }) => reason === trouble.reason)) row.troubles.push(trouble);
}

function rank(reason: string): number {
  const place = (WORKLOAD_REASONS as readonly string[]).indexOf(reason);
  return place < 0 ? WORKLOAD_REASONS.length : place;
}

function leftAlone(annotations: Record<string, string>): Trouble | undefined {
  try {
    const { reason } = JSON.parse(annotations[names.STATUS] ?? '{}') as InjectionStatus;
    if (reason === undefined || MEANT.includes(reason)) return undefined;
    return { reason, message: `left alone when it was created: docs/reference/decisions.md says why` };
  } catch {
    return undefined;
  }
}

function notReached({ installation }: StatusFacts, namespace: string): Trouble | undefined {
  const installed = typeof installation === 'object' ? installation : undefined;
  const found = whyNotReached(namespace, installed?.reach, installed);
  return found && { reason: 'NotReached', message: `${found.why}. Next: ${found.next}` };
}

/** What a pod was told, in the words of the policy that it came from. */
function policyOf({ metadata }: PodMeta, { policy }: Resolution): string {
  const key = metadata.annotations?.[names.POLICY_KEY] ?? names.NO_POLICY;
  if (key === 'chart-default.json') return 'chart default';
  // Which policy it is that says something else for a while, its key does not tell.
  if (key.startsWith('override.') && policy) return describePolicy(policy);
  const name = key.replace(/^(cluster-)?policy\./, '').replace(/\.json$/, '');
  if (policy?.metadata.name === name) return describePolicy(policy);
  if (key.startsWith('cluster-policy.')) return `ClusterTracingPolicy ${name}`;
  return key === names.NO_POLICY ? 'none' : `TracingPolicy ${metadata.namespace}/${name}`;
}

function namespaceRows(workloads: readonly WorkloadRow[]): NamespaceRow[] {
  const rows = new Map<string, NamespaceRow>();
  for (const { namespace, pods, traced, reporting, troubles } of workloads) {
    const row = rows.get(namespace) ?? { namespace, workloads: 0, pods: 0, traced: 0, reporting: 0, troubled: 0 };
    rows.set(namespace, row);
    row.workloads++;
    row.pods += pods;
    row.traced += traced;
    row.reporting += reporting;
    if (troubles.length > 0) row.troubled++;
  }
  return [...rows.values()].sort((a, b) => b.troubled - a.troubled || compare(a.namespace, b.namespace));
}

/** @param namespace that is looked at; undefined: all. */
function policyRow(policy: Policy, namespace: string | undefined): PolicyRow {
  const { pods, conditions = [] } = policy.status ?? {};
  const troubles: Trouble[] = [];
  const of = (type: string) => conditions.find((each) => each.type === type);
  const [ready, degraded, halted, overridden] = ['Ready', 'Degraded', 'CanaryHalted', 'Overridden'].map(of);
  if (ready?.status === 'False') troubles.push(told(ready));
  // What a cluster policy's pods suffer from may be in another namespace: those of this one are among the workloads.
  const own = namespace === undefined || policy.kind === 'TracingPolicy';
  if (own && degraded?.status === 'True') troubles.push(told(degraded));
  if (halted?.status === 'True') troubles.push(told(halted));
  if (overridden?.status === 'False') troubles.push(told(overridden));
  return {
    policy: describePolicy(policy),
    matched: pods?.matched ?? 0,
    current: pods?.current ?? 0,
    health:
      troubles[0]?.reason ??
      (ready?.reason === 'SwitchedOff' ? ready.reason : degraded?.reason) ??
      // The operator writes it within seconds.
      'Unknown',
    ...(overridden?.status === 'True' && { overridden: overridden.message }),
    troubles,
  };
}

function told({ reason, message }: NonNullable<PolicyStatus['conditions']>[number]): Trouble {
  return { reason, message };
}

/** What to do about an operator that is not there, and about what it has left. */
function uninstalled(policies: number, workloads: readonly WorkloadRow[]): OperatorState {
  const sum = (count: (row: WorkloadRow) => number) => workloads.reduce((total, row) => total + count(row), 0);
  const [traced, asking] = [sum((row) => row.traced), sum((row) => row.pods - row.traced)];
  const left = [
    ...(policies > 0
      ? [`${count(policies, 'policy', 'policies')}, removed with their definitions by ${REMOVE_DEFINITIONS}`]
      : []),
    ...(traced > 0
      ? [
          `${count(traced, 'pod')} with the agent, which ${traced === 1 ? 'runs' : 'run'} on under the last policy that was told`,
        ]
      : []),
    ...(asking > 0 ? [`${count(asking, 'pod')} without it that ${asking === 1 ? 'asks' : 'ask'} for it`] : []),
  ];
  const how =
    traced + asking > 0
      ? '. For each workload kubectl tracing explain has the command that rids it of the agent and of what asks for it'
      : '';
  const message = `no pod gets the agent, and no policy is delivered. Is it installed? helm list -A${left.length > 0 ? `. Left over: ${left.join('; ')}${how}` : ''}`;
  return { troubles: [{ reason: 'NotInstalled', message }] };
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

function operatorState({ installation, leader, now }: StatusFacts): OperatorState {
  if (typeof installation !== 'object') return { troubles: [] };
  const { namespace, name, version, readyReplicas, replicas, authority } = installation;
  const troubles: Trouble[] = [];
  if (readyReplicas === 0)
    troubles.push({
      reason: 'NotReady',
      message: `no replica is ready: new pods are not injected, policies do not change, and what is said here of agents and policies is from before. ${replicas === 0 ? `kubectl -n ${namespace} scale deployment/${name} --replicas=2` : `kubectl -n ${namespace} describe pods -l app.kubernetes.io/name=tracing-operator`}`,
    });
  if (leader && now - leader.renewedAt > LEASE)
    troubles.push({
      reason: 'NoLeader',
      message: `nobody has led for ${Math.round((now - leader.renewedAt) / 1000)} s: policies do not reach pods, and status is old. kubectl -n ${namespace} logs deployment/${name}`,
    });
  const until = authority === undefined ? undefined : endOf(authority);
  if (until === undefined)
    troubles.push({
      reason: 'NoAuthority',
      message: 'the API server cannot know the webhook: its caBundle has no certificate, so no new pod is injected',
    });
  else if (until - now < SOON)
    troubles.push({
      reason: until < now ? 'AuthorityEnded' : 'AuthorityEnds',
      message: `the webhook's authority ${until < now ? 'ended' : 'ends'} on ${dayOf(until)}: after that no new pod is injected. kubectl -n ${namespace} logs deployment/${name}`,
    });
  return {
    namespace,
    name,
    ...(version !== undefined && { version }),
    ...(readyReplicas !== undefined && { readyReplicas, replicas }),
    // A Lease names its last holder until the next one takes it.
    ...(leader && !leader.isGone && now - leader.renewedAt <= LEASE && { leader: leader.name }),
    ...(until !== undefined && { authorityUntil: new Date(until).toISOString() }),
    troubles,
  };
}

/** The last end of the certificates of a PEM text, milliseconds since 1970: while one is good the webhook is known. */
function endOf(pem: string): number | undefined {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    const ends = certificates.map((text) => Date.parse(new X509Certificate(text).validTo));
    return ends.length > 0 ? Math.max(...ends) : undefined;
  } catch {
    return undefined;
  }
}

function dayOf(millis: number): string {
  return new Date(millis).toISOString().slice(0, 10);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
