import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { PolicyStatus } from '../../crds/tracing-policy.ts';
import { GROUP, VERSION } from '../../crds/tracing-policy.ts';
import { CANARY_HALTED, canaryAgent, HALT_ON_RESTARTS, isCanaryHalted } from '../../injector/canary.ts';
import type { InjectOptions } from '../../injector/inject.ts';
import { agentImage, agentName } from '../../injector/inject.ts';
import { describePolicy } from '../../injector/resolve.ts';
import type { DefaultPolicy, Policy, Resolution } from '../../injector/resolve.ts';
import { openOutage } from '../breaker/outage.ts';
import type { Evidence } from '../canary/evidence.ts';
import { together } from '../canary/evidence.ts';
import type { EventReason, EventRecorder } from '../events/recorder.ts';
import type { Outcome } from '../integration/controller.ts';
import type { Integration } from '../integration/standing.ts';
import { failedIntegrations, integrationsOf } from '../integration/standing.ts';
import { ApiError, APPLY } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import { policyPath } from '../policy/policy-path.ts';
import type { Reach, Release } from '../reach.ts';
import { whyNotReached } from '../reach.ts';
import type { KeptReport } from '../reports/report.ts';
import type { Hold } from '../rollout/controller.ts';
import type { Progress } from '../rollout/progress.ts';
import { progress } from '../rollout/progress.ts';
import { BehindPods } from './behind.ts';
import { overridden } from './overridden.ts';
import { ready } from './ready.ts';
import type { PodCounts, ProblemWorkload, StaleWorkload, Summary } from './summary.ts';
import { add, emptySummary, summarize } from './summary.ts';

const FIELD_MANAGER = 'tracing-operator-status';
const WORKLOADS_SHOWN = 20;

/** What is worth an event, by the reason of a condition. */
const EVENTS: Record<string, { type: 'Normal' | 'Warning'; reason: EventReason }> = {
  SwitchedOff: { type: 'Normal', reason: 'TracingSwitchedOff' },
  NoExporter: { type: 'Warning', reason: 'PolicyProblem' },
  NotReached: { type: 'Warning', reason: 'PolicyProblem' },
  PolicyProblem: { type: 'Warning', reason: 'PolicyProblem' },
  OtherPoliciesMatch: { type: 'Normal', reason: 'PolicyOverlaps' },
  AgentUnavailable: { type: 'Warning', reason: 'AgentUnavailable' },
  PodsMissing: { type: 'Warning', reason: 'RestartNeeded' },
  AgentFailed: { type: 'Warning', reason: 'AgentFailed' },
  ExportFailing: { type: 'Warning', reason: 'ExportFailing' },
  IntegrationFailed: { type: 'Warning', reason: 'IntegrationFailed' },
  RolledBack: { type: 'Warning', reason: 'RolledBack' },
  RestartsNotAllowed: { type: 'Warning', reason: 'PolicyProblem' },
  RestartsRose: { type: 'Warning', reason: 'CanaryHalted' },
  Temporary: { type: 'Normal', reason: 'Overridden' },
  InvalidAnnotation: { type: 'Warning', reason: 'PolicyProblem' },
};

/** What is no news of a policy that is new. */
const QUIET = new Set<Integration['state']>(['NotInForce', 'NotUsed', 'NotAllowed', 'NotInstalled', 'Disabled']);

type Condition = NonNullable<PolicyStatus['conditions']>[number];

export interface StatusOptions {
  defaults: DefaultPolicy;
  logger: Logger;
  /** Milliseconds since 1970. */
  now: () => number;
  /** The reports of a pod's processes, by its UID. */
  reports: (podUid: string) => KeptReport[];
  listeningSince: number;
  /** What became of meshes and gateways of a namespace; undefined while it has not been looked at. */
  integrations: (namespace: string) => Outcome[] | undefined;
  /** The chart's agent. */
  agent: Pick<InjectOptions, 'agentImage' | 'agentImagePullPolicy'>;
  events: Pick<EventRecorder, 'record'>;
  /** Which namespaces' pods are looked at, and by whom. */
  reach: Reach;
  release: Release;
  /** Of a policy: what keeps workloads from being restarted. Undefined: the chart does not let us restart any. */
  holds: (id: string) => Hold[] | undefined;
  /** Asks for a policy's status to be written, by what describePolicy() says. */
  onPolicy: (id: string) => void;
}

/**
 * Says in each policy's status what became of it. Works in two steps, so that one pod costs little: a namespace is summed
 * up when something in it changes, and a policy's status is the sum over namespaces.
 */
export class StatusController {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #options: StatusOptions;
  readonly #summaries = new Map<string, Map<string, Summary>>();
  /** By namespace. */
  readonly #behind = new Map<string, BehindPods>();

  constructor(client: KubeClient, view: ClusterView, options: StatusOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  /** Sums up a namespace, and asks for the status of each policy for which that made a difference. */
  summarizeNamespace(name: string): void {
    const namespace = this.#view.namespace(name);
    const before = this.#summaries.get(name);
    const notReached = whyNotReached(name, this.#options.reach, this.#options.release);
    const now = this.#options.now();
    const behind = this.#behind.get(name) ?? new BehindPods();
    behind.next();
    if (namespace) this.#behind.set(name, behind);
    else this.#behind.delete(name);
    const after = namespace
      ? summarize({
          namespace,
          policies: this.#view.policies(name),
          injected: this.#view.injectedPods(name),
          others: this.#view.otherPods(name),
          reports: this.#options.reports,
          whyNoAgent: (agent) => {
            const outage = openOutage(this.#view.outages(name), this.#agentName(agent));
            return outage && `${outage.reason}: ${outage.message}`;
          },
          notReached: notReached && `${notReached.why}. Next: ${notReached.next}`,
          agentName: (agent) => this.#agentName(agent),
          integrations: this.#options.integrations(name),
          restarts: this.#view.restarts(name),
          failedStarts: (agent) => openOutage(this.#view.outages(name), agent)?.failures ?? 0,
          behindFor: (podUid, mark) => behind.for(podUid, mark, now),
          now,
          listeningSince: this.#options.listeningSince,
        })
      : new Map<string, Summary>();
    if (after.size > 0) this.#summaries.set(name, after);
    else this.#summaries.delete(name);
    for (const id of new Set([...(before?.keys() ?? []), ...after.keys()]))
      if (!isDeepStrictEqual(before?.get(id), after.get(id))) this.#options.onPolicy(id);
  }

  /** Workloads that a restart would help, of a policy that has them restarted. */
  stale(id: string): StaleWorkload[] {
    return [...this.#summaries.values()].flatMap((summaries) => summaries.get(id)?.stale ?? []);
  }

  /** How many pods are in which state, by namespace: what their policies' statuses are the sums of. */
  *podCounts(): Iterable<{ namespace: string; pods: PodCounts }> {
    for (const [namespace, summaries] of this.#summaries) {
      const total = emptySummary();
      for (const part of summaries.values()) add(total, part);
      yield { namespace, pods: total.pods };
    }
  }

  #agentName(agent: Resolution['agent']): string {
    return agentName(agentImage({ agent }, this.#options.agent));
  }

  /** Writes a policy's status, if it says something else than what stands there. */
  async reconcile(id: string, signal: AbortSignal): Promise<undefined> {
    const policy = this.#view.findPolicy(id);
    if (!policy) return;
    const total = emptySummary();
    const agent = policy.kind === 'ClusterTracingPolicy' ? policy.spec.agent : undefined;
    const other = this.#agentName(agent);
    const wanted = agent && canaryAgent(agent);
    const canary = wanted && this.#agentName(wanted);
    for (const summaries of this.#summaries.values()) {
      const part = summaries.get(id);
      if (!part) continue;
      add(total, part);
      // A namespace may not have been summed up since the policy names other images: what it knows is about those before.
      if (part.canary && part.canary.canary === canary && part.canary.other === other)
        total.canary = together(total.canary, part.canary);
    }
    const status = this.#status(policy, total, this.#progress(policy, total));
    if (isDeepStrictEqual(withoutTimes(status), withoutTimes(policy.status ?? {}))) return;
    const { metadata, kind } = policy;
    const namespace = policy.kind === 'TracingPolicy' ? policy.metadata.namespace : undefined;
    try {
      await this.#client.request('PATCH', `${policyPath(policy)}/status`, {
        query: { fieldManager: FIELD_MANAGER, force: true },
        contentType: APPLY,
        body: {
          apiVersion: `${GROUP}/${VERSION}`,
          kind,
          metadata: { name: metadata.name, ...(namespace && { namespace }) },
          status,
        },
        signal,
      });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
    this.#options.logger.debug({ policy: id, pods: status.pods }, 'wrote status');
    this.#record(policy, status);
  }

  /** An event for each condition that has become another: status says how it is, events what happened. */
  #record(policy: Policy, { conditions = [], integrations = [] }: PolicyStatus): void {
    const { name, uid } = policy.metadata;
    const namespace = policy.kind === 'TracingPolicy' ? { namespace: policy.metadata.namespace } : {};
    const regarding = { apiVersion: `${GROUP}/${VERSION}`, kind: policy.kind, name, uid, ...namespace };
    for (const { type, status, reason, message } of conditions) {
      const before = policy.status?.conditions?.find((each) => each.type === type);
      const event = EVENTS[reason];
      if (!event || (before?.status === status && before.reason === reason)) continue;
      this.#options.events.record({ regarding, ...event, action: 'Reconcile', note: message });
    }
    for (const { name: system, state, message } of integrations) {
      const before = policy.status?.integrations?.find((each) => each.name === system);
      if (before?.state === state || (!before && QUIET.has(state))) continue;
      const type = state === 'Conflict' || state === 'Incomplete' ? 'Warning' : 'Normal';
      const event = { type, reason: 'IntegrationChanged', action: 'Reconcile' } as const;
      this.#options.events.record({ regarding, ...event, note: `${system} is ${state}: ${message}` });
    }
  }

  #progress(policy: Policy, { stale, workloads }: Summary): Progress | undefined {
    if (policy.spec.rollout?.strategy !== 'Restart') return undefined;
    const id = describePolicy(policy);
    const restarts = [...this.#view.namespaces()].flatMap(({ metadata: { name: namespace } }) =>
      this.#view.restarts(namespace).map((restart) => ({ namespace, ...restart })),
    );
    return progress({
      restarts: restarts.filter((each) => each.policy === id),
      stale,
      workloads,
      holds: this.#options.holds(id),
    });
  }

  #status(policy: Policy, summary: Summary, rollout: Progress | undefined): PolicyStatus {
    const { pods, overlaps } = summary;
    const workloads = rollout?.workloads ?? summary.workloads;
    const canary = canaryHalted(policy, summary.canary);
    const override = overridden(policy, this.#options.now());
    // Not known yet, as when another replica has just begun to lead: what it said last stands.
    const integrations = summary.isPending ? (policy.status?.integrations ?? []) : integrationsOf(summary.integrations);
    const failed = failedIntegrations(policy, integrations);
    const { generation = 0 } = policy.metadata;
    const now = new Date(this.#options.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const condition = (type: string, holds: boolean, reason: string, message: string): Condition => {
      const status = holds ? 'True' : 'False';
      const before = policy.status?.conditions?.find((each) => each.type === type);
      const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now;
      return {
        type,
        status,
        observedGeneration: generation,
        lastTransitionTime,
        reason,
        message: message.slice(0, 4096),
      };
    };
    return {
      observedGeneration: generation,
      conditions: [
        condition('Ready', ...ready(policy, this.#options.defaults)),
        condition('Degraded', ...degraded(summary, failed, rollout)),
        overlaps.length > 0
          ? condition('Overlapping', true, 'OtherPoliciesMatch', `in force: ${overlaps.sort().join('; ')}`)
          : condition('Overlapping', false, 'OnlyMatch', 'no other policy matches its pods'),
        ...(canary ? [condition(CANARY_HALTED, ...canary)] : []),
        ...(override ? [condition('Overridden', ...override)] : []),
      ],
      pods,
      ...(integrations.length > 0 && { integrations }),
      ...(rollout && { rollout: rollout.counts }),
      ...(canary && { canary: { pods: summary.canary?.pods ?? 0, others: summary.canary?.others ?? 0 } }),
      workloads: workloads.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)).slice(0, WORKLOADS_SHOWN),
    };
  }
}

/**
 * Whether the new agent of a policy is to spread no more; undefined where there is none. What was stopped stays so, in the
 * words in which it was, for as long as nobody changes the policy.
 */
function canaryHalted(policy: Policy, evidence: Evidence | undefined): [boolean, string, string] | undefined {
  const agent = policy.kind === 'ClusterTracingPolicy' ? policy.spec.agent : undefined;
  if (policy.kind !== 'ClusterTracingPolicy' || !agent?.canary) return undefined;
  const { image, percent, haltOnRestarts = HALT_ON_RESTARTS } = agent.canary;
  const other = agent.image ?? "the chart's agent";
  if (isCanaryHalted(policy)) {
    const { reason, message } = policy.status!.conditions!.find(({ type }) => type === CANARY_HALTED)!;
    return [true, reason, message];
  }
  if ((evidence?.excess ?? 0) < haltOnRestarts)
    return [false, 'Spreading', `${percent} % of new pods get ${image}, the others ${other}`];
  return [
    true,
    'RestartsRose',
    `new pods get ${other} again, as pods with ${image} restart more often than others: ${evidence!.where.join('; ')}. It goes on when the policy is changed; pods that have it keep it until they are made anew`,
  ];
}

/** Its reason is the first that applies, its message says all. */
function degraded(
  { pods, problems, troubles, outages, unreached, unavailable, workloads }: Summary,
  integrations: string[],
  rollout: Progress | undefined,
): [boolean, string, string] {
  const found: [string, string][] = [];
  if (outages.length > 0)
    found.push([
      'AgentUnavailable',
      `the agent keeps pods from starting, so they are made without it until it can be had: ${outages.sort().join('; ')}`,
    ]);
  if (unreached.length > 0) found.push(['NotReached', unreached.sort().join('; ')]);
  if (problems.length > 0) found.push(['PolicyProblem', problems.sort().join('; ')]);
  if (workloads.some(({ reason }) => reason === 'AgentFailed'))
    found.push(['AgentFailed', 'the agent does not trace in some pods: see status.workloads for which, and why']);
  if (troubles.length > 0)
    found.push(['ExportFailing', `spans are lost, see status.workloads for whose: ${troubles.sort().join('; ')}`]);
  found.push(...(rollout?.problems ?? []));
  if (pods.missing > unavailable)
    found.push([
      'PodsMissing',
      rollout?.problems.length === 0
        ? 'some pods started without the agent: their workloads are restarted, as spec.rollout says'
        : 'some pods started without the agent: restart the workloads in status.workloads',
    ]);
  if (integrations.length > 0) found.push(['IntegrationFailed', integrations.join('; ')]);
  const [first] = found;
  if (!first) return [false, 'AsExpected', 'every pod is as it should be, as far as is known'];
  return [true, first[0], found.map(([, message]) => message).join('; ')];
}

/** What is for information comes after all that is wrong. */
function sortKey({ namespace, name, reason }: ProblemWorkload): string {
  return `${reason === 'NotInstrumented' || reason === 'Restarting' ? 1 : 0} ${namespace}/${name}/${reason}`;
}

function withoutTimes(status: PolicyStatus): unknown {
  return { ...status, conditions: status.conditions?.map(({ lastTransitionTime: _time, ...rest }) => rest) };
}
