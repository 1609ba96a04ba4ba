import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { NAMESPACE_LABEL } from '../../injector/names.ts';
import { selectsNamespace } from '../../injector/resolve.ts';
import { JSON_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ClusterView } from './cluster-view.ts';

interface Requirement {
  key: string;
  operator: string;
  values?: string[];
}

interface WebhookConfiguration {
  metadata: { resourceVersion: string };
  webhooks?: { name: string; namespaceSelector?: { matchExpressions?: Requirement[] } }[];
}

const WEBHOOK = 'policies.tracing.acme';
const NAME = 'kubernetes.io/metadata.name';

/**
 * Keeps the webhook entry for policies with `injection: All` to the namespaces that have one, so that the API server
 * sends us no other pods. The list is in our own webhook's namespaceSelector: no Namespace is ever written to.
 */
export class InjectionScope {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #options: { configuration: string; excluded: string[]; logger: Logger };

  constructor(
    client: KubeClient,
    view: ClusterView,
    options: { configuration: string; excluded: string[]; logger: Logger },
  ) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  async reconcile(signal: AbortSignal): Promise<undefined> {
    const { configuration, logger } = this.#options;
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${configuration}`;
    const { metadata, webhooks = [] } = await this.#client.request<WebhookConfiguration>('GET', path, { signal });
    const index = webhooks.findIndex(({ name }) => name === WEBHOOK);
    if (index < 0) throw new Error(`${configuration} has no webhook ${WEBHOOK}: install the chart again`);
    const wanted = this.requirements();
    if (isDeepStrictEqual(webhooks[index]?.namespaceSelector?.matchExpressions, wanted)) return;
    await this.#client.request('PATCH', path, {
      contentType: JSON_PATCH,
      body: [
        { op: 'test', path: '/metadata/resourceVersion', value: metadata.resourceVersion },
        { op: 'add', path: `/webhooks/${index}/namespaceSelector`, value: { matchExpressions: wanted } },
      ],
      signal,
    });
    logger.info({ namespaces: wanted[0]?.values }, 'policies inject all pods of these namespaces');
  }

  /**
   * The webhook's namespaceSelector. A cluster policy for all namespaces is said as such, not as a list: a pod may be
   * made in a namespace that is newer than the last list. Namespaces with a label of their own have another entry, or
   * have opted out.
   */
  requirements(): Requirement[] {
    const labelled = { key: NAMESPACE_LABEL, operator: 'NotIn', values: ['true', 'false'] };
    const everywhere = this.#view
      .policies('')
      .cluster.some(({ spec }) => injectsAll(spec) && isEmpty(spec.namespaceSelector));
    if (everywhere) return [{ key: NAME, operator: 'NotIn', values: this.#options.excluded }, labelled];
    const listed: string[] = [];
    for (const { metadata } of this.#view.namespaces()) {
      if (this.#options.excluded.includes(metadata.name)) continue;
      const { namespaced, cluster } = this.#view.policies(metadata.name);
      const all =
        namespaced.some(({ spec }) => injectsAll(spec)) ||
        cluster.some((policy) => injectsAll(policy.spec) && selectsNamespace(policy, metadata.labels));
      if (all) listed.push(metadata.name);
    }
    // A selector needs a value: no namespace has an empty name.
    return [{ key: NAME, operator: 'In', values: listed.length > 0 ? listed.sort() : [''] }, labelled];
  }
}

function injectsAll({
  injection,
  enabled,
}: {
  injection?: string | undefined;
  enabled?: boolean | undefined;
}): boolean {
  return injection === 'All' && enabled !== false;
}

function isEmpty(
  selector: { matchLabels?: object | undefined; matchExpressions?: unknown[] | undefined } | undefined,
): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0;
}
