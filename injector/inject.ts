import { credentialsVolume } from './credentials.ts';
import * as names from './names.ts';
import { withFlag } from './node-options.ts';
import type { Container, EnvVar, Pod, PodSpec, ResourceRequirements } from './pod.ts';
import type { Resolution } from './resolve.ts';
import { policyMark } from './resolve.ts';
import { resourceEnv } from './resource.ts';

/** Where agents report to, and the authority they trust there (PEM). */
export interface Reporting {
  url: string;
  ca: string;
}

/** What the chart decides about injection. */
export interface InjectOptions {
  agentImage: string;
  agentImagePullPolicy: string;
  reporting: Reporting;
}

/** Why a pod or a container got the agent or did not: a closed list, used as a metric label. */
export type Reason =
  | 'Injected'
  | 'AlreadyInjected'
  | 'NotAsked'
  | 'OptedOut'
  | 'InvalidAnnotation'
  | 'WindowsPod'
  | 'MirrorPod'
  | 'NoContainer'
  | 'AnnotationsFull'
  | 'MeshSidecar'
  | 'NotSelected'
  | 'PolicyProblem';

export interface Decision {
  /** Absent: the decision is about the whole pod. */
  container?: string;
  reason: Reason;
  /** For people: what happened and, where they can act, what to do. */
  message: string;
  /** Whether the user should see it as a warning when the pod is created. */
  warn?: boolean;
}

export interface Injection {
  /** The very pod that was given where nothing changes. */
  pod: Pod;
  decisions: Decision[];
}

const MESH_SIDECARS = new Set(['istio-proxy', 'istio-init', 'istio-validation', 'linkerd-proxy', 'linkerd-init']);
const MIRROR = 'kubernetes.io/config.mirror';
/**
 * All annotations of an object together may have 256 KiB; beyond, the API server refuses the pod. Some is left to others.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
 */
const ANNOTATIONS_LIMIT = 240 * 1024;
const TOO_MANY_ANNOTATIONS: Decision = {
  reason: 'AnnotationsFull',
  message: 'the pod has so many annotations that ours would not fit beside them',
  warn: true,
};

/** What `tracing.acme/inject` says: `true`, `false`, absent, or something that means neither. */
export function inject(annotations: Record<string, string> | undefined): boolean | 'invalid' | undefined {
  const value = annotations?.[names.INJECT];
  if (value === undefined) return undefined;
  return value === 'true' ? true : value === 'false' ? false : 'invalid';
}

export function invalidAnnotation(where: string, value: string | undefined): Decision {
  return {
    reason: 'InvalidAnnotation',
    message: `${where}: annotation ${names.INJECT}: ${JSON.stringify(value)} is neither "true" nor "false", so nothing is injected. Example: ${names.INJECT}: "true"`,
    warn: true,
  };
}

/**
 * Adds the agent to a pod. Pure: the same pod, resolution and options always give the same result, and a pod that has the
 * agent already comes back as it is.
 *
 * @param namespace the namespace the pod is created in (the pod itself may not say), with its labels.
 * @param resolution what applies to the pod. Where that is nothing yet the pod is made ready all the same, and tracing
 *   starts without a restart when a policy appears.
 */
export function injectPod(
  pod: Pod,
  namespace: { name: string; labels: Record<string, string> },
  resolution: Resolution,
  options: InjectOptions,
): Injection {
  const refusal = refuse(pod, namespace.labels, resolution);
  if (refusal) return { pod, decisions: [refusal] };

  const decisions: Decision[] = resolution.problems.map((message) => ({
    reason: 'PolicyProblem',
    message,
    warn: true,
  }));
  const result = shallowCopy(pod);
  const { spec } = result;
  const chosen = chooseContainers(result, resolution.policy?.spec.containers, decisions);
  if (chosen.length === 0) {
    decisions.push({ reason: 'NoContainer', message: 'no container of this pod can be traced', warn: true });
    return { pod, decisions };
  }

  for (const container of chosen) {
    addAgent(container, result, namespace.name, resolution.credentials.length > 0);
    decisions.push({ container: container.name, reason: 'Injected', message: 'the agent is loaded' });
  }
  spec.volumes = [...(spec.volumes ?? []), agentVolume(), policyVolume()];
  if (resolution.credentials.length > 0) spec.volumes.push(credentialsVolume(resolution.credentials));
  spec.initContainers = [initContainer(pod.spec, resolution, options), ...(spec.initContainers ?? [])];

  const mark = policyMark(resolution.document);
  const metadata = (result.metadata = { ...result.metadata });
  metadata.labels = { ...metadata.labels, [names.INJECTED_LABEL]: 'true' };
  metadata.annotations = {
    ...metadata.annotations,
    [names.POLICY_KEY]: mark.key,
    [names.POLICY_REVISION]: mark.revision,
    [names.STATUS]: JSON.stringify(summary(decisions)),
    [names.OPERATOR]: JSON.stringify(options.reporting),
  };
  const document = resolution.document ? JSON.stringify(resolution.document) : '';
  const used = sizeOf(metadata.annotations);
  // Too large to embed, it comes with the namespace's ConfigMap, a little later.
  if (used + document.length <= ANNOTATIONS_LIMIT) metadata.annotations[names.POLICY_DOCUMENT] = document;
  else if (used > ANNOTATIONS_LIMIT) return { pod, decisions: [TOO_MANY_ANNOTATIONS] };
  return { pod: result, decisions };
}

/**
 * A pod that can be added to without touching the one that was given: what is not added to stays the very same object, so
 * that finding the difference afterwards costs nothing for it, however large it is.
 */
function shallowCopy(pod: Pod): Pod {
  const { containers, initContainers } = pod.spec;
  const copies = (list: Container[]) => list.map((container) => ({ ...container }));
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: copies(containers),
      ...(initContainers && { initContainers: copies(initContainers) }),
    },
  };
}

/**
 * Whether a pod is to be traced, and by whose word: the nearest one counts. Its own annotation (which may be a copy of
 * its workload's), then the label of its namespace, then the policy that applies.
 */
export function isAsked(
  annotations: Record<string, string> | undefined,
  namespaceLabels: Record<string, string>,
  resolution: Resolution,
): { asked: boolean | 'invalid'; by: 'pod' | 'namespace' | 'policy' | 'nobody' } {
  const own = inject(annotations);
  if (own !== undefined) return { asked: own, by: 'pod' };
  const label = namespaceLabels[names.NAMESPACE_LABEL];
  if (label === 'true' || label === 'false') return { asked: label === 'true', by: 'namespace' };
  const { injection, enabled } = resolution.policy?.spec ?? {};
  if (injection === 'All' && enabled !== false) return { asked: true, by: 'policy' };
  return { asked: false, by: 'nobody' };
}

function refuse(pod: Pod, namespaceLabels: Record<string, string>, resolution: Resolution): Decision | undefined {
  const { annotations } = pod.metadata ?? {};
  const { asked, by } = isAsked(annotations, namespaceLabels, resolution);
  if (asked === 'invalid') return invalidAnnotation('pod', annotations?.[names.INJECT]);
  if (!asked)
    return by === 'nobody'
      ? { reason: 'NotAsked', message: `neither the pod nor its namespace nor a policy asks for tracing` }
      : { reason: 'OptedOut', message: `${names.INJECT}: "false" on the ${by}` };
  if (pod.spec.initContainers?.some((container) => container.name === names.INIT_CONTAINER))
    return { reason: 'AlreadyInjected', message: 'the pod has the agent already' };
  if (annotations?.[MIRROR] !== undefined)
    return { reason: 'MirrorPod', message: 'a static pod cannot be changed by admission' };
  if (pod.spec.os?.name === 'windows' || pod.spec.nodeSelector?.['kubernetes.io/os'] === 'windows')
    return { reason: 'WindowsPod', message: 'Windows pods are left alone: the agent image is for Linux', warn: true };
  return undefined;
}

/** The containers to trace: those the pod names, else those its policy names, else all that are not a mesh's. */
function chooseContainers(pod: Pod, byPolicy: string[] | undefined, decisions: Decision[]): Container[] {
  const byPod = pod.metadata?.annotations?.[names.CONTAINERS]
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const listed = byPod ?? byPolicy;
  const candidates = listed ? [...(pod.spec.initContainers ?? []), ...pod.spec.containers] : pod.spec.containers;
  // A policy is for many pods: only what the pod itself names must be there.
  for (const name of byPod ?? [])
    if (!candidates.some((container) => container.name === name))
      decisions.push({
        container: name,
        reason: 'NoContainer',
        message: `${names.CONTAINERS} names ${name}, but the pod has only ${candidates.map((c) => c.name).join(', ')}`,
        warn: true,
      });
  return candidates.filter((container) => {
    if (MESH_SIDECARS.has(container.name)) {
      decisions.push({ container: container.name, reason: 'MeshSidecar', message: 'belongs to the service mesh' });
      return false;
    }
    if (listed && !listed.includes(container.name)) {
      const whose = byPod ? names.CONTAINERS : "the policy's containers";
      decisions.push({ container: container.name, reason: 'NotSelected', message: `not in ${whose}` });
      return false;
    }
    return true;
  });
}

function addAgent(container: Container, pod: Pod, namespace: string, hasCredentials: boolean): void {
  const ours: EnvVar[] = [
    { name: 'TRACING_ACME_POLICY_DIR', value: names.POLICY_DIR },
    ...(hasCredentials ? [{ name: 'TRACING_ACME_CREDENTIALS_DIR', value: names.CREDENTIALS_DIR }] : []),
    ...resourceEnv(pod, namespace, container.name),
  ];
  const flag = `--require ${names.AGENT_ENTRY}`;
  container.env = [...withFlag(container, flag, pod.metadata?.annotations?.[names.IMAGE_NODE_OPTIONS]), ...ours];
  container.volumeMounts = [
    ...(container.volumeMounts ?? []),
    { name: names.AGENT_VOLUME, mountPath: names.AGENT_DIR, readOnly: true },
    { name: names.POLICY_VOLUME, mountPath: names.POLICY_DIR, readOnly: true },
    ...(hasCredentials ? [{ name: names.CREDENTIALS_VOLUME, mountPath: names.CREDENTIALS_DIR, readOnly: true }] : []),
  ];
}

function agentVolume() {
  return { name: names.AGENT_VOLUME, emptyDir: { sizeLimit: '32Mi' } };
}

/**
 * One directory with the namespace's policies and, from the pod's own annotations, which of them is in force: the
 * kubelet swaps both at once, and refreshes them as soon as the pod's metadata changes.
 */
function policyVolume() {
  const annotation = (path: string, name: string) => ({
    path,
    fieldRef: { apiVersion: 'v1', fieldPath: `metadata.annotations['${name}']` },
  });
  return {
    name: names.POLICY_VOLUME,
    projected: {
      defaultMode: 0o444,
      sources: [
        { configMap: { name: names.POLICY_CONFIG_MAP, optional: true } },
        {
          downwardAPI: {
            items: [
              annotation('pod/key', names.POLICY_KEY),
              annotation('pod/revision', names.POLICY_REVISION),
              annotation('pod/document', names.POLICY_DOCUMENT),
              annotation('pod/operator', names.OPERATOR),
            ],
          },
        },
        // For the agent's reports to the operator, and good for nothing else.
        { serviceAccountToken: { path: 'token', audience: names.REPORT_AUDIENCE, expirationSeconds: 3600 } },
      ],
    },
  };
}

/** Copies the agent's files. It fits the restricted Pod Security Standard and needs neither network nor shell. */
function initContainer(spec: PodSpec, { agent }: Resolution, options: InjectOptions): Container {
  // A pod that runs as root by its own word would be refused by the kubelet together with runAsNonRoot.
  const asRoot = spec.securityContext?.runAsUser === 0;
  const resources = initResources(spec);
  return {
    name: names.INIT_CONTAINER,
    image: agent?.image ?? options.agentImage,
    imagePullPolicy: agent?.imagePullPolicy ?? options.agentImagePullPolicy,
    args: [names.AGENT_DIR],
    ...(resources && { resources }),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      ...(asRoot && { runAsUser: 65532 }),
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [{ name: names.AGENT_VOLUME, mountPath: names.AGENT_DIR }],
  };
}

/**
 * Resources of the init container: those of the app's most modest container, and none that no container has. So a
 * LimitRange that takes the app takes it too, a Guaranteed pod stays one (where every container's requests equal its
 * limits, so do the least of them), and a BestEffort pod too. It never raises what the pod asks for as a whole: that is the
 * larger of the init container's and of all others' together.
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
 */
function initResources({ containers }: PodSpec): ResourceRequirements | undefined {
  const least = (kind: 'requests' | 'limits') => {
    const chosen: Record<string, string | number> = {};
    for (const name of ['cpu', 'memory']) {
      const values = containers.flatMap(({ resources }) => resources?.[kind]?.[name] ?? []);
      const lowest = values.sort((a, b) => quantity(a) - quantity(b))[0];
      if (lowest !== undefined) chosen[name] = lowest;
    }
    return Object.keys(chosen).length > 0 ? { [kind]: chosen } : {};
  };
  const resources = { ...least('limits'), ...least('requests') };
  return Object.keys(resources).length > 0 ? resources : undefined;
}

const SUFFIX: Record<string, number> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
function quantity(value: string | number): number {
  const [, number = '0', suffix = ''] = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)$/.exec(String(value)) ?? [];
  return Number(number) * (SUFFIX[suffix] ?? 1);
}

function sizeOf(annotations: Record<string, string>): number {
  return Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + Buffer.byteLength(value), 0);
}

function summary(decisions: Decision[]): Record<string, unknown> {
  const skipped = decisions.filter((decision) => decision.container && decision.reason !== 'Injected');
  return {
    injected: decisions.filter((decision) => decision.reason === 'Injected').map((decision) => decision.container),
    ...(skipped.length > 0 && {
      skipped: Object.fromEntries(skipped.map((decision) => [decision.container, decision.reason])),
    }),
  };
}
