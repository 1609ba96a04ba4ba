import type { Logger } from 'pino';
import { POLICY_FIELD_MANAGER, POLICY_KEY, POLICY_REVISION, POLICY_TOLD_AGAIN } from '../../injector/names.ts';
import { ApiError, MERGE_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import { isLive } from './cluster-view.ts';
import type { ClusterView, PodMeta } from './cluster-view.ts';

/** Key and revision of the policy in force, as a pod's annotations say them. */
export interface Mark {
  key: string;
  revision: string;
}

/**
 * When a pod that was told should have said that it has heard, milliseconds: the kubelet takes one second, its agent one to
 * notice and one to report, and a report to another replica comes to the leader after two more.
 */
export const HEARD_AFTER = 5_000;
/** After that, the kubelet's own resync, once in a minute or so, has come or is about to. */
const TOLD_AGAIN = 3;

export interface NudgesOptions {
  /** What the processes of a pod, by its UID, say that they act on. */
  reports: (podUid: string) => readonly Mark[];
  logger: Logger;
  now: () => number;
  /** A pod, by its queue key, has been told: after `HEARD_AFTER` it is to be given to `follow`. */
  onNudge: (key: string) => void;
  /** A pod is to be told once more, by its queue key. */
  onUnheard: (key: string) => void;
}

/** What a pod was told last. */
interface Told {
  mark: Mark;
  podUid: string;
  at: number;
  times: number;
}

/**
 * Pods that are to be told of their policy, by namespace and name. A namespace is reconciled as a whole and says what its
 * pods are to be told; they are told one by one, at the pace of the queue that hands them to `nudge`, and always of what
 * was said last. Where no agent of a pod then says that it has heard, the pod is told again: a kubelet does not refresh
 * files for what comes while it is refreshing them already, nor with a ConfigMap that it has not seen yet.
 */
export class Nudges {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #options: NudgesOptions;
  readonly #wanted = new Map<string, Map<string, Mark>>();
  readonly #told = new Map<string, Told>();

  constructor(client: KubeClient, view: ClusterView, options: NudgesOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
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
    if (!mark) return this.#again(key, pod, signal);
    if (pod && isLive(pod) && !carries(pod, mark)) await this.#tell(key, pod, mark, 1, signal);
    const wanted = this.#wanted.get(namespace);
    // Something newer may have been said meanwhile.
    if (wanted?.get(name) === mark && wanted.delete(name) && wanted.size === 0) this.#wanted.delete(namespace);
  }

  /**
   * Sees to a pod that was told some time ago.
   * @returns milliseconds after which to do so again, where it was told something newer meanwhile.
   */
  follow(key: string): number | undefined {
    const told = this.#told.get(key);
    if (!told) return;
    const left = told.at + HEARD_AFTER - this.#options.now();
    if (left > 0) return left;
    if (told.times <= TOLD_AGAIN && this.#isUnheard(key, told)) this.#options.onUnheard(key);
    else this.#told.delete(key);
    return undefined;
  }

  /** One that hears is enough: the processes of a pod read the same files. Of a pod without agents nothing is known. */
  #isUnheard(key: string, { mark, podUid }: Told): boolean {
    const [namespace = '', name = ''] = key.split('/');
    const pod = this.#view.injectedPod(namespace, name);
    if (!pod || pod.metadata.uid !== podUid || !isLive(pod) || !carries(pod, mark)) return false;
    const reports = this.#options.reports(podUid);
    return reports.length > 0 && reports.every((each) => each.key !== mark.key || each.revision !== mark.revision);
  }

  async #again(key: string, pod: PodMeta | undefined, signal: AbortSignal): Promise<undefined> {
    const told = this.#told.get(key);
    if (!told) return;
    if (!pod || !this.#isUnheard(key, told)) return void this.#told.delete(key);
    const { mark, times } = told;
    this.#options.logger.info({ pod: key, ...mark, times }, 'tells a pod again: its agent has not heard');
    await this.#tell(key, pod, mark, times + 1, signal);
  }

  async #tell(key: string, pod: PodMeta, mark: Mark, times: number, signal: AbortSignal): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    const { onNudge, now } = this.#options;
    // What is written again as it is changes nothing, and the kubelet never learns of it.
    const again = times > 1 ? { [POLICY_TOLD_AGAIN]: new Date(now()).toISOString() } : {};
    const annotations = { [POLICY_KEY]: mark.key, [POLICY_REVISION]: mark.revision, ...again };
    try {
      const nudged = await this.#client.request<PodMeta>(
        'PATCH',
        `/api/v1/namespaces/${namespace}/pods/${name}/status`,
        {
          query: { fieldManager: POLICY_FIELD_MANAGER },
          contentType: MERGE_PATCH,
          body: { metadata: { uid, annotations } },
          signal,
        },
      );
      this.#view.notePod(nudged);
      this.#told.set(key, { mark, podUid: uid, at: now(), times });
      onNudge(key);
    } catch (error) {
      // Gone. Another pod of that name is a conflict by its uid, and told in its turn.
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
  }
}

function carries({ metadata: { annotations = {} } }: PodMeta, { key, revision }: Mark): boolean {
  return annotations[POLICY_KEY] === key && annotations[POLICY_REVISION] === revision;
}
