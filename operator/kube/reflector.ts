import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import { ApiError } from './client.ts';
import type { KubeClient } from './client.ts';

/** What every object in a store has. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    resourceVersion: string;
    managedFields?: unknown;
    [key: string]: unknown;
  };
}

export interface ReflectorOptions<T extends KubeObject> {
  client: KubeClient;
  /** Collection, e.g. `/api/v1/pods`. */
  path: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Only apiVersion, kind and metadata are sent. */
  metadataOnly?: boolean;
  /** Drops what is not needed before an object is kept. managedFields always goes. */
  prune?: (object: T) => T;
  onChange: (object: T, previous: T | undefined, deleted: boolean) => void;
  logger: Logger;
  /** Delay before a failed list or watch is tried again, milliseconds: the first, and the most. */
  baseDelay?: number;
  maxDelay?: number;
}

interface WatchEvent<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: T & { code?: number; message?: string };
}

const PARTIAL = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
/**
 * Objects in one answer to a list. A page is in memory as text and parsed, and whole pods are 10 kB each: pages of 500 made
 * a start take more memory than all that is kept needs. Smaller ones than these only take longer.
 */
const PAGE = 250;
const PARTIAL_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/**
 * Keeps a copy of a collection current: lists it in pages, then watches from there. client-node's informer ends on any
 * error but 410 and says it has started before its first list succeeded, so this is client-go's Reflector in small:
 * bookmarks, a server timeout drawn from 5–10 minutes, a new list on 410, jittered backoff, `synced` after the first
 * whole list.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #store = new Map<string, T>();
  readonly #stop = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  #hasSynced = false;
  #version = '';
  #running: Promise<void> | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  /** Resolves when the first list is in the store. Never rejects: the reflector goes on trying. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  get path(): string {
    return this.#options.path;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  values(): IterableIterator<T> {
    return this.#store.values();
  }

  /**
   * Takes in what the API server answered to a write of ours, so that work does not go by the state before it until the
   * watch has caught up. The watch will bring the same version again, which then is no change. What the store does not
   * have, or has in a newer version, is left to the watch.
   */
  note(object: T): void {
    const stored = this.#store.get(keyOf(object));
    if (stored && Number(object.metadata.resourceVersion) > Number(stored.metadata.resourceVersion)) this.#put(object);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, path } = this.#options;
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#version === '') await this.#list();
        await this.#watch(() => {
          if (failures > 0) logger.info({ path, failures }, 'list and watch work again');
          failures = 0;
        });
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (this.#version !== '' && error instanceof ApiError && (error.status === 410 || error.reason === 'Expired')) {
          logger.info({ path }, 'watch has expired: listing again');
          this.#version = '';
          continue;
        }
        failures++;
        logger.warn({ path, failures, error: String(error) }, 'list or watch failed: trying again');
        await this.#pause(failures, error instanceof ApiError ? error.retryAfterSeconds : undefined);
      }
    }
  }

  async #pause(failures: number, retryAfterSeconds = 0): Promise<void> {
    const { baseDelay = 500, maxDelay = 30_000 } = this.#options;
    const delay = Math.min(baseDelay * 2 ** (failures - 1), maxDelay) * (0.5 + Math.random());
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(delay, retryAfterSeconds * 1000));
      this.#stop.signal.addEventListener('abort', done);
    });
  }

  async #list(): Promise<void> {
    const { client, path, labelSelector, fieldSelector, metadataOnly } = this.#options;
    const seen = new Set<string>();
    let version = '';
    let next: string | undefined;
    do {
      const page: { metadata: { resourceVersion: string; continue?: string }; items: T[] | null } =
        await client.request('GET', path, {
          query: { labelSelector, fieldSelector, limit: PAGE, continue: next },
          accept: metadataOnly ? `${PARTIAL_LIST},application/json` : 'application/json',
          signal: this.#stop.signal,
        });
      // A list of metadata without items says null.
      for (const object of page.items ?? []) seen.add(this.#put(object));
      version = page.metadata.resourceVersion;
      next = page.metadata.continue || undefined;
    } while (next);
    for (const [key, object] of this.#store) if (!seen.has(key)) this.#remove(key, object);
    this.#version = version;
    this.#hasSynced = true;
    this.#synced.resolve();
  }

  /** @param onHealthy called when something came over the watch: a failure after that is the first one again. */
  async #watch(onHealthy: () => void): Promise<void> {
    const { client, path, labelSelector, fieldSelector, metadataOnly } = this.#options;
    const timeoutSeconds = 300 + Math.floor(Math.random() * 300);
    const began = performance.now();
    // The server ends the watch; where the connection has died unseen, this does.
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout((timeoutSeconds + 30) * 1000)]);
    const response = await client.stream(path, {
      query: {
        labelSelector,
        fieldSelector,
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: this.#version,
        timeoutSeconds,
      },
      accept: metadataOnly ? `${PARTIAL},application/json` : 'application/json',
      signal,
    });
    try {
      for await (const line of lines(response)) {
        this.#handle(JSON.parse(line) as WatchEvent<T>);
        onHealthy();
      }
    } finally {
      response.destroy();
    }
    // Only a whole response is a watch that ran its time.
    if (this.#stop.signal.aborted) return;
    if (!response.complete) throw new Error('the watch was cut');
    if (performance.now() - began < 1000) throw new Error('the watch ended within a second');
    onHealthy();
  }

  #handle({ type, object }: WatchEvent<T>): void {
    switch (type) {
      case 'ERROR':
        throw new ApiError('WATCH', this.#options.path, object.code ?? 500, 'WatchError', object.message ?? '');
      case 'BOOKMARK':
        break;
      case 'DELETED':
        this.#remove(keyOf(object), object);
        break;
      case 'ADDED':
      case 'MODIFIED':
        this.#put(object);
        break;
    }
    this.#version = object.metadata.resourceVersion;
  }

  #put(object: T): string {
    const key = keyOf(object);
    const previous = this.#store.get(key);
    if (previous?.metadata.resourceVersion === object.metadata.resourceVersion) return key;
    delete object.metadata.managedFields;
    const kept = this.#options.prune?.(object) ?? object;
    this.#store.set(key, kept);
    this.#options.onChange(kept, previous, false);
    return key;
  }

  #remove(key: string, object: T): void {
    const previous = this.#store.get(key);
    this.#store.delete(key);
    this.#options.onChange(previous ?? object, previous, true);
  }
}

/** `namespace/name`, or the name alone for what has no namespace. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** Lines of a response. node:readline is no use here: its iterator never ends when the connection breaks. */
async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!;
    yield* parts.filter((line) => line !== '');
  }
}
