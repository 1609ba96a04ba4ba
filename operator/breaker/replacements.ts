import type { Logger } from 'pino';
import type { EventRecorder } from '../events/recorder.ts';
import { ApiError } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ClusterView, PodMeta } from '../policy/cluster-view.ts';
import type { Failure } from './agent-start.ts';
import { agentOf, openOutage } from './outage.ts';

/** Controllers that make a pod anew, as it was, when one of theirs is gone. Of others nobody knows what they make of it. */
const MAKES_ANEW = new Set([
  'apps/v1 ReplicaSet',
  'apps/v1 StatefulSet',
  'apps/v1 DaemonSet',
  'v1 ReplicationController',
  'batch/v1 Job',
]);
/** By then every webhook has heard of the outage, so that what comes in the pod's place does not get the agent. */
const HEARD = 2_000;
/** The API server's own default. */
const JOB_TRIES = 6;

export interface ReplacementOptions {
  logger: Logger;
  now: () => number;
  events: Pick<EventRecorder, 'record'>;
  onReplaced: () => void;
  /** Has a pod replaced, by its queue key. */
  onStuck: (key: string) => void;
}

interface Job {
  spec?: { backoffLimit?: number };
  status?: { failed?: number };
}

/** Pods that hang in our init container and never started, made anew by those who own them: at the pace of their queue. */
export class Replacements {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #options: ReplacementOptions;
  /** By namespace and UID; what was said of a pod that cannot be replaced is said once. */
  readonly #wanted = new Map<string, Map<string, { failure: Failure; told: boolean }>>();

  constructor(client: KubeClient, view: ClusterView, options: ReplacementOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  /** Takes which pods of a namespace hang now. */
  want(namespace: string, stuck: { pod: PodMeta; failure: Failure }[]): void {
    const before = this.#wanted.get(namespace);
    if (stuck.length === 0) return void this.#wanted.delete(namespace);
    const after = new Map<string, { failure: Failure; told: boolean }>();
    for (const { pod, failure } of stuck) {
      const { uid } = pod.metadata;
      after.set(uid, { failure, told: before?.get(uid)?.told ?? false });
    }
    this.#wanted.set(namespace, after);
    for (const { pod } of stuck)
      if (!before?.has(pod.metadata.uid)) this.#options.onStuck(`${namespace}/${pod.metadata.name}`);
  }

  /** Replaces one pod, if it still hangs. */
  async replace(key: string, signal: AbortSignal): Promise<number | undefined> {
    const [namespace = '', name = ''] = key.split('/');
    const pod = this.#view.injectedPod(namespace, name);
    const wanted = pod && this.#wanted.get(namespace)?.get(pod.metadata.uid);
    if (!wanted || pod.metadata.deletionTimestamp) return undefined;
    const outage = openOutage(this.#view.outages(namespace), agentOf(pod));
    const early = outage ? outage.since + HEARD - this.#options.now() : 0;
    if (early > 0) return early;
    const whyNot = (await this.#whyNot(pod, signal)) ?? (await this.#delete(pod, signal));
    const { reason, message } = wanted.failure;
    if (whyNot === undefined) {
      this.#options.onReplaced();
      this.#tell(pod, `was replaced, as its agent kept it from starting (${reason}: ${message})`);
      this.#options.logger.info({ namespace, pod: name, reason }, 'replaced a pod that never started');
    } else if (!wanted.told) {
      wanted.told = true;
      this.#options.logger.warn(
        { namespace, pod: name, reason, whyNot },
        'a pod hangs by its agent and is not replaced',
      );
      this.#tell(pod, `hangs by its agent, and cannot be replaced: ${whyNot} (${reason}: ${message})`);
    }
    return undefined;
  }

  /** @returns why the API server does not let it be done. */
  async #delete({ metadata }: PodMeta, signal: AbortSignal): Promise<string | undefined> {
    const { namespace, name, uid, resourceVersion } = metadata;
    try {
      // Only as we know it: one whose app has started since is another version.
      await this.#client.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, {
        body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } },
        signal,
      });
      return undefined;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) return 'it is gone';
      // The admission policy of ours that has it that a pod whose app has run is not ended.
      if (error.status === 403 || error.status === 422) return error.message;
      throw error;
    }
  }

  /** What keeps a pod from being replaced. */
  async #whyNot({ metadata }: PodMeta, signal: AbortSignal): Promise<string | undefined> {
    const owner = metadata.ownerReferences?.[0];
    if (!owner) return 'nothing owns it; delete it and make it again';
    if (!MAKES_ANEW.has(`${owner.apiVersion} ${owner.kind}`))
      return `what its owner, a ${owner.kind}, would do is not known`;
    if (owner.kind !== 'Job') return undefined;
    try {
      const { spec, status } = await this.#client.request<Job>(
        'GET',
        `/apis/batch/v1/namespaces/${metadata.namespace}/jobs/${owner.name}`,
        { signal },
      );
      // A pod that is deleted counts as a try that failed.
      const left = (spec?.backoffLimit ?? JOB_TRIES) - (status?.failed ?? 0);
      return left > 0 ? undefined : 'its Job has no try left, and would fail; delete the Job and make it again';
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return 'its Job is gone';
      throw error;
    }
  }

  #tell({ metadata: { namespace, name, uid } }: PodMeta, note: string): void {
    this.#options.events.record({
      regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
      type: 'Warning',
      reason: 'AgentUnavailable',
      action: 'Replace',
      note,
    });
  }
}
