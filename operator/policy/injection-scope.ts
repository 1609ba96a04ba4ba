import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { NAMESPACE_LABEL } from '../../injector/names.ts';
import { selectsNamespace } from '../../injector/resolve.ts';
import { ApiError, APPLY } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import { OWNED } from '../owned.ts';
import type { Reach, Requirement } from '../reach.ts';
import { NAME_LABEL, reaches, reachRequirements } from '../reach.ts';
import { CONFIGURATIONS } from '../serving/webhook-configuration.ts';
import type { ClusterView } from './cluster-view.ts';

interface WebhookConfiguration {
  metadata: { uid: string };
  webhooks?: Webhook[];
}

interface Webhook {
  name: string;
  clientConfig: { caBundle?: string };
  namespaceSelector?: { matchExpressions?: Requirement[] };
  matchConditions?: { name: string; expression: string }[];
  [key: string]: unknown;
}

export interface InjectionScopeOptions {
  /** The chart's MutatingWebhookConfiguration; ours has its name and `-policies` behind. */
  configuration: string;
  reach: Reach;
  logger: Logger;
}

const FIELD_MANAGER = 'tracing-operator-scope';
/** The chart's webhook for pods, from which ours differs in the pods it is sent. */
const LIKE = 'pods.tracing.acme';
const WEBHOOK = 'policies.tracing.acme';
/** Its condition that counts for ours as well. */
const NOT_INJECTED = 'not-injected';

/**
 * Has the API server send us the pods of namespaces in which a policy has `injection: All`, and no others. The list is
 * the namespaceSelector of a webhook configuration of our own: no Namespace is written to, and Helm or a GitOps tool that
 * applies the chart has nothing to put back. It is there while such a policy is, and goes with the chart's, its owner.
 */
export class InjectionScope {
  readonly #client: KubeClient;
  readonly #view: ClusterView;
  readonly #options: InjectionScopeOptions;

  constructor(client: KubeClient, view: ClusterView, options: InjectionScopeOptions) {
    this.#client = client;
    this.#view = view;
    this.#options = options;
  }

  async reconcile(signal: AbortSignal): Promise<undefined> {
    const { configuration, logger } = this.#options;
    const name = `${configuration}-policies`;
    const path = `${CONFIGURATIONS}/${name}`;
    const existing = await this.#get(name, signal);
    const requirements = this.requirements();
    if (!requirements) {
      if (!existing) return;
      await this.#client.request('DELETE', path, { signal });
      logger.info('no policy injects all pods any more');
      return;
    }
    const chart = await this.#get(configuration, signal);
    const like = chart?.webhooks?.find((webhook) => webhook.name === LIKE);
    if (!chart || !like) throw new Error(`${configuration} has no webhook ${LIKE}: install the chart again`);
    const wanted: Webhook = {
      ...like,
      name: WEBHOOK,
      matchConditions: [
        {
          name: 'not-annotated',
          expression: `!has(object.metadata.annotations) || !('${NAMESPACE_LABEL}' in object.metadata.annotations)`,
        },
        ...(like.matchConditions ?? []).filter(({ name: condition }) => condition === NOT_INJECTED),
      ],
      namespaceSelector: { matchExpressions: requirements },
    };
    if (isDeepStrictEqual(existing?.webhooks, [wanted])) return;
    await this.#client.request('PATCH', path, {
      query: { fieldManager: FIELD_MANAGER, force: true },
      contentType: APPLY,
      body: {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'MutatingWebhookConfiguration',
        metadata: {
          name,
          labels: OWNED,
          ownerReferences: [
            {
              apiVersion: 'admissionregistration.k8s.io/v1',
              kind: 'MutatingWebhookConfiguration',
              name: configuration,
              uid: chart.metadata.uid,
            },
          ],
        },
        webhooks: [wanted],
      },
      signal,
    });
    logger.info({ namespaces: requirements[0] }, 'policies inject all pods of these namespaces');
  }

  /**
   * The namespaces, as a selector; undefined where there are none. A cluster policy for all namespaces is said as such, not
   * as a list: a pod may be made in a namespace that is newer than the last list. Namespaces with a label of their own
   * have another webhook, or have opted out.
   */
  requirements(): Requirement[] | undefined {
    const { reach } = this.#options;
    const labelled = { key: NAMESPACE_LABEL, operator: 'NotIn', values: ['true', 'false'] };
    const everywhere = this.#view
      .policies('')
      .cluster.some(({ spec }) => injectsAll(spec) && isEmpty(spec.namespaceSelector));
    if (everywhere) return [...reachRequirements(reach), labelled];
    const listed: string[] = [];
    for (const { metadata } of this.#view.namespaces()) {
      if (!reaches(reach, metadata.name)) continue;
      const { namespaced, cluster } = this.#view.policies(metadata.name);
      const all =
        namespaced.some(({ spec }) => injectsAll(spec)) ||
        cluster.some((policy) => injectsAll(policy.spec) && selectsNamespace(policy, metadata.labels));
      if (all) listed.push(metadata.name);
    }
    return listed.length > 0 ? [{ key: NAME_LABEL, operator: 'In', values: listed.sort() }, labelled] : undefined;
  }

  async #get(name: string, signal: AbortSignal): Promise<WebhookConfiguration | undefined> {
    try {
      return await this.#client.request<WebhookConfiguration>('GET', `${CONFIGURATIONS}/${name}`, { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
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
