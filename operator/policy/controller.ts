import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { OPERATOR_KEY, POLICY_CONFIG_MAP, POLICY_FIELD_MANAGER } from '../../injector/names.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { policyMark, resolver } from '../../injector/resolve.ts';
import { APPLY, ignoring } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reporting } from '../../injector/inject.ts';
import type { OwnerReference } from '../installation.ts';
import { belongsTo } from '../installation.ts';
import { OWNED } from '../owned.ts';
import { isLive } from './cluster-view.ts';
import type { ClusterView, ConfigMap, PodMeta } from './cluster-view.ts';
import type { Mark, Nudges } from './nudges.ts';

export interface PolicyControllerOptions {
  logger: Logger;
  reporting: () => Reporting;
  /** Of the ConfigMaps. */
  owners: () => OwnerReference[];
  nudges: Nudges;
  /** Has a pod told of its policy, by its queue key. */
  onBehind: (key: string) => void;
}

/**
 * Delivers policies to the pods of a namespace, live: writes each document that is in force for a pod of the namespace
 * into its ConfigMap, and has the pods told which one is, in their annotations. That is what makes the kubelet refresh a
 * pod's files at once instead of within a minute.
 */
export class PolicyController {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #options: PolicyControllerOptions;

  constructor(client: KubeClient, view: ClusterView, options: PolicyControllerOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  /** Makes one namespace as it should be, but for what its pods are told one by one. Throws where it must be tried again. */
  async reconcile(namespace: string, signal: AbortSignal): Promise<undefined> {
    const { nudges, onBehind, logger } = this.#options;
    const meta = this.#view.namespace(namespace);
    const marks = new Map<PodMeta, Mark>();
    // What is in a namespace that is going goes with it, and nothing more may be made there.
    if (!meta || meta.metadata.deletionTimestamp) return void nudges.want(namespace, marks);
    const resolve = resolver(this.#view.policies(namespace), { namespace, namespaceLabels: meta.metadata.labels });
    const documents = new Map<string, PolicyDocument>();
    for (const pod of this.#view.injectedPods(namespace)) {
      if (!isLive(pod)) continue;
      const { document } = resolve(pod.metadata);
      if (document) documents.set(document.key, document);
      marks.set(pod, policyMark(document));
    }
    await this.#deliver(namespace, [...documents.values()], signal);
    const behind = nudges.want(namespace, marks);
    for (const key of behind) onBehind(key);
    if (behind.length > 0) logger.info({ namespace, pods: behind.length }, 'tells pods of their policy');
  }

  async #deliver(namespace: string, documents: PolicyDocument[], signal: AbortSignal): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/configmaps/${POLICY_CONFIG_MAP}`;
    const existing = this.#view.configMap(namespace);
    const isRemembered = this.#view.outages(namespace).length > 0 || this.#view.restarts(namespace).length > 0;
    if (documents.length === 0 && !(existing && isRemembered)) {
      if (existing) await ignoring(404, this.#client.request('DELETE', path, { signal }));
      return;
    }
    const data: Record<string, string> = {};
    for (const document of documents) data[document.key] = JSON.stringify(document);
    if (documents.length > 0) data[OPERATOR_KEY] = JSON.stringify(this.#options.reporting());
    const ownerReferences = this.#options.owners();
    const isOurs = existing && isOwned(existing) && belongsTo(existing.metadata, ownerReferences);
    if (isOurs && isDeepStrictEqual(existing.data ?? {}, data)) return;
    const applied = await this.#client.request<ConfigMap>('PATCH', path, {
      query: { fieldManager: POLICY_FIELD_MANAGER, force: true },
      contentType: APPLY,
      body: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: POLICY_CONFIG_MAP, namespace, labels: OWNED, ownerReferences },
        data,
      },
      signal,
    });
    this.#view.noteConfigMap(applied);
    this.#options.logger.info(
      { namespace, policies: documents.map(({ key, revision }) => `${key}@${revision}`) },
      'wrote policies',
    );
  }
}

function isOwned({ metadata }: ConfigMap): boolean {
  return Object.entries(OWNED).every(([name, value]) => metadata.labels?.[name] === value);
}
