import type { Logger } from 'pino';
import { INJECT, INJECT_FROM_WORKLOAD } from '../../injector/names.ts';
import type { InjectAnnotations, Workload } from '../../injector/workload.ts';
import { injectAnnotations, wantedCopy } from '../../injector/workload.ts';
import { ApiError, MERGE_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import { keyOf, Reflector } from '../kube/reflector.ts';
import type { KubeObject } from '../kube/reflector.ts';
import type { Reach } from '../reach.ts';
import { reaches } from '../reach.ts';
import { Shared } from '../shared.ts';

const FIELD_MANAGER = 'tracing-operator-workload';
/** Kinds whose pod template can change; that of a Job cannot. */
const KINDS = {
  Deployment: '/apis/apps/v1/deployments',
  StatefulSet: '/apis/apps/v1/statefulsets',
  DaemonSet: '/apis/apps/v1/daemonsets',
  CronJob: '/apis/batch/v1/cronjobs',
} as const;
type Kind = keyof typeof KINDS;

/**
 * A workload is not changed again by us before this time is over: were somebody to take our copy away again and again
 * while the webhook does not answer, each change would be a rollout.
 */
const ONCE_IN = 300_000;

/** What is kept of a workload: hardly more than its name, and nothing of those that say nothing of injection. */
interface KeptWorkload extends KubeObject {
  inject?: InjectAnnotations;
}

export interface WorkloadOptions {
  reach: Reach;
  logger: Logger;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Has a workload set right, by its queue key. */
  onWrong: (key: string) => void;
}

/**
 * Sees to what the webhook for workloads has missed while it was away: that the annotation of a workload is copied to its
 * pod template, or the copy taken away. Where the webhook has answered there is nothing to be seen here, as it does so in the very
 * request that changes the annotation. Watches whole workloads, since templates are no metadata, and keeps next to nothing
 * of them; the replica that leads does so alone.
 */
export class WorkloadController {
  readonly #client: KubeClient;
  readonly #options: WorkloadOptions;
  readonly #reflectors: Record<Kind, Reflector<KeptWorkload>>;
  readonly #changed = new Map<string, number>();

  constructor(client: KubeClient, options: WorkloadOptions) {
    this.#client = client;
    this.#options = options;
    const shared = new Shared();
    const reflector = (kind: Kind) =>
      new Reflector<KeptWorkload>({
        client,
        logger: options.logger,
        path: KINDS[kind],
        prune: (object) => prune(object, kind, shared),
        onChange: (workload, _previous, deleted) => {
          if (!deleted && this.#wanted(workload) !== undefined) options.onWrong(`${kind} ${keyOf(workload)}`);
        },
      });
    this.#reflectors = {
      Deployment: reflector('Deployment'),
      StatefulSet: reflector('StatefulSet'),
      DaemonSet: reflector('DaemonSet'),
      CronJob: reflector('CronJob'),
    };
  }

  start(): void {
    for (const reflector of Object.values(this.#reflectors)) reflector.start();
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.#reflectors).map((reflector) => reflector.stop()));
  }

  /** @returns after how many milliseconds it may be set right, where it was not long ago. */
  async reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const { now, logger } = this.#options;
    for (const [each, at] of this.#changed) if (now() - at >= ONCE_IN) this.#changed.delete(each);
    const [kind, name] = key.split(' ') as [Kind, string];
    const workload = this.#reflectors[kind].get(name);
    const wanted = workload && this.#wanted(workload);
    if (!workload || wanted === undefined) return undefined;
    const last = this.#changed.get(key);
    if (last !== undefined) return last + ONCE_IN - now();
    try {
      const after = await this.#change(workload, kind, wanted === null, signal);
      if (wantedCopy(injectAnnotations({ ...after, kind })) !== undefined)
        throw new Error('the webhook for workloads does not answer yet');
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
    this.#changed.set(key, now());
    logger.info({ workload: key, inject: wanted }, 'saw to what the webhook has missed');
    return undefined;
  }

  /**
   * Takes the copy away; or, where one is missing, changes nothing, which has the API server ask the webhook: so there is
   * no rollout before its pods would get the agent.
   */
  async #change({ metadata }: KeptWorkload, kind: Kind, isLeft: boolean, signal: AbortSignal): Promise<Workload> {
    const { resourceVersion, namespace, name } = metadata;
    const template = {
      spec: { template: { metadata: { annotations: { [INJECT]: null, [INJECT_FROM_WORKLOAD]: null } } } },
    };
    const without = kind === 'CronJob' ? { spec: { jobTemplate: template } } : template;
    const [, group, version, resource] = KINDS[kind].slice(1).split('/');
    return this.#client.request<Workload>(
      'PATCH',
      `/apis/${group}/${version}/namespaces/${namespace}/${resource}/${name}`,
      {
        query: { fieldManager: FIELD_MANAGER },
        contentType: MERGE_PATCH,
        // Of this very version: what somebody has changed since is looked at anew.
        body: { metadata: { resourceVersion }, ...(isLeft && without) },
        signal,
      },
    );
  }

  #wanted({ metadata, inject }: KeptWorkload): string | null | undefined {
    if (!inject || !reaches(this.#options.reach, metadata.namespace!)) return undefined;
    return wantedCopy(inject);
  }
}

function prune(object: KubeObject, kind: Kind, shared: Shared): KeptWorkload {
  const { name, namespace, resourceVersion } = object.metadata;
  // Items of a list do not say their kind.
  const inject = injectAnnotations({ ...object, kind } as unknown as Workload);
  const says = Object.values(inject).some((value) => value !== undefined);
  return {
    metadata: { name, namespace: shared.of(namespace)!, resourceVersion },
    ...(says && { inject: shared.of(inject) }),
  };
}
