import type { Logger } from 'pino';
import type { KubeClient } from '../kube/client.ts';
import { ApiError } from '../kube/client.ts';
import type { KubeObject } from '../kube/reflector.ts';
import { Reflector } from '../kube/reflector.ts';
import type { Seen, Watched } from './system.ts';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
/** A definition is there a moment before the API server serves it. */
const RETRY = 1_000;
const TRIES = 30;

export interface IntegrationViewOptions {
  watched: readonly Watched[];
  logger: Logger;
  /** Something changed that plans go by: in one namespace, or where that cannot be said, in any. */
  onChange: (namespace: string | undefined) => void;
}

interface Collection {
  watched: Watched;
  version: string;
  reflector: Reflector<KubeObject>;
  byNamespace: Map<string, Map<string, KubeObject>>;
}

/**
 * What of other systems is in the cluster. Which of their collections are served is asked anew whenever a
 * CustomResourceDefinition comes, changes or goes, so that what is installed later is found without a restart; those that
 * are served are watched.
 */
export class IntegrationView implements Seen {
  readonly #client: KubeClient;
  readonly #options: IntegrationViewOptions;
  readonly #definitions: Reflector<KubeObject>;
  readonly #collections = new Map<string, Collection>();
  readonly #groups: Set<string>;
  #discovery: Promise<void> = Promise.resolve();
  /** Groups of which it is being found out what is served. */
  #asking = 0;
  #stopped = false;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(client: KubeClient, options: IntegrationViewOptions) {
    this.#client = client;
    this.#options = options;
    this.#groups = new Set(options.watched.filter((watched) => !isBuiltIn(watched)).map(({ group }) => group));
    this.#definitions = new Reflector<KubeObject>({
      client,
      logger: options.logger,
      path: CRDS,
      metadataOnly: true,
      prune: ({ metadata: { name, resourceVersion } }) => ({ metadata: { name, resourceVersion } }),
      onChange: ({ metadata: { name } }) => {
        const group = name.slice(name.indexOf('.') + 1);
        this.#followCompanions(group);
        if (this.#groups.has(group)) this.#rediscover(group, TRIES);
      },
    });
  }

  /** Starts watching. Nothing waits for it: apps are traced whatever becomes of this. */
  start(): void {
    for (const watched of this.#options.watched)
      if (isBuiltIn(watched) && !watched.whileDefined) this.#follow(watched, watched.versions[0]);
    this.#definitions.start();
    void this.#definitions.synced.then(() => this.#options.onChange(undefined));
  }

  /** What is not known as a whole yet. */
  waitingFor(): string | undefined {
    if (this.#asking > 0) return 'discovery';
    const all = [this.#definitions, ...[...this.#collections.values()].map(({ reflector }) => reflector)];
    const missing = all.filter(({ hasSynced }) => !hasSynced).map(({ path }) => path);
    return missing.length > 0 ? missing.join(', ') : undefined;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([
      this.#definitions.stop(),
      ...[...this.#collections.values()].map(({ reflector }) => reflector.stop()),
    ]);
  }

  version(watched: Watched): string | undefined {
    return this.#collections.get(keyOf(watched))?.version;
  }

  list(watched: Watched, namespace?: string): KubeObject[] {
    const collection = this.#collections.get(keyOf(watched));
    if (!collection) return [];
    if (namespace === undefined) return [...collection.reflector.values()];
    return [...(collection.byNamespace.get(namespace)?.values() ?? [])];
  }

  /** Takes in the API server's answer to a write of ours before the watch brings it. */
  note(watched: Watched, object: KubeObject): void {
    this.#collections.get(keyOf(watched))?.reflector.note(object);
  }

  /** One after the other, so that the last word is the newest. */
  #rediscover(group: string, tries: number): void {
    this.#asking++;
    this.#discovery = this.#discovery
      .then(() => this.#discover(group, tries))
      .finally(() => {
        this.#asking--;
        this.#options.onChange(undefined);
      });
  }

  /** Before what is defined is found to be served: nobody plans by the one without the other. */
  #followCompanions(group: string): void {
    for (const watched of this.#options.watched.filter(({ whileDefined }) => whileDefined?.includes(group))) {
      const isWanted = [...this.#definitions.values()].some(({ metadata: { name } }) =>
        watched.whileDefined!.some((each) => name.endsWith(`.${each}`)),
      );
      this.#follow(watched, isWanted ? watched.versions[0] : undefined);
    }
  }

  async #discover(group: string, tries: number): Promise<void> {
    if (this.#stopped) return;
    const wanted = this.#options.watched.filter((watched) => watched.group === group);
    let complete = true;
    try {
      for (const watched of wanted) {
        const defined = this.#definitions.get(`${watched.resource}.${group}`) !== undefined;
        const version = defined ? await this.#served(watched) : undefined;
        if (defined && version === undefined) complete = false;
        this.#follow(watched, version);
      }
    } catch (error) {
      complete = false;
      this.#options.logger.warn({ group, error: String(error) }, 'what the API server serves cannot be asked');
    }
    if (complete || tries <= 1) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#rediscover(group, tries - 1);
    }, RETRY);
    this.#timers.add(timer);
  }

  async #served({ group, versions, resource }: Watched): Promise<string | undefined> {
    for (const version of versions) {
      try {
        const path = `/apis/${group}/${version}`;
        const { resources } = await this.#client.request<{ resources: { name: string }[] }>('GET', path);
        if (resources.some(({ name }) => name === resource)) return version;
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
      }
    }
    return undefined;
  }

  #follow(watched: Watched, version: string | undefined): void {
    const key = keyOf(watched);
    const known = this.#collections.get(key);
    if (known?.version === version) return;
    const { logger, onChange } = this.#options;
    if (known) {
      this.#collections.delete(key);
      void known.reflector.stop();
      if (!isBuiltIn(watched)) logger.info({ resource: key, version: known.version }, 'is not served any more');
    }
    if (version !== undefined) {
      const { group, resource, name, forAll, isNamespace, prune } = watched;
      const byNamespace: Collection['byNamespace'] = new Map();
      const reflector = new Reflector<KubeObject>({
        client: this.#client,
        logger,
        path: group === '' ? `/api/${version}/${resource}` : `/apis/${group}/${version}/${resource}`,
        ...(name !== undefined && { fieldSelector: `metadata.name=${name}` }),
        ...(prune && { prune }),
        onChange: (object, previous, deleted) => {
          const namespace = isNamespace ? object.metadata.name : (object.metadata.namespace ?? '');
          const objects = byNamespace.get(namespace) ?? new Map<string, KubeObject>();
          if (deleted) objects.delete(object.metadata.name);
          else byNamespace.set(namespace, objects.set(object.metadata.name, object));
          if (objects.size === 0) byNamespace.delete(namespace);
          // What is watched by its name, or is in none, is read by all namespaces; of the first list they learn at its end.
          const isComing = deleted || previous === undefined;
          const isForAll = name !== undefined || namespace === '' || (forAll && isComing && reflector.hasSynced);
          onChange(isForAll ? undefined : namespace);
        },
      });
      this.#collections.set(key, { watched, version, reflector, byNamespace });
      reflector.start();
      void reflector.synced.then(() => onChange(undefined));
      if (!isBuiltIn(watched)) logger.info({ resource: key, version }, 'is served');
    } else onChange(undefined);
  }
}

function isBuiltIn({ group, builtIn }: Watched): boolean {
  return group === '' || builtIn === true;
}

function keyOf({ group, resource, name }: Watched): string {
  return [`${resource}${group && `.${group}`}`, name].filter(Boolean).join('/');
}
