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
/** What is watched closely is written again when it is so old. */
const WATCHED = 2_000;
/** Numbers that run are written again when they are so old, at the earliest. */
const NUMBERS = 300_000;

export interface DigestOptions {
  reports: (podUid: string) => KeptReport[];
  /** Milliseconds since 1970. */
  now: () => number;
  /** Called with a namespace of which there is something new to be written. */
  onNews: (namespace: string) => void;
  /** Whether somebody watches a workload of a namespace closely, for a while (injector/override.ts). */
  isWatched: (namespace: string) => boolean;
}

/** What stands in a namespace. */
interface Written {
  /** When it was written, and when it was last found that it is what there is to say. */
  at: number;
  checkedAt: number;
  digests: Map<string, Digest>;
  owner: string;
}

/**
 * Keeps what the agents of a namespace say, workload by workload, in a ConfigMap there, for `kubectl tracing explain`: so whoever
 * may look at the namespace may read it, and nobody else. No pod mounts it. It goes with the ConfigMap of policies.
 */
export class DigestController {
  readonly #client: Pick<KubeClient, 'request'>;
  readonly #view: Pick<ClusterView, 'namespace' | 'configMap' | 'injectedPods'>;
  readonly #options: DigestOptions;
  readonly #written = new Map<string, Written>();

  constructor(
    client: Pick<KubeClient, 'request'>,
    view: Pick<ClusterView, 'namespace' | 'configMap' | 'injectedPods'>,
    options: DigestOptions,
  ) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  /** Namespaces in which something was written. */
  known(): string[] {
    return [...this.#written.keys()];
  }

  /** Of the namespaces whose numbers are old enough to be written again so many, those first that have waited longest. */
  due(most: number): string[] {
    const latest = this.#options.now() - NUMBERS;
    return [...this.#written]
      .filter(([, { checkedAt }]) => checkedAt <= latest)
      .sort(([, a], [, b]) => a.checkedAt - b.checkedAt)
      .slice(0, most)
      .map(([namespace]) => namespace);
  }

  /** Sees whether there is something new, and no more than that. @returns after how many milliseconds to come again for it. */
  look(namespace: string): number | undefined {
    const found = this.#find(namespace);
    const isWatched = this.#options.isWatched(namespace);
    const again = isWatched ? WATCHED : undefined;
    const matters = isWatched ? everything : facts;
    if (!found || (found.before && isDeepStrictEqual(matters(found.before.digests), matters(found.digests))))
      return again;
    if (found.wait > 0) return found.wait;
    this.#options.onNews(namespace);
    return again;
  }

  /** Writes what there is to say, unless that is what stands there. @returns after how many milliseconds to come again. */
  async write(namespace: string, signal: AbortSignal): Promise<number | undefined> {
    const found = this.#find(namespace);
    if (!found) return undefined;
    const { before, digests, owner, wait } = found;
    const now = this.#options.now();
    if (before && isDeepStrictEqual(everything(before.digests), everything(digests))) {
      before.checkedAt = now;
      return undefined;
    }
    if (wait > 0) return wait;
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
    this.#written.set(namespace, { at: now, checkedAt: now, digests, owner });
    return undefined;
  }

  /** What there is to say, and what stands there. Undefined: nothing is to be said, and nothing stands there. */
  #find(
    namespace: string,
  ): { digests: Map<string, Digest>; owner: string; before: Written | undefined; wait: number } | undefined {
    const { now, reports } = this.#options;
    const meta = this.#view.namespace(namespace);
    const owner = this.#view.configMap(namespace)?.metadata.uid;
    if (!meta || meta.metadata.deletionTimestamp || owner === undefined) return void this.#written.delete(namespace);
    const digests = digestsOf(this.#view.injectedPods(namespace), reports, now());
    const known = this.#written.get(namespace);
    if (!known && digests.size === 0) return undefined;
    // It went with the owner that it had.
    const before = known?.owner === owner ? known : undefined;
    const pause = this.#options.isWatched(namespace) ? WATCHED : NEWS;
    return { digests, owner, before, wait: before ? before.at + pause - now() : 0 };
  }
}

/** Numbers run all the time; that there is any of something, as the first span that arrived or was lost, is news. */
function facts(digests: Map<string, Digest>): unknown[] {
  return [...digests].map(([key, { facts, numbers }]) => [key, facts, some(numbers.spans)]);
}

function some(counts: Record<string, number>): string[] {
  return Object.keys(counts).filter((name) => counts[name]! > 0);
}

function everything(digests: Map<string, Digest>): unknown[] {
  return [...digests].map(([key, { facts, numbers }]) => [key, facts, numbers]);
}
