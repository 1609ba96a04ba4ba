import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { TracingPolicy } from '../../crds/tracing-policy.ts';
import { GROUP, tracingPolicySpec, VERSION } from '../../crds/tracing-policy.ts';
import { INJECTED_LABEL, POLICY_CONFIG_MAP, POLICY_KEY, POLICY_REVISION } from '../../injector/names.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/reflector.ts';
import { Reflector } from '../kube/reflector.ts';

export interface PodMeta extends KubeObject {
  metadata: KubeObject['metadata'] & {
    namespace: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
  };
}

export interface NamespaceMeta extends KubeObject {
  metadata: KubeObject['metadata'] & { labels?: Record<string, string>; deletionTimestamp?: string };
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

/**
 * What the operator knows of the cluster: policies, namespaces, injected pods and our own ConfigMaps, kept current by
 * watches and indexed by namespace. `onDirty` is called with each namespace in which something changed that may need
 * work.
 */
export class ClusterView {
  readonly #reflectors: { policies: Reflector<TracingPolicy & KubeObject>; others: Reflector<KubeObject>[] };
  readonly #policies = new Map<string, Map<string, TracingPolicy>>();
  readonly #pods = new Map<string, Map<string, PodMeta>>();
  readonly #namespaces: Reflector<NamespaceMeta>;
  readonly #configMaps: Reflector<ConfigMap>;
  readonly #podMetas: Reflector<PodMeta>;
  #onDirty: (namespace: string) => void = () => {};

  constructor(client: KubeClient, logger: Logger) {
    const dirty = (namespace: string) => this.#onDirty(namespace);
    const policies = new Reflector<TracingPolicy & KubeObject>({
      client,
      logger,
      path: `/apis/${GROUP}/${VERSION}/tracingpolicies`,
      onChange: (policy, _previous, deleted) => {
        const { namespace, name } = policy.metadata;
        put(this.#policies, namespace, name, deleted ? undefined : this.#readable(policy, logger));
        dirty(namespace);
      },
    });
    this.#podMetas = new Reflector<PodMeta>({
      client,
      logger,
      path: '/api/v1/pods',
      labelSelector: `${INJECTED_LABEL}=true`,
      metadataOnly: true,
      prune: prunePod,
      onChange: (pod, previous, deleted) => {
        const { namespace, name } = pod.metadata;
        put(this.#pods, namespace, name, deleted ? undefined : pod);
        const { labels, annotations } = pod.metadata;
        const before = previous && [previous.metadata.labels, previous.metadata.annotations];
        if (deleted || !isDeepStrictEqual(before, [labels, annotations])) dirty(namespace);
      },
    });
    this.#namespaces = new Reflector<NamespaceMeta>({
      client,
      logger,
      path: '/api/v1/namespaces',
      metadataOnly: true,
      prune: pruneNamespace,
      onChange: () => {},
    });
    this.#configMaps = new Reflector<ConfigMap>({
      client,
      logger,
      path: '/api/v1/configmaps',
      // With this the API server lets us list and watch under a rule that names this one ConfigMap.
      fieldSelector: `metadata.name=${POLICY_CONFIG_MAP}`,
      onChange: (configMap) => dirty(configMap.metadata.namespace!),
    });
    this.#reflectors = {
      policies,
      others: [this.#podMetas, this.#namespaces, this.#configMaps] as unknown as Reflector<KubeObject>[],
    };
  }

  onDirty(listener: (namespace: string) => void): void {
    this.#onDirty = listener;
  }

  /** Starts all watches and resolves when each has its first whole list. */
  async start(): Promise<void> {
    const all = [this.#reflectors.policies, ...this.#reflectors.others];
    for (const reflector of all) reflector.start();
    await Promise.all(all.map((reflector) => reflector.synced));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#reflectors.policies, ...this.#reflectors.others].map((reflector) => reflector.stop()));
  }

  policies(namespace: string): TracingPolicy[] {
    return [...(this.#policies.get(namespace)?.values() ?? [])];
  }

  pods(namespace: string): PodMeta[] {
    return [...(this.#pods.get(namespace)?.values() ?? [])];
  }

  namespace(name: string): NamespaceMeta | undefined {
    return this.#namespaces.get(name);
  }

  configMap(namespace: string): ConfigMap | undefined {
    return this.#configMaps.get(`${namespace}/${POLICY_CONFIG_MAP}`);
  }

  /** Takes in the API server's answer to a write of ours before the watch brings it. */
  notePod(pod: PodMeta): void {
    this.#podMetas.note(pod);
  }

  noteConfigMap(configMap: ConfigMap): void {
    this.#configMaps.note(configMap);
  }

  /**
   * A policy that we can act on. The API server has checked it against the CRD; one that was stored under an older or
   * newer CRD may still not read, and then counts as absent rather than as something half understood.
   */
  #readable(policy: TracingPolicy, logger: Logger): TracingPolicy | undefined {
    const spec = tracingPolicySpec.safeParse(policy.spec);
    if (spec.success) return { ...policy, spec: spec.data };
    const { namespace, name } = policy.metadata;
    logger.error(
      { policy: `${namespace}/${name}`, problems: spec.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`) },
      'a stored policy cannot be read and is ignored',
    );
    return undefined;
  }
}

function put<T>(index: Map<string, Map<string, T>>, namespace: string, name: string, value: T | undefined): void {
  let entries = index.get(namespace);
  if (value !== undefined) {
    if (!entries) index.set(namespace, (entries = new Map<string, T>()));
    entries.set(name, value);
  } else if (entries?.delete(name) && entries.size === 0) {
    index.delete(namespace);
  }
}

/** Keeps of a pod what resolution and nudging need: thousands of them are held. */
function prunePod({ metadata }: PodMeta): PodMeta {
  const { name, namespace, resourceVersion, labels, deletionTimestamp, annotations = {} } = metadata;
  const kept: Record<string, string> = {};
  for (const key of [POLICY_KEY, POLICY_REVISION]) if (annotations[key] !== undefined) kept[key] = annotations[key];
  return {
    metadata: {
      name,
      namespace,
      resourceVersion,
      annotations: kept,
      ...(labels && { labels }),
      ...(deletionTimestamp && { deletionTimestamp }),
    },
  };
}

function pruneNamespace({ metadata }: NamespaceMeta): NamespaceMeta {
  const { name, resourceVersion, labels, deletionTimestamp } = metadata;
  return {
    metadata: { name, resourceVersion, ...(labels && { labels }), ...(deletionTimestamp && { deletionTimestamp }) },
  };
}
