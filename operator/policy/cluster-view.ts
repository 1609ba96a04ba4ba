import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type * as z from 'zod';
import type { ClusterTracingPolicy, TracingPolicy } from '../../crds/tracing-policy.ts';
import { clusterTracingPolicySpec, GROUP, tracingPolicySpec, VERSION } from '../../crds/tracing-policy.ts';
import { isCanaryHalted } from '../../injector/canary.ts';
import type { CredentialPath } from '../../injector/credentials.ts';
import { mountedCredentials } from '../../injector/credentials.ts';
import { LINKERD_INJECT, LINKERD_JAEGER } from '../../injector/linkerd.ts';
import * as names from '../../injector/names.ts';
import { OTEL_OPERATOR } from '../../injector/other-tracers.ts';
import type { Pod } from '../../injector/pod.ts';
import type { DefaultPolicy, Policies, Policy } from '../../injector/resolve.ts';
import { describePolicy } from '../../injector/resolve.ts';
import type { AgentStart } from '../breaker/agent-start.ts';
import { agentStart } from '../breaker/agent-start.ts';
import { readOutages } from '../breaker/outage.ts';
import type { Outage } from '../breaker/outage.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject, ReflectorOptions } from '../kube/reflector.ts';
import { Reflector } from '../kube/reflector.ts';
import { readRestarts } from '../rollout/restart.ts';
import type { Restart } from '../rollout/restart.ts';
import { Shared } from '../shared.ts';
import { policiesPath } from './policy-path.ts';

export interface PodMeta extends KubeObject {
  metadata: KubeObject['metadata'] & {
    namespace: string;
    uid: string;
    creationTimestamp: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
    ownerReferences?: { apiVersion: string; kind: string; name: string; controller?: boolean }[];
  };
  /** Present for injected pods, which are watched as a whole. */
  status?: { phase?: string };
  /** Files that exporters may need and that it was made with, where there are any. */
  credentials?: CredentialPath[];
  /** How an injected pod's agent stands, while it has not been copied. */
  start?: AgentStart;
  /** How often containers of an injected pod have been restarted, where any has. */
  restarts?: number;
}

export interface NamespaceMeta extends KubeObject {
  metadata: KubeObject['metadata'] & {
    labels?: Record<string, string>;
    /** Of other tools: what asks for tracing, and where to. */
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
  };
}

export interface ConfigMap extends KubeObject {
  metadata: KubeObject['metadata'] & {
    uid?: string;
    ownerReferences?: { uid: string }[];
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  data?: Record<string, string>;
}

/** What changed, for whoever keeps something current by it. */
export interface ViewListener {
  /** Something in a namespace changed that its pods, its ConfigMap or its policies' status may depend on. */
  namespace(name: string): void;
  /** The same, but it is pods that changed: they come and go by the hundred. */
  pods(namespace: string): void;
  /** A policy itself changed, or is new. */
  policy(policy: Policy): void;
  /** The set of namespaces in which a policy injects all pods may have changed. */
  injection(): void;
}

type Stored<P extends Policy> = P & KubeObject;

/**
 * What the operator knows of the cluster: policies, namespaces, pods and our own ConfigMaps, kept current by watches and
 * indexed by namespace.
 */
export class ClusterView {
  readonly #client: KubeClient;
  readonly #logger: Logger;
  readonly #defaults: DefaultPolicy;
  readonly #now: () => number;
  readonly #namespaced = new Map<string, Map<string, TracingPolicy>>();
  readonly #cluster = new Map<string, ClusterTracingPolicy>();
  readonly #injected = new Map<string, Map<string, PodMeta>>();
  readonly #others = new Map<string, Map<string, PodMeta>>();
  readonly #namespaces: Reflector<NamespaceMeta>;
  readonly #configMaps: Reflector<ConfigMap>;
  readonly #injectedPods: Reflector<PodMeta>;
  /** What was read from annotations of a ConfigMap: each review of a pod asks for it. */
  readonly #outages = new WeakMap<ConfigMap, Outage[]>();
  readonly #restarts = new WeakMap<ConfigMap, Restart[]>();
  readonly #reflectors: Pick<Reflector<KubeObject>, 'start' | 'stop' | 'synced' | 'hasSynced' | 'path'>[];
  #listener: ViewListener = { namespace: () => {}, pods: () => {}, policy: () => {}, injection: () => {} };

  constructor(client: KubeClient, defaults: DefaultPolicy, logger: Logger, now: () => number = Date.now) {
    this.#client = client;
    this.#now = now;
    this.#defaults = defaults;
    this.#logger = logger;
    const policies = this.#reflect<Stored<TracingPolicy>>({
      path: `/apis/${GROUP}/${VERSION}/tracingpolicies`,
      onChange: (policy, previous, deleted) => {
        const { namespace, name } = policy.metadata;
        const kept = deleted ? undefined : this.#readable<TracingPolicy>(policy, 'TracingPolicy', tracingPolicySpec);
        put(this.#namespaced, namespace, name, kept);
        if (kept) this.#listener.policy(kept);
        // A write to its status changes nothing for anybody else.
        if (!deleted && isDeepStrictEqual(previous && said(previous), said(policy))) return;
        this.#listener.namespace(namespace);
        this.#listener.injection();
      },
    });
    const clusterPolicies = this.#reflect<Stored<ClusterTracingPolicy>>({
      path: policiesPath(undefined),
      onChange: (policy, previous, deleted) => {
        const kept = deleted
          ? undefined
          : this.#readable<ClusterTracingPolicy>(policy, 'ClusterTracingPolicy', clusterTracingPolicySpec);
        if (kept) this.#cluster.set(policy.metadata.name, kept);
        else this.#cluster.delete(policy.metadata.name);
        if (kept) this.#listener.policy(kept);
        // Of its status nothing but that its new agent was stopped.
        const matters = (each: ClusterTracingPolicy) => [said(each), isCanaryHalted(each)];
        if (!deleted && previous && isDeepStrictEqual(matters(previous), matters(policy))) return;
        for (const namespace of this.#namespaces.values()) this.#listener.namespace(namespace.metadata.name);
        this.#listener.injection();
      },
    });
    this.#injectedPods = this.#reflect<PodMeta>({
      path: '/api/v1/pods',
      labelSelector: `${names.INJECTED_LABEL}=true`,
      prune: prunePod,
      onChange: (pod, previous, deleted) => this.#podChanged(this.#injected, pod, previous, deleted),
    });
    const otherPods = this.#reflect<PodMeta>({
      path: '/api/v1/pods',
      labelSelector: `!${names.INJECTED_LABEL}`,
      metadataOnly: true,
      prune: prunePod,
      onChange: (pod, previous, deleted) => this.#podChanged(this.#others, pod, previous, deleted),
    });
    this.#namespaces = this.#reflect<NamespaceMeta>({
      path: '/api/v1/namespaces',
      metadataOnly: true,
      prune: pruneNamespace,
      onChange: (namespace, previous, deleted) => {
        const isAsBefore = (part: 'labels' | 'annotations') =>
          !deleted && isDeepStrictEqual(previous?.metadata[part], namespace.metadata[part]);
        if (isAsBefore('labels') && isAsBefore('annotations')) return;
        this.#listener.namespace(namespace.metadata.name);
        if (!isAsBefore('labels')) this.#listener.injection();
      },
    });
    this.#configMaps = this.#reflect<ConfigMap>({
      path: '/api/v1/configmaps',
      // With this the API server lets us list and watch under a rule that names this one ConfigMap.
      fieldSelector: `metadata.name=${names.POLICY_CONFIG_MAP}`,
      onChange: (configMap) => this.#listener.namespace(configMap.metadata.namespace!),
    });
    this.#reflectors = [policies, clusterPolicies, this.#injectedPods, otherPods, this.#namespaces, this.#configMaps];
  }

  listen(listener: ViewListener): void {
    this.#listener = listener;
  }

  /** Starts all watches and resolves when each has its first whole list. */
  async start(): Promise<void> {
    for (const reflector of this.#reflectors) reflector.start();
    await Promise.all(this.#reflectors.map((reflector) => reflector.synced));
  }

  /** What has not been listed once as a whole yet. */
  waitingFor(): string | undefined {
    const missing = this.#reflectors.filter(({ hasSynced }) => !hasSynced).map(({ path }) => path);
    return missing.length > 0 ? [...new Set(missing)].join(', ') : undefined;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()));
  }

  /** Every policy that may apply in a namespace. */
  policies(namespace: string): Policies {
    return {
      namespaced: [...(this.#namespaced.get(namespace)?.values() ?? [])],
      cluster: [...this.#cluster.values()],
      defaults: this.#defaults,
      now: this.#now(),
    };
  }

  injectedPods(namespace: string): PodMeta[] {
    return [...(this.#injected.get(namespace)?.values() ?? [])];
  }

  injectedPod(namespace: string, name: string): PodMeta | undefined {
    return this.#injected.get(namespace)?.get(name);
  }

  /** Pods without the agent. */
  otherPods(namespace: string): PodMeta[] {
    return [...(this.#others.get(namespace)?.values() ?? [])];
  }

  /** A policy by what describePolicy() says of it. */
  findPolicy(id: string): Policy | undefined {
    const [kind, name = ''] = id.split(' ');
    if (kind === 'ClusterTracingPolicy') return this.#cluster.get(name);
    const [namespace = '', own = ''] = name.split('/');
    return this.#namespaced.get(namespace)?.get(own);
  }

  /** Policies that give a share of new pods another agent. */
  canaries(): ClusterTracingPolicy[] {
    return [...this.#cluster.values()].filter(({ spec }) => spec.agent?.canary);
  }

  namespace(name: string): NamespaceMeta | undefined {
    return this.#namespaces.get(name);
  }

  namespaces(): IterableIterator<NamespaceMeta> {
    return this.#namespaces.values();
  }

  configMap(namespace: string): ConfigMap | undefined {
    return this.#configMaps.get(`${namespace}/${names.POLICY_CONFIG_MAP}`);
  }

  /** Agents that keep pods of a namespace from starting, as its ConfigMap says. */
  outages(namespace: string): Outage[] {
    return this.#annotated(namespace, names.AGENT_OUTAGES, this.#outages, readOutages);
  }

  /** Workloads of a namespace that are or were restarted because of a policy, as its ConfigMap says. */
  restarts(namespace: string): Restart[] {
    return this.#annotated(namespace, names.RESTARTS, this.#restarts, readRestarts);
  }

  /** Takes in the API server's answer to a write of ours before the watch brings it. */
  notePod(pod: PodMeta): void {
    this.#injectedPods.note(pod);
  }

  noteConfigMap(configMap: ConfigMap): void {
    this.#configMaps.note(configMap);
  }

  #reflect<T extends KubeObject>(options: Omit<ReflectorOptions<T>, 'client' | 'logger'>): Reflector<T> {
    return new Reflector<T>({ client: this.#client, logger: this.#logger, ...options });
  }

  #annotated<T>(
    namespace: string,
    annotation: string,
    known: WeakMap<ConfigMap, T[]>,
    read: (text: string | undefined) => T[],
  ): T[] {
    const configMap = this.configMap(namespace);
    if (!configMap) return [];
    let value = known.get(configMap);
    if (!value) known.set(configMap, (value = read(configMap.metadata.annotations?.[annotation])));
    return value;
  }

  #podChanged(
    index: Map<string, Map<string, PodMeta>>,
    pod: PodMeta,
    previous: PodMeta | undefined,
    deleted: boolean,
  ): void {
    const { namespace, name } = pod.metadata;
    put(index, namespace, name, deleted ? undefined : pod);
    if (deleted || !previous || !isDeepStrictEqual(facts(previous), facts(pod))) this.#listener.pods(namespace);
  }

  /**
   * A policy that we can act on. The API server has checked it against the CRD; one that was stored under an older or
   * newer CRD may still not read, and then counts as absent rather than as something half understood.
   */
  #readable<P extends Policy>(policy: P, kind: P['kind'], schema: z.ZodType<P['spec']>): P | undefined {
    // Items of a list do not say their kind.
    const known = { ...policy, kind };
    const spec = schema.safeParse(policy.spec);
    if (spec.success) return { ...known, spec: spec.data };
    const problems = spec.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    this.#logger.error({ policy: describePolicy(known), problems }, 'a stored policy cannot be read and is ignored');
    return undefined;
  }
}

/** What of a policy somebody other than us has written. */
function said({ spec, metadata }: Policy): unknown[] {
  return [spec, metadata.annotations?.[names.OVERRIDE]];
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

/** Whether a pod's processes run or are still to: not those of one that has ended or is on its way out. */
export function isLive({ metadata, status }: PodMeta): boolean {
  return !metadata.deletionTimestamp && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

/** What of a pod matters to us beyond its being there. */
function facts({ metadata, status, start, restarts }: PodMeta): unknown[] {
  const { labels, annotations, deletionTimestamp } = metadata;
  return [labels, annotations, deletionTimestamp !== undefined, status?.phase, start, restarts];
}

const KEPT_ANNOTATIONS = [
  ...[names.INJECT, names.POLICY, names.POLICY_KEY, names.POLICY_REVISION, names.AGENT],
  names.RESTARTED_AT,
];

type WholePod = PodMeta & Partial<Pick<Pod, 'spec'>> & { status?: { containerStatuses?: { restartCount?: number }[] } };

/** What the pods of a workload have in common is kept once. */
const shared = new Shared();

/** Keeps of a pod what resolution and nudging need: thousands of them are held. */
function prunePod({ metadata, status, spec }: WholePod): PodMeta {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  const { labels, deletionTimestamp, annotations = {}, ownerReferences } = metadata;
  const owner = ownerReferences?.find(({ controller }) => controller);
  const credentials = mountedCredentials(spec);
  const injected = labels?.[names.INJECTED_LABEL] === 'true';
  // Why one was left alone is for people; of the others it says nothing that the label does not.
  const keys = injected ? KEPT_ANNOTATIONS : [...KEPT_ANNOTATIONS, names.STATUS];
  const kept = keys.filter((key) => annotations[key] !== undefined).map((key) => [key, annotations[key]!]);
  const start = injected ? agentStart(status) : undefined;
  const restarts = status?.containerStatuses?.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0) ?? 0;
  return {
    metadata: {
      name,
      namespace: shared.of(namespace),
      uid,
      resourceVersion,
      creationTimestamp: shared.of(creationTimestamp),
      annotations: shared.of(Object.fromEntries(kept) as Record<string, string>),
      ...(labels && { labels: shared.of(labels) }),
      ...(deletionTimestamp && { deletionTimestamp }),
      ...(owner && {
        ownerReferences: shared.of([
          { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name, controller: true },
        ]),
      }),
    },
    ...(status?.phase && { status: shared.of({ phase: status.phase }) }),
    ...(credentials.length > 0 && { credentials: shared.of(credentials) }),
    ...(start && { start }),
    ...(restarts > 0 && { restarts }),
  };
}

function pruneNamespace({ metadata }: NamespaceMeta): NamespaceMeta {
  const { name, resourceVersion, labels, annotations, deletionTimestamp } = metadata;
  const read = [OTEL_OPERATOR, names.ADDED_BY, LINKERD_INJECT, ...Object.values(LINKERD_JAEGER)];
  const kept = read.filter((key) => annotations?.[key] !== undefined).map((key) => [key, annotations![key]!] as const);
  return {
    metadata: {
      name,
      resourceVersion,
      ...(labels && { labels }),
      ...(kept.length > 0 && { annotations: Object.fromEntries(kept) }),
      ...(deletionTimestamp && { deletionTimestamp }),
    },
  };
}
