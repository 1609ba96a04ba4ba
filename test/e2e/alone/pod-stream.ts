import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError } from '../../../operator/kube/client.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';

/** A pod as it was made. */
export interface Made {
  name: string;
  /** Milliseconds of performance.now(): when the request was sent that made it, and when the answer came. */
  sent: number;
  answered: number;
  injected: boolean;
}

interface Pod {
  metadata: { name: string; labels?: Record<string, string> };
}

/** How soon somebody who was not answered asks again. */
const RETRY_MS = 100;

/**
 * Makes pods at a steady rate, whatever happens. Where the API server is away it behaves as a controller behind a load
 * balancer does: nothing is sent until it is ready, and then what was not answered is sent again. Any answer that refuses a
 * pod is a failure.
 */
export class PodStream {
  readonly made: Made[] = [];
  /** Requests that were refused. */
  readonly failures: string[] = [];
  /** Requests that were not answered at all, and sent again. */
  unanswered = 0;
  readonly #client: KubeClient;
  readonly #pods: string;
  readonly #body: (name: string) => unknown;
  readonly #flying = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  /** While the API server is away: until it is back. */
  #away: Promise<void> | undefined;
  #count = 0;

  constructor(client: KubeClient, namespace: string, body: (name: string) => unknown) {
    this.#client = client;
    this.#pods = `/api/v1/namespaces/${namespace}/pods`;
    this.#body = body;
  }

  start(perSecond: number): void {
    this.#timer = setInterval(() => {
      const name = `pod-${String(++this.#count).padStart(5, '0')}`;
      const flight = this.#make(name)
        .catch((error: unknown) => void this.failures.push(`${name}: ${String(error)}`))
        .finally(() => this.#flying.delete(flight));
      this.#flying.add(flight);
    }, 1000 / perSecond);
  }

  /** Makes no more, and resolves when all requests have been answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#flying);
  }

  async #make(name: string): Promise<void> {
    for (;;) {
      await this.#away;
      const sent = performance.now();
      try {
        const pod = await this.#client.request<Pod>('POST', this.#pods, { body: this.#body(name), timeout: 15_000 });
        return this.#add(pod, sent);
      } catch (error) {
        // It was made, and the answer was lost.
        if (error instanceof ApiError && error.reason === 'AlreadyExists')
          return this.#add(await this.#client.request<Pod>('GET', `${this.#pods}/${name}`), sent);
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) throw error;
        this.unanswered++;
        this.#away ??= this.#ready().finally(() => (this.#away = undefined));
      }
    }
  }

  #add({ metadata: { name, labels } }: Pod, sent: number): void {
    const injected = labels?.['tracing.acme/injected'] === 'true';
    this.made.push({ name, sent, answered: performance.now(), injected });
  }

  async #ready(): Promise<void> {
    const ask = () => this.#client.stream('/readyz', { signal: AbortSignal.timeout(2_000) });
    for (;;) {
      await sleep(RETRY_MS);
      const answer = await ask().catch(() => undefined);
      answer?.destroy();
      if (answer) return;
    }
  }
}
