import type { Logger } from 'pino';
import type { TlsServer } from '../../webhook/tls-server.ts';
import type { KubeClient } from '../kube/client.ts';
import { Reflector } from '../kube/reflector.ts';
import type { QueueObserver } from '../kube/workqueue.ts';
import { WorkQueue } from '../kube/workqueue.ts';
import type { CertificateSource, Serving } from './certificate.ts';
import type { WebhookConfigurationKeeper } from './webhook-configuration.ts';

export interface ServingOptions {
  client: KubeClient;
  source: CertificateSource;
  configurations: Pick<WebhookConfigurationKeeper, 'ensure'>[];
  /** Objects a change of which is looked at within a second: collection and name. */
  watched: { path: string; name: string }[];
  /** The authorities that clients have to trust are others than before. */
  onAuthorities: () => void;
  /** Something that is watched has changed. */
  onChange: () => void;
  metrics: { read(): void; failed(): void; serving(end: number): void };
  observer?: QueueObserver;
  logger: Logger;
  now: () => number;
}

/** Changes that come together are looked at once. */
const SETTLE = 300;
const KEY = 'serving';

/**
 * Has the servers serve the certificate of the moment, and the API server call us. Every replica does this: none depends on
 * another to be reached.
 */
export class ServingController {
  readonly #options: ServingOptions;
  readonly #queue: WorkQueue;
  readonly #reflectors: Reflector<{ metadata: { name: string; resourceVersion: string } }>[];
  readonly #servers: TlsServer[] = [];
  #serving: Serving | undefined;
  /** The authorities of which everybody has been told. */
  #told = '';

  constructor(options: ServingOptions) {
    this.#options = options;
    const { client, watched, logger, onChange, observer } = options;
    this.#queue = new WorkQueue(() => this.reconcile(), {
      baseDelay: 200,
      maxDelay: 30_000,
      ...(observer && { observer }),
      onError: (_key, error, failures) =>
        logger.error({ failures, error: String(error) }, 'certificate or webhook configuration: trying again'),
    });
    this.#reflectors = watched.map(
      ({ path, name }) =>
        new Reflector({
          client,
          path,
          // With this the API server lets us list and watch under a rule that names this one object.
          fieldSelector: `metadata.name=${name}`,
          metadataOnly: true,
          onChange: () => {
            this.#queue.addAfter(KEY, SETTLE);
            onChange();
          },
          logger,
        }),
    );
  }

  /** PEM; empty before the first certificate. */
  get authorities(): string {
    return this.#serving?.authorities ?? '';
  }

  /** What keeps us from being trusted now, if anything does. */
  get problem(): string | undefined {
    if (!this.#serving) return 'no certificate yet';
    return this.#serving.end <= this.#options.now() ? 'the certificate has ended' : undefined;
  }

  /** Takes the first certificate, starts servers with it, and tells the API server. */
  async start(serve: (certificate: Serving) => Promise<TlsServer[]>): Promise<void> {
    const { source } = this.#options;
    const first = await source.current();
    this.#take(first);
    this.#servers.push(...(await serve(first)));
    await this.#ensure(first.authorities);
    this.#told = first.authorities;
    for (const reflector of this.#reflectors) reflector.start();
    this.#queue.start();
    this.#queue.addAfter(KEY, source.interval);
  }

  /** @returns milliseconds until it is to be looked at again. */
  async reconcile(): Promise<number> {
    const { source, metrics, onAuthorities } = this.#options;
    let current: Serving;
    try {
      current = await source.current();
    } catch (error) {
      metrics.failed();
      throw error;
    }
    const before = this.#serving;
    if (current.certificate !== before?.certificate) for (const server of this.#servers) server.setCertificate(current);
    this.#take(current);
    await this.#ensure(current.authorities);
    if (current.authorities !== this.#told) onAuthorities();
    this.#told = current.authorities;
    return source.interval;
  }

  /** Asks clients to go to other replicas. */
  drain(): void {
    for (const server of this.#servers) server.drain();
  }

  /** @param grace milliseconds that requests in flight are given. */
  async stop(grace: number): Promise<void> {
    await Promise.all([this.#queue.stop(), ...this.#reflectors.map((reflector) => reflector.stop())]);
    await Promise.all(this.#servers.map((server) => server.close(grace)));
  }

  async #ensure(authorities: string): Promise<void> {
    await Promise.all(this.#options.configurations.map((configuration) => configuration.ensure(authorities)));
  }

  #take(serving: Serving): void {
    this.#options.metrics.read();
    this.#options.metrics.serving(serving.end);
    this.#serving = serving;
  }
}
