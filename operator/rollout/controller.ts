import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Rollout } from '../../crds/rollout.ts';
import type { InjectOptions } from '../../injector/inject.ts';
import { agentImage, agentName, isAsked } from '../../injector/inject.ts';
import { RESTARTED_AT, RESTARTS } from '../../injector/names.ts';
import { owner } from '../../injector/resource.ts';
import type { Policy } from '../../injector/resolve.ts';
import { describePolicy, resolve } from '../../injector/resolve.ts';
import type { EventReason, EventRecorder } from '../events/recorder.ts';
import { ApiError, ignoring, MERGE_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ClusterView, PodMeta } from '../policy/cluster-view.ts';
import { writeRecord } from '../policy/namespace-record.ts';
import type { Reach } from '../reach.ts';
import { reaches } from '../reach.ts';
import type { StaleWorkload } from '../status/summary.ts';
import { TokenBucket } from '../token-bucket.ts';
import type { Act, Facts, Step } from './advance.ts';
import { advance, iso } from './advance.ts';
import { knowsEnd, lastWords, mostRestarts, obstacle } from './obstacle.ts';
import type { DisruptionBudget, OldPod } from './obstacle.ts';
import type { Restart, RestartedKind } from './restart.ts';
import { RESTARTED_KINDS, restartMark, takesBack } from './restart.ts';
import type { WorkloadObject } from './workload.ts';
import { selectorText, standing } from './workload.ts';

/** How often, and with which pauses in milliseconds, pods are read again that do not say how they ended: what crashes does so soon. */
const ENDS_AWAITED = 3;
const ENDS_PAUSE = 1_000;
const FIELD_MANAGER = 'tracing-operator-rollout';
const RESOURCES: Record<RestartedKind, string> = {
  Deployment: 'deployments',
  StatefulSet: 'statefulsets',
  DaemonSet: 'daemonsets',
};

/** Restarts that begin over all policies: at once, and milliseconds until the next. Each is a rollout. */
const PACE = [10, 2_000] as const;
/** Restarts of a policy that came to nothing; then somebody has to look first. */
const MOST_FAILED = 3;
/** Workloads that are looked at for whether they may be restarted, in one go. */
const LOOKED_AT = 20;
/** What kept one from being restarted is looked at again after this time. */
const HELD = 60_000;
/** By then webhooks and API server know of a policy that is new, so that what is made anew gets the agent. */
const RIPE = 10_000;
/** Pods of a workload that are looked at. */
const PODS = 50;
/** What a namespace's ConfigMap has room for. */
const MOST_IN_NAMESPACE = 64;

/** Of the events that a phase makes. */
const EVENTS: Partial<Record<Restart['phase'], { type: 'Normal' | 'Warning'; reason: EventReason }>> = {
  Restarting: { type: 'Normal', reason: 'Restarted' },
  CrashLooping: { type: 'Warning', reason: 'RestartFailed' },
  RolledBack: { type: 'Warning', reason: 'RolledBack' },
  Undone: { type: 'Warning', reason: 'RestartUndone' },
  NoHelp: { type: 'Warning', reason: 'RestartFailed' },
};

export interface RolloutOptions {
  logger: Logger;
  /** Milliseconds since 1970. */
  now: () => number;
  events: Pick<EventRecorder, 'record'>;
  /** The chart's agent. */
  agent: Pick<InjectOptions, 'agentImage' | 'agentImagePullPolicy'>;
  /** Which namespaces' pods are looked at. */
  reach: Reach;
  /** Workloads that a restart would help, of a policy as describePolicy() says it. */
  stale: (id: string) => StaleWorkload[];
  /** What is said of a policy's restarts has changed. */
  onChange: (id: string) => void;
}

/** A workload that is not restarted for now. */
export interface Hold extends StaleWorkload {
  why: string;
  /** Looked at again after this. */
  until: number;
}

/**
 * Restarts the workloads whose pods a restart would help, where a policy says so: a few at a time, each by its own rollout,
 * and waits until they are well. Where new pods crash, the agent is taken away from them. Keys are policies; one is worked on at
 * a time, since all write into the records of namespaces.
 */
export class RolloutController {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #options: RolloutOptions;
  readonly #pace: TokenBucket;
  readonly #holds = new Map<string, Map<string, Hold>>();
  /** Since when a restart would help workloads of a policy, as this process has seen it. */
  readonly #stale = new Map<string, Map<string, number>>();
  /** Since when a workload that was restarted has been well. */
  readonly #healthy = new Map<string, number>();

  constructor(client: KubeClient, view: ClusterView, options: RolloutOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
    this.#pace = new TokenBucket(...PACE, options.now());
  }

  /** Workloads of a policy that are not restarted for now, and why. */
  holds(id: string): Hold[] {
    return [...(this.#holds.get(id)?.values() ?? [])];
  }

  /** Every policy of which something is remembered. */
  *remembered(): Iterable<string> {
    for (const { metadata } of this.#view.namespaces())
      for (const { policy } of this.#view.restarts(metadata.name)) yield policy;
  }

  /** @returns after how many milliseconds the policy is to be looked at again, where nothing need change before. */
  async reconcile(id: string, signal: AbortSignal): Promise<number | undefined> {
    const policy = this.#view.findPolicy(id);
    const stale = this.#options.stale(id);
    const known = this.#stale.get(id);
    const isStale = new Map(stale.map(keyOf).map((key) => [key, known?.get(key) ?? this.#options.now()]));
    if (stale.length > 0) this.#stale.set(id, isStale);
    else this.#stale.delete(id);
    const kept: Restart[] = [];
    const soon: number[] = [];
    const look = async (namespace: string, before: Restart) => {
      const { restart, again } = await this.#follow(namespace, before, policy, isStale, signal);
      if (restart) kept.push(restart);
      if (again !== undefined) soon.push(again);
    };
    for (const { metadata } of [...this.#view.namespaces()])
      for (const restart of this.#view.restarts(metadata.name))
        if (restart.policy === id) await look(metadata.name, restart);
    const began = await this.#begin(policy, stale, kept, signal);
    for (const { namespace, restart } of began.restarts) await look(namespace, restart);
    if (began.again !== undefined) soon.push(began.again);
    return soon.length > 0 ? Math.min(...soon) : undefined;
  }

  /** Sees to one restart that is remembered. */
  async #follow(
    namespace: string,
    before: Restart,
    policy: Policy | undefined,
    stale: ReadonlyMap<string, number>,
    signal: AbortSignal,
  ): Promise<Step> {
    const key = keyOf({ namespace, ...before });
    const workload = await this.#read(namespace, before, signal);
    const pods = this.#newPods(namespace, before);
    const now = this.#options.now();
    const stands = workload && standing(before.kind, workload);
    const isHealthy = stands?.healthy === true && stands.value === before.value;
    if (!isHealthy) this.#healthy.delete(key);
    else if (!this.#healthy.has(key)) this.#healthy.set(key, now);
    const facts: Facts = {
      now,
      workload: stands,
      ...this.#wanted(namespace, workload, policy),
      isStale: stale.has(key),
      restarts: Math.max(0, ...pods.map(({ restarts = 0 }) => restarts)),
      onCrashLoop: policy?.spec.rollout?.onCrashLoop ?? 'Rollback',
      healthySince: this.#healthy.get(key),
    };
    const step = advance(before, facts);
    if (step.restart && step.restart.phase !== before.phase && workload)
      step.restart.message = await this.#message(step.restart, workload, signal);
    if (step.restart !== before) {
      await this.#remember(namespace, before, step.restart, signal);
      this.#tell(namespace, step.restart, workload);
    }
    if (!step.restart) this.#healthy.delete(key);
    if (step.act && workload) await this.#act(step.act, before, workload, pods, signal);
    return step;
  }

  /** What the workload's next pods are given under a policy: a mark where that has them restarted. */
  #wanted(
    namespace: string,
    workload: WorkloadObject | undefined,
    policy: Policy | undefined,
  ): Pick<Facts, 'mark' | 'isOff'> {
    if (!workload) return { mark: undefined, isOff: false };
    const { labels, annotations } = workload.spec.template.metadata ?? {};
    const namespaceLabels = this.#view.namespace(namespace)?.metadata.labels ?? {};
    const resolution = resolve(this.#view.policies(namespace), { namespace, namespaceLabels, labels, annotations });
    const inForce = resolution.policy;
    const isAskedFor = isAsked(annotations, namespaceLabels, resolution).asked === true;
    if (!isAskedFor || !inForce) return { mark: undefined, isOff: false };
    if (!takesBack(inForce)) return { mark: undefined, isOff: true };
    if (!policy || describePolicy(inForce) !== describePolicy(policy)) return { mark: undefined, isOff: false };
    return { mark: restartMark(policy, agentName(agentImage(resolution, this.#options.agent))), isOff: false };
  }

  /** Begins as many restarts as may be, by writing them down; what keeps others is remembered, not written. */
  async #begin(
    policy: Policy | undefined,
    stale: readonly StaleWorkload[],
    kept: readonly Restart[],
    signal: AbortSignal,
  ): Promise<{ restarts: { namespace: string; restart: Restart }[]; again?: number }> {
    const restarts: { namespace: string; restart: Restart }[] = [];
    if (!policy || !takesBack(policy)) {
      if (policy) this.#setHolds(describePolicy(policy), new Map());
      return { restarts };
    }
    const id = describePolicy(policy);
    const now = this.#options.now();
    const before = this.#holds.get(id) ?? new Map<string, Hold>();
    const holds = new Map<string, Hold>();
    const room = roomFor(policy.spec.rollout ?? {}, kept);
    let looked = 0;
    let again: number | undefined;
    for (const each of stale) {
      const key = keyOf(each);
      const held = before.get(key);
      const known = this.#view
        .restarts(each.namespace)
        .find(({ kind, name }) => kind === each.kind && name === each.name);
      if (!isRestartable(each) || !reaches(this.#options.reach, each.namespace)) continue;
      if (known && !mayTryAgain(known, now)) continue;
      const ripe = (this.#stale.get(id)?.get(key) ?? now) + RIPE;
      if (ripe > now) {
        again = Math.min(again ?? Infinity, ripe - now);
        continue;
      }
      if (held && (held.until > now || room.slots === 0)) holds.set(key, held);
      else if (room.slots > 0 && looked < LOOKED_AT) {
        looked++;
        const found = known || !room.failed ? await this.#prepare(each, policy, known, signal) : room.failed;
        if (typeof found === 'string') holds.set(key, { ...each, why: found, until: now + HELD });
        else if (found && this.#pace.take(now)) {
          await this.#remember(each.namespace, known, found, signal);
          this.#options.logger.info({ namespace: each.namespace, workload: key, policy: id }, 'restarts a workload');
          restarts.push({ namespace: each.namespace, restart: found });
          room.slots--;
        } else if (found) again = Math.min(again ?? Infinity, this.#pace.wait);
      }
    }
    this.#setHolds(id, holds);
    if (looked >= LOOKED_AT && room.slots > 0) again = Math.min(again ?? Infinity, 1_000);
    if (again === undefined && holds.size > 0) again = HELD;
    return { restarts, ...(again !== undefined && { again }) };
  }

  /** A restart as it is to be written down; or what keeps it, for people; or undefined where there is nothing to restart. */
  async #prepare(
    { namespace, kind, name }: StaleWorkload & { kind: RestartedKind },
    policy: Policy,
    known: Restart | undefined,
    signal: AbortSignal,
  ): Promise<Restart | string | undefined> {
    const workload = await this.#read(namespace, { kind, name }, signal);
    const { mark } = this.#wanted(namespace, workload, policy);
    if (!workload || workload.metadata.deletionTimestamp || mark === undefined) return undefined;
    if (this.#view.restarts(namespace).length >= MOST_IN_NAMESPACE)
      return 'too many restarts of its namespace came to nothing';
    const pods = await this.#pods(workload, signal);
    const budgets = await this.#client.request<{ items: DisruptionBudget[] }>(
      'GET',
      `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`,
      { signal },
    );
    const now = this.#options.now();
    const why = obstacle({ kind, workload, pods, budgets: budgets.items, now });
    if (why !== undefined) return why;
    const { template, value: previous, generation } = standing(kind, workload);
    const id = describePolicy(policy);
    const at = iso(now);
    return {
      ...{ kind, name, policy: id, mark, template, phase: 'Restarting', at, value: at, generation },
      ...(previous !== undefined && { previous }),
      threshold: Math.max(2, Math.min(mostRestarts(pods), 4) + 1),
      ...(known?.undone !== undefined && { undone: known.undone }),
      message: `it is restarted since ${at}, so that its pods get what ${id} asks for`,
    };
  }

  async #act(
    act: Act,
    restart: Restart,
    workload: WorkloadObject,
    pods: PodMeta[],
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name, resourceVersion } = workload.metadata;
    if (act === 'Unblock') {
      for (const { metadata, restarts = 0 } of pods)
        if (restarts >= restart.threshold && !metadata.deletionTimestamp)
          await ignoring(
            404,
            this.#client.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${metadata.name}`, {
              body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: metadata.uid } },
              signal,
            }),
          );
      return;
    }
    const value = act === 'Restart' ? restart.value : (restart.previous ?? null);
    const patch = this.#client.request('PATCH', pathOf(namespace, { kind: restart.kind, name }), {
      query: { fieldManager: FIELD_MANAGER },
      contentType: MERGE_PATCH,
      // Of this very version: what somebody has changed since is looked at anew.
      body: {
        metadata: { resourceVersion },
        spec: { template: { metadata: { annotations: { [RESTARTED_AT]: value } } } },
      },
      signal,
    });
    try {
      await ignoring(404, patch);
      this.#options.logger.info({ namespace, workload: `${restart.kind}/${name}`, act }, 'changed a pod template');
    } catch (error) {
      if (act !== 'Restart' || !(error instanceof ApiError) || ![403, 422].includes(error.status)) throw error;
      const message = `the API server does not let it be restarted: ${error.message}`;
      const refused: Restart = { ...restart, phase: 'NoHelp', at: iso(this.#options.now()), message };
      await this.#remember(namespace, restart, refused, signal);
      this.#tell(namespace, refused, workload);
    }
  }

  /** What people are told of a phase that has just begun. */
  async #message(restart: Restart, workload: WorkloadObject, signal: AbortSignal): Promise<string> {
    const { phase, message, value } = restart;
    if (phase !== 'RolledBack' && phase !== 'CrashLooping') {
      const by = phase === 'Undone' ? lastManager(workload) : undefined;
      return by === undefined ? message : `${message} (others write to it as ${by})`;
    }
    const crashing = async () =>
      (await this.#pods(workload, signal)).filter(({ metadata }) => metadata.annotations?.[RESTARTED_AT] === value);
    let pods = await crashing();
    for (let tries = 0; tries < ENDS_AWAITED && !knowsEnd(pods); tries++) {
      await sleep(ENDS_PAUSE, undefined, { signal });
      pods = await crashing();
    }
    const words = `with the agent ${lastWords(pods)}, and pods before that did not`;
    return phase === 'RolledBack'
      ? `${words}; its pods go without it until the policy, the agent or its pod template changes (kubectl rollout restart tries it again)`
      : `${words}; onCrashLoop is Stop: it is left so, and nothing more is restarted`;
  }

  async #remember(
    namespace: string,
    before: Restart | undefined,
    after: Restart | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { kind, name, policy } = (after ?? before)!;
    const others = this.#view.restarts(namespace).filter((each) => each.kind !== kind || each.name !== name);
    const all = [...others, ...(after ? [after] : [])];
    const text = all.length > 0 ? JSON.stringify(all) : undefined;
    const record = { namespace, annotation: RESTARTS, text, fieldManager: FIELD_MANAGER };
    await writeRecord(this.#client, this.#view, record, signal);
    // A workload that is well again changes nothing else that status is made of.
    this.#options.onChange(policy);
  }

  #tell(namespace: string, restart: Restart | undefined, workload: WorkloadObject | undefined): void {
    const event = restart && EVENTS[restart.phase];
    if (!restart || !event || !workload) return;
    const { kind, name, message, phase } = restart;
    const { uid } = workload.metadata;
    const regarding = { apiVersion: 'apps/v1', kind, namespace, name, uid };
    this.#options.events.record({ regarding, ...event, action: 'Restart', note: message });
    this.#options.logger.info({ namespace, workload: `${kind}/${name}`, phase, message }, 'a restart has come so far');
  }

  #setHolds(id: string, holds: Map<string, Hold>): void {
    const before = this.holds(id).map(({ why, ...each }) => `${keyOf(each)} ${why}`);
    const after = [...holds.values()].map(({ why, ...each }) => `${keyOf(each)} ${why}`);
    if (holds.size > 0) this.#holds.set(id, holds);
    else this.#holds.delete(id);
    if (before.join() !== after.join()) this.#options.onChange(id);
  }

  /** Pods that were made since it was restarted, and have the agent. */
  #newPods(namespace: string, { kind, name, value }: Restart): PodMeta[] {
    return this.#view.injectedPods(namespace).filter((pod) => {
      if (pod.metadata.annotations?.[RESTARTED_AT] !== value) return false;
      const workload = owner(pod);
      return workload?.kind === kind && workload.name === name;
    });
  }

  #read(
    namespace: string,
    workload: { kind: RestartedKind; name: string },
    signal: AbortSignal,
  ): Promise<WorkloadObject | undefined> {
    return ignoring(404, this.#client.request<WorkloadObject>('GET', pathOf(namespace, workload), { signal }));
  }

  async #pods({ metadata, spec }: WorkloadObject, signal: AbortSignal): Promise<OldPod[]> {
    const query = { labelSelector: selectorText(spec.selector), limit: PODS };
    const path = `/api/v1/namespaces/${metadata.namespace}/pods`;
    return (await this.#client.request<{ items: OldPod[] }>('GET', path, { query, signal })).items;
  }
}

function keyOf({ namespace, kind, name }: StaleWorkload): string {
  return `${namespace} ${kind}/${name}`;
}

/** How many restarts may begin; and why none of a workload that was not restarted yet. */
function roomFor({ maxUnavailable = 1 }: Rollout, kept: readonly Restart[]): { slots: number; failed?: string } {
  const going = kept.filter(({ phase }) => phase === 'Restarting' || phase === 'CrashLooping').length;
  const stopped = kept.some(({ phase }) => phase === 'CrashLooping');
  const failed = kept.length - going;
  return {
    slots: stopped ? 0 : Math.max(0, maxUnavailable - going),
    ...(failed >= MOST_FAILED && {
      failed: `restarts of ${failed} other workloads came to nothing; see to those first, or have them opt out by tracing.acme/inject: "false"`,
    }),
  };
}

function mayTryAgain({ phase, until }: Restart, now: number): boolean {
  return phase === 'Undone' && until !== undefined && Date.parse(until) <= now;
}

function isRestartable(workload: StaleWorkload): workload is StaleWorkload & { kind: RestartedKind } {
  return (RESTARTED_KINDS as readonly string[]).includes(workload.kind);
}

function pathOf(namespace: string, { kind, name }: { kind: RestartedKind; name: string }): string {
  return `/apis/apps/v1/namespaces/${namespace}/${RESOURCES[kind]}/${name}`;
}

/** Who has written to a workload last, besides its own controller and us. Whoever only takes fields away leaves no trace. */
function lastManager({ metadata }: WorkloadObject): string | undefined {
  const entries = (metadata.managedFields ?? []).filter(
    ({ manager, subresource }) => manager !== undefined && manager !== FIELD_MANAGER && !subresource,
  );
  return entries.sort((a, b) => ((a.time ?? '') < (b.time ?? '') ? 1 : -1))[0]?.manager;
}
