import { POLICY_KEY, POLICY_REVISION } from '../../injector/names.ts';
import { ApiError, MERGE_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import { isLive } from './cluster-view.ts';
import type { ClusterView, PodMeta } from './cluster-view.ts';

/** Key and revision of the policy in force, as a pod's annotations say them. */
export interface Mark {
  key: string;
  revision: string;
}

const FIELD_MANAGER = 'tracing-operator-policy';

/**
 * Pods that are to be told of their policy, by namespace and name. A namespace is reconciled as a whole and says what its
 * pods are to be told; they are told one by one, at the pace of the queue that hands them to `nudge`, and always of what
 * was said last.
 */
export class Nudges {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #onNudge: () => void;
  readonly #wanted = new Map<string, Map<string, Mark>>();

  constructor(client: KubeClient, view: ClusterView, onNudge: () => void) {
    this.#client = client;
    this.#view = view;
    this.#onNudge = onNudge;
  }

  /**
   * Takes what the pods of a namespace should carry. Only to be said of policies that are in its ConfigMap: a pod that is
   * told before that would find nothing, and look again in a minute.
   * @returns queue keys of the pods that have yet to be told so.
   */
  want(namespace: string, marks: Map<PodMeta, Mark>): string[] {
    const before = this.#wanted.get(namespace);
    const after = new Map<string, Mark>();
    const added: string[] = [];
    for (const [pod, mark] of marks) {
      if (carries(pod, mark)) continue;
      const { name } = pod.metadata;
      const known = before?.get(name);
      const same = known?.key === mark.key && known.revision === mark.revision;
      if (!same) added.push(`${namespace}/${name}`);
      after.set(name, same ? known : mark);
    }
    if (after.size > 0) this.#wanted.set(namespace, after);
    else this.#wanted.delete(namespace);
    return added;
  }

  /**
   * Tells one pod, by patching its annotations through `pods/status`: that reaches metadata too, can change nothing in spec,
   * and passes by admission webhooks that match pods alone.
   */
  async nudge(key: string, signal: AbortSignal): Promise<undefined> {
    const [namespace = '', name = ''] = key.split('/');
    const mark = this.#wanted.get(namespace)?.get(name);
    const pod = this.#view.injectedPod(namespace, name);
    if (!mark) return;
    if (pod && isLive(pod) && !carries(pod, mark)) await this.#patch(pod, mark, signal);
    const wanted = this.#wanted.get(namespace);
    // Something newer may have been said meanwhile.
    if (wanted?.get(name) === mark && wanted.delete(name) && wanted.size === 0) this.#wanted.delete(namespace);
  }

  async #patch({ metadata: { namespace, name, uid } }: PodMeta, mark: Mark, signal: AbortSignal): Promise<void> {
    const annotations = { [POLICY_KEY]: mark.key, [POLICY_REVISION]: mark.revision };
    try {
      const nudged = await this.#client.request<PodMeta>(
        'PATCH',
        `/api/v1/namespaces/${namespace}/pods/${name}/status`,
        {
          query: { fieldManager: FIELD_MANAGER },
          contentType: MERGE_PATCH,
          body: { metadata: { uid, annotations } },
          signal,
        },
      );
      this.#view.notePod(nudged);
      this.#onNudge();
    } catch (error) {
      // Gone. Another pod of that name is a conflict by its uid, and told in its turn.
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
  }
}

function carries({ metadata: { annotations = {} } }: PodMeta, { key, revision }: Mark): boolean {
  return annotations[POLICY_KEY] === key && annotations[POLICY_REVISION] === revision;
}
