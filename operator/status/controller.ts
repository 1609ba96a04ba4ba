import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { PolicyStatus } from '../../crds/tracing-policy.ts';
import { GROUP, VERSION } from '../../crds/tracing-policy.ts';
import type { InjectOptions } from '../../injector/inject.ts';
import { agentImage, agentName } from '../../injector/inject.ts';
import type { DefaultPolicy, Policy } from '../../injector/resolve.ts';
import type { EventReason, EventRecorder } from '../events/recorder.ts';
import { openOutage } from '../breaker/outage.ts';
import { ApiError, APPLY } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import type { KeptReport } from '../reports/report.ts';
import type { ProblemWorkload, Summary } from './summary.ts';
import { add, emptySummary, summarize } from './summary.ts';

const FIELD_MANAGER = 'tracing-operator-status';
const WORKLOADS_SHOWN = 20;

/** What is worth an event, by the reason of a condition. */
const EVENTS: Record<string, { type: 'Normal' | 'Warning'; reason: EventReason }> = {
  SwitchedOff: { type: 'Normal', reason: 'TracingSwitchedOff' },
  NoExporter: { type: 'Warning', reason: 'PolicyProblem' },
  PolicyProblem: { type: 'Warning', reason: 'PolicyProblem' },
  OtherPoliciesMatch: { type: 'Normal', reason: 'PolicyOverlaps' },
  AgentUnavailable: { type: 'Warning', reason: 'AgentUnavailable' },
  PodsMissing: { type: 'Warning', reason: 'RestartNeeded' },
  AgentFailed: { type: 'Warning', reason: 'AgentFailed' },
  ExportFailing: { type: 'Warning', reason: 'ExportFailing' },
};

type Condition = NonNullable<PolicyStatus['conditions']>[number];

export interface StatusOptions {
  defaults: DefaultPolicy;
  logger: Logger;
  /** Milliseconds since 1970. */
  now: () => number;
  /** The reports of a pod's processes, by its UID. */
  reports: (podUid: string) => KeptReport[];
  listeningSince: number;
  /** The chart's agent. */
  agent: Pick<InjectOptions, 'agentImage' | 'agentImagePullPolicy'>;
  events: Pick<EventRecorder, 'record'>;
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

  constructor(client: KubeClient, view: ClusterView, options: StatusOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  /** Sums up a namespace, and asks for the status of each policy for which that made a difference. */
  summarizeNamespace(name: string): void {
    const namespace = this.#view.namespace(name);
    const before = this.#summaries.get(name);
    const after = namespace
      ? summarize({
          namespace,
          policies: this.#view.policies(name),
          injected: this.#view.injectedPods(name),
          others: this.#view.otherPods(name),
          reports: this.#options.reports,
          whyNoAgent: (agent) => {
            const outage = openOutage(this.#view.outages(name), agentName(agentImage({ agent }, this.#options.agent)));
            return outage && `${outage.reason}: ${outage.message}`;
          },
          now: this.#options.now(),
          listeningSince: this.#options.listeningSince,
        })
      : new Map<string, Summary>();
    if (after.size > 0) this.#summaries.set(name, after);
    else this.#summaries.delete(name);
    for (const id of new Set([...(before?.keys() ?? []), ...after.keys()]))
      if (!isDeepStrictEqual(before?.get(id), after.get(id))) this.#options.onPolicy(id);
  }

  /** Writes a policy's status, if it says something else than what stands there. */
  async reconcile(id: string, signal: AbortSignal): Promise<undefined> {
    const policy = this.#view.findPolicy(id);
    if (!policy) return;
    const total = emptySummary();
    for (const summaries of this.#summaries.values()) {
      const part = summaries.get(id);
      if (part) add(total, part);
    }
    const status = this.#status(policy, total);
    if (isDeepStrictEqual(withoutTimes(status), withoutTimes(policy.status ?? {}))) return;
    const { metadata, kind } = policy;
    const namespace = policy.kind === 'TracingPolicy' ? policy.metadata.namespace : undefined;
    const collection = namespace
      ? `/apis/${GROUP}/${VERSION}/namespaces/${namespace}/tracingpolicies`
      : `/apis/${GROUP}/${VERSION}/clustertracingpolicies`;
    try {
      await this.#client.request('PATCH', `${collection}/${metadata.name}/status`, {
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
  #record(policy: Policy, { conditions = [] }: PolicyStatus): void {
    const { name, uid } = policy.metadata;
    const namespace = policy.kind === 'TracingPolicy' ? { namespace: policy.metadata.namespace } : {};
    const regarding = { apiVersion: `${GROUP}/${VERSION}`, kind: policy.kind, name, uid, ...namespace };
    for (const { type, status, reason, message } of conditions) {
      const before = policy.status?.conditions?.find((each) => each.type === type);
      const event = EVENTS[reason];
      if (!event || (before?.status === status && before.reason === reason)) continue;
      this.#options.events.record({ regarding, ...event, action: 'Reconcile', note: message });
    }
  }

  #status(policy: Policy, summary: Summary): PolicyStatus {
    const { pods, workloads, overlaps } = summary;
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
        condition('Ready', ...this.#ready(policy)),
        condition('Degraded', ...degraded(summary)),
        overlaps.length > 0
          ? condition('Overlapping', true, 'OtherPoliciesMatch', `in force: ${overlaps.sort().join('; ')}`)
          : condition('Overlapping', false, 'OnlyMatch', 'no other policy matches its pods'),
      ],
      pods,
      workloads: workloads.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)).slice(0, WORKLOADS_SHOWN),
    };
  }

  #ready({ spec }: Policy): [boolean, string, string] {
    if (spec.enabled === false) return [true, 'SwitchedOff', 'tracing is switched off in its pods'];
    if (!(spec.exporters ?? this.#options.defaults.exporters)?.length)
      return [
        false,
        'NoExporter',
        "spans have nowhere to go: set spec.exporters, or the chart's defaultPolicy.exporters",
      ];
    return [true, 'Delivered', 'delivered to the pods it applies to'];
  }
}

/** Its reason is the first that applies, its message says all. */
function degraded({ pods, problems, troubles, outages, unavailable, workloads }: Summary): [boolean, string, string] {
  const found: [string, string][] = [];
  if (outages.length > 0)
    found.push([
      'AgentUnavailable',
      `the agent keeps pods from starting, so they are made without it until it can be had: ${outages.sort().join('; ')}`,
    ]);
  if (problems.length > 0) found.push(['PolicyProblem', problems.sort().join('; ')]);
  if (workloads.some(({ reason }) => reason === 'AgentFailed'))
    found.push(['AgentFailed', 'the agent does not trace in some pods: see status.workloads for which, and why']);
  if (troubles.length > 0)
    found.push(['ExportFailing', `spans are lost, see status.workloads for whose: ${troubles.sort().join('; ')}`]);
  if (pods.missing > unavailable)
    found.push(['PodsMissing', 'some pods started without the agent: restart the workloads in status.workloads']);
  const [first] = found;
  if (!first) return [false, 'AsExpected', 'every pod is as it should be, as far as is known'];
  return [true, first[0], found.map(([, message]) => message).join('; ')];
}

/** What is for information comes after all that is wrong. */
function sortKey({ namespace, name, reason }: ProblemWorkload): string {
  return `${reason === 'NotInstrumented' ? 1 : 0} ${namespace}/${name}/${reason}`;
}

function withoutTimes(status: PolicyStatus): unknown {
  return { ...status, conditions: status.conditions?.map(({ lastTransitionTime: _time, ...rest }) => rest) };
}
