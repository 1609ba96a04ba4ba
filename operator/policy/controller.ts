import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { OPERATOR_KEY, POLICY_CONFIG_MAP, POLICY_KEY, POLICY_REVISION } from '../../injector/names.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { policyMark, resolve } from '../../injector/resolve.ts';
import { ApiError, APPLY, MERGE_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reporting } from '../../injector/inject.ts';
import { isLive } from './cluster-view.ts';
import type { ClusterView, ConfigMap, PodMeta } from './cluster-view.ts';

/** Field manager of everything this controller applies. */
const FIELD_MANAGER = 'tracing-operator-policy';
/** Pods told at the same time; each is one small patch. */
const NUDGES_AT_ONCE = 10;

/**
 * Delivers policies to the pods of a namespace, live: writes each document that is in force for a pod of the namespace
 * into its ConfigMap, and the key and revision of the one that is into the pod's annotations. The annotation is what makes
 * the kubelet refresh the pod's files at once instead of within a minute.
 */
export class PolicyController {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #logger: Logger;
  readonly #reporting: () => Reporting;
  readonly #onNudge: () => void;

  constructor(
    client: KubeClient,
    view: ClusterView,
    options: { logger: Logger; onNudge: () => void; reporting: () => Reporting },
  ) {
    this.#client = client;
    this.#view = view;
    this.#logger = options.logger;
    this.#reporting = options.reporting;
    this.#onNudge = options.onNudge;
  }

  /** Makes one namespace as it should be. Throws where it must be tried again. */
  async reconcile(namespace: string, signal: AbortSignal): Promise<undefined> {
    const meta = this.#view.namespace(namespace);
    if (!meta || meta.metadata.deletionTimestamp) return;
    const policies = this.#view.policies(namespace);
    const pods = this.#view
      .injectedPods(namespace)
      .filter(isLive)
      .map((pod) => ({ pod, document: resolve(policies, this.#view.subject(pod)).document }));
    const documents = new Map(pods.flatMap(({ document }) => (document ? [[document.key, document] as const] : [])));
    await this.#deliver(namespace, [...documents.values()], signal);

    const behind = pods.flatMap(({ pod, document }) => {
      const mark = policyMark(document);
      const { [POLICY_KEY]: key, [POLICY_REVISION]: revision } = pod.metadata.annotations ?? {};
      return key === mark.key && revision === mark.revision ? [] : [{ pod, mark }];
    });
    for (let i = 0; i < behind.length && !signal.aborted; i += NUDGES_AT_ONCE)
      await Promise.all(behind.slice(i, i + NUDGES_AT_ONCE).map(({ pod, mark }) => this.#nudge(pod, mark, signal)));
    if (behind.length > 0) this.#logger.info({ namespace, pods: behind.length }, 'told pods of their policy');
  }

  async #deliver(namespace: string, documents: PolicyDocument[], signal: AbortSignal): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/configmaps/${POLICY_CONFIG_MAP}`;
    const existing = this.#view.configMap(namespace);
    if (documents.length === 0) {
      if (existing) await ignoring(404, this.#client.request('DELETE', path, { signal }));
      return;
    }
    const data: Record<string, string> = { [OPERATOR_KEY]: JSON.stringify(this.#reporting()) };
    for (const document of documents) data[document.key] = JSON.stringify(document);
    if (existing && isDeepStrictEqual(existing.data, data)) return;
    const applied = await this.#client.request<ConfigMap>('PATCH', path, {
      query: { fieldManager: FIELD_MANAGER, force: true },
      contentType: APPLY,
      body: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: {
          name: POLICY_CONFIG_MAP,
          namespace,
          labels: { 'app.kubernetes.io/managed-by': 'tracing-operator' },
        },
        data,
      },
      signal,
    });
    this.#view.noteConfigMap(applied);
    this.#logger.info(
      { namespace, policies: documents.map(({ key, revision }) => `${key}@${revision}`) },
      'wrote policies',
    );
  }

  /**
   * Patches annotations through `pods/status`: it reaches metadata too, can change nothing in spec, and passes by
   * admission webhooks that match pods alone.
   */
  async #nudge(pod: PodMeta, mark: { key: string; revision: string }, signal: AbortSignal): Promise<void> {
    const { namespace, name } = pod.metadata;
    const annotations = { [POLICY_KEY]: mark.key, [POLICY_REVISION]: mark.revision };
    const nudged = await ignoring(
      404,
      this.#client.request<PodMeta>('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
        query: { fieldManager: FIELD_MANAGER },
        contentType: MERGE_PATCH,
        body: { metadata: { annotations } },
        signal,
      }),
    );
    if (!nudged) return;
    this.#view.notePod(nudged);
    this.#onNudge();
  }
}

/** A thing that is gone needs no more done to it. */
async function ignoring<T>(status: number, request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiError && error.status === status) return undefined;
    throw error;
  }
}
