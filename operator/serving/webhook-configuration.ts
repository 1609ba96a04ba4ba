import type { Logger } from 'pino';
import { ApiError, APPLY, JSON_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import { CLUSTER_ROLES, ownedBy } from '../installation.ts';

interface WebhookConfiguration {
  metadata: { resourceVersion: string };
  webhooks?: { name: string; clientConfig: { caBundle?: string } }[];
}

export interface WebhookConfigurationOptions {
  /** The MutatingWebhookConfiguration as the chart makes it, Helm's labels and annotations included. */
  manifest: { metadata: { name: string; [key: string]: unknown }; [key: string]: unknown };
  /** A ClusterRole that is there for as long as the chart is installed. */
  owner: string;
  /** Somebody else, such as cert-manager's injector, writes the CA bundle. */
  bundleIsForeign?: boolean;
  logger: Logger;
}

export const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
/** Helm's own field manager: what we put back is Helm's as it was before, so that the next upgrade meets no conflict. */
const HELM = 'helm';

/** Keeps the chart's webhook configuration there and pointing at us: our CA bundle in each webhook, and put back when it was deleted. */
export class WebhookConfigurationKeeper {
  readonly #client: KubeClient;
  readonly #options: WebhookConfigurationOptions;
  readonly #path: string;

  constructor(client: KubeClient, options: WebhookConfigurationOptions) {
    this.#client = client;
    this.#options = options;
    this.#path = `${CONFIGURATIONS}/${options.manifest.metadata.name}`;
  }

  /** @param authorities PEM. */
  async ensure(authorities: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#ensure(authorities);
      } catch (error) {
        // Somebody wrote at the same time, another replica as like as not: 422 is a failed test of the version.
        if (!(error instanceof ApiError) || ![409, 422].includes(error.status) || attempt === 5) throw error;
      }
    }
  }

  async #ensure(authorities: string): Promise<void> {
    const { logger, bundleIsForeign, manifest } = this.#options;
    const configuration = await this.#get<WebhookConfiguration>(this.#path);
    if (!configuration) return this.#recreate(authorities);
    if (bundleIsForeign) return;
    const caBundle = Buffer.from(authorities).toString('base64');
    const patch = (configuration.webhooks ?? []).flatMap(({ clientConfig }, i) =>
      clientConfig.caBundle === caBundle
        ? []
        : [{ op: 'add', path: `/webhooks/${i}/clientConfig/caBundle`, value: caBundle }],
    );
    if (patch.length === 0) return;
    const guard = { op: 'test', path: '/metadata/resourceVersion', value: configuration.metadata.resourceVersion };
    await this.#client.request('PATCH', this.#path, { body: [guard, ...patch], contentType: JSON_PATCH });
    logger.info({ configuration: manifest.metadata.name }, 'wrote the CA bundle');
  }

  /**
   * `helm uninstall` deletes it too, a moment before us. So what is put back belongs to a ClusterRole of the chart: where
   * that is gone nothing is put back, and where it goes next, the garbage collector takes this along.
   */
  async #recreate(authorities: string): Promise<void> {
    const { manifest, owner, logger } = this.#options;
    const role = await this.#get<{ metadata: { name: string; uid: string } }>(`${CLUSTER_ROLES}/${owner}`);
    if (!role) return;
    await this.#client.request('PATCH', this.#path, {
      query: { fieldManager: HELM, force: true },
      contentType: APPLY,
      body: {
        ...manifest,
        metadata: { ...manifest.metadata, ownerReferences: [ownedBy(role)] },
      },
    });
    logger.warn({ configuration: manifest.metadata.name }, 'the webhook configuration was deleted: put back');
    await this.#ensure(authorities);
  }

  async #get<T>(path: string): Promise<T | undefined> {
    try {
      return await this.#client.request<T>('GET', path);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }
}
