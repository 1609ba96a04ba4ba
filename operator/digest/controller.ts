import { isDeepStrictEqual } from 'node:util';
import { POLICY_CONFIG_MAP, REPORTS_CONFIG_MAP } from '../../injector/names.ts';
import { ApiError, APPLY } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import { OWNED } from '../owned.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import type { KeptReport } from '../reports/report.ts';
import type { Digest } from './digest.ts';
import { digestsOf } from './digest.ts';

const FIELD_MANAGER = 'tracing-operator-reports';
/** What is new is written so soon, at the earliest, after the last time. */
const NEWS = 30_000;
/** Numbers that run are written so often at most. */
const NUMBERS = 300_000;

export interface DigestOptions {
  reports: (podUid: string) => KeptReport[];
  /** Milliseconds since 1970. */
  now: () => number;
}

/**
 * Keeps what the agents of a namespace say, workload by workload, in a ConfigMap there, for `kubectl tracing explain`: so whoever
 * may look at the namespace may read it, and nobody else. No pod mounts it. It goes with the ConfigMap of policies.
 */
export class DigestController {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #options: DigestOptions;
  readonly #written = new Map<string, { at: number; digests: Map<string, Digest>; owner: string }>();

  constructor(client: KubeClient, view: ClusterView, options: DigestOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  /** Whether a namespace's numbers are old enough to be written again. */
  isDue(namespace: string): boolean {
    const written = this.#written.get(namespace);
    return !written || this.#options.now() - written.at >= NUMBERS;
  }

  /** @returns after how many milliseconds to come again with what is new. */
  async reconcile(namespace: string, signal: AbortSignal): Promise<number | undefined> {
    const { now, reports } = this.#options;
    const meta = this.#view.namespace(namespace);
    const owner = this.#view.configMap(namespace)?.metadata.uid;
    if (!meta || meta.metadata.deletionTimestamp || owner === undefined) return void this.#written.delete(namespace);
    const digests = digestsOf(this.#view.injectedPods(namespace), reports, now());
    const before = this.#written.get(namespace);
    const since = before?.owner === owner ? now() - before.at : Infinity;
    if (!before && digests.size === 0) return undefined;
    if (before?.owner === owner) {
      if (isDeepStrictEqual(said(before.digests, true), said(digests, true))) return undefined;
      const isNews = !isDeepStrictEqual(said(before.digests, false), said(digests, false));
      if (!isNews && since < NUMBERS) return undefined;
    }
    if (since < NEWS) return NEWS - since;
    try {
      await this.#client.request('PATCH', `/api/v1/namespaces/${namespace}/configmaps/${REPORTS_CONFIG_MAP}`, {
        query: { fieldManager: FIELD_MANAGER, force: true },
        contentType: APPLY,
        body: {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: {
            name: REPORTS_CONFIG_MAP,
            labels: OWNED,
            ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: POLICY_CONFIG_MAP, uid: owner }],
          },
          data: Object.fromEntries([...digests].map(([key, digest]) => [key, JSON.stringify(digest)])),
        },
        signal,
      });
    } catch (error) {
      // A namespace that is going takes nothing new.
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
    this.#written.set(namespace, { at: now(), digests, owner });
    return undefined;
  }
}

function said(digests: Map<string, Digest>, withNumbers: boolean): unknown[] {
  return [...digests].map(([key, { facts, numbers }]) => [key, facts, ...(withNumbers ? [numbers] : [])]);
}
