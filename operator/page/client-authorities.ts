import type { Logger } from 'pino';
import type { KubeClient } from '../kube/client.ts';

/** Where every cluster publishes whose certificates its API server takes for users. */
const PATH = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
/** Milliseconds between two looks. */
const INTERVAL = 600_000;

/** The authorities by which the API server knows users with certificates, so that the page knows them as well. */
export class ClientAuthorities {
  readonly #client: Pick<KubeClient, 'request'>;
  readonly #logger: Logger;
  #pem: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(client: Pick<KubeClient, 'request'>, logger: Logger) {
    this.#client = client;
    this.#logger = logger;
  }

  /** PEM; undefined where users have tokens alone, or nothing is known. */
  get pem(): string | undefined {
    return this.#pem;
  }

  async read(): Promise<void> {
    try {
      const { data } = await this.#client.request<{ data?: Record<string, string> }>('GET', PATH, { timeout: 5_000 });
      this.#pem = data?.['client-ca-file'] || undefined;
    } catch (error) {
      // What is known stands.
      this.#logger.info({ error: String(error) }, 'the coverage page does not learn which certificates users have');
    }
  }

  /** Looks again and again; `onChange` when there are others. */
  keep(onChange: () => void): void {
    this.#timer = setInterval(() => {
      const before = this.#pem;
      void this.read().then(() => {
        if (this.#pem !== before) onChange();
      });
    }, INTERVAL);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
