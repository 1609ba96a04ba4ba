import { chooseContainers, ownSettings } from './containers.ts';
import { credentialsVolume } from './credentials.ts';
import type { Decision, Reason } from './decision.ts';
import { statusOf } from './decision.ts';
import { istioAnnotations } from './istio.ts';
import type { LinkerdTracing } from './linkerd.ts';
import { linkerdAnnotations, nameProxies } from './linkerd.ts';
import * as names from './names.ts';
import { withFlag } from './node-options.ts';
import { otherTracer } from './other-tracers.ts';
import type { Container, EnvVar, Pod, PodSpec } from './pod.ts';
import { quantity } from './quantity.ts';
import type { Resolution } from './resolve.ts';
import { policyMark } from './resolve.ts';
import { resourceEnv } from './resource.ts';
import { ephemeralStorageLimit, initResources } from './resources.ts';

/** Where agents report to, and the authority they trust there (PEM). */
export interface Reporting {
  url: string;
  ca: string;
}

/** What the chart decides about injection. */
export interface InjectOptions {
  agentImage: string;
  agentImagePullPolicy: string;
  /** Names of Secrets of the pod's own namespace with which the agent's image is pulled. */
  agentImagePullSecrets?: string[];
  /** How the cluster's Linkerd is told of tracing; left out where there is none, or it is left alone. */
  linkerd?: LinkerdTracing;
  /** What sidecars of Istio are told of tracing by annotation; left out where it is by Telemetries, or they are left alone. */
  istio?: object;
  /** Left out where it is not known: agents then wait until the namespace's ConfigMap says it. */
  reporting?: Reporting;
}

/** The namespace that a pod is created in. */
export interface InjectionNamespace {
  name: string;
  labels: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface Injection {
  /** The very pod that was given where nothing changes. */
  pod: Pod;
  decisions: Decision[];
  /** The agent that was added, as the annotation `tracing.acme/agent` says it; absent where none was. */
  agent?: string;
}

const MIRROR = 'kubernetes.io/config.mirror';
/** The most that the agent's volume may hold; its files are about a tenth of it. */
const VOLUME_LIMIT = '32Mi';
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

/** Reasons for which a pod that asked is left alone, and told so. */
const LEFT_ALONE = new Set<Reason>(['InvalidAnnotation', 'WindowsPod', 'NameTaken', 'OtherTracer', 'EphemeralStorage']);

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
 * agent already comes back as it is, unless others have moved a container that loads the agent before the one that brings it.
 *
 * @param namespace the namespace the pod is created in (the pod itself may not say), with what it says.
 * @param resolution what applies to the pod. Where that is nothing yet the pod is made ready all the same, and tracing
 *   starts without a restart when a policy appears.
 */
export function injectPod(
  pod: Pod,
  namespace: InjectionNamespace,
  resolution: Resolution,
  options: InjectOptions,
): Injection {
  const refusal = refuse(pod, namespace.labels, resolution);
  if (refusal?.reason === 'AlreadyInjected') return { pod: inOrder(pod), decisions: [refusal] };
  if (refusal) return { pod: LEFT_ALONE.has(refusal.reason) ? withStatus(pod, [refusal]) : pod, decisions: [refusal] };

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
    return { pod: withStatus(pod, decisions), decisions };
  }

  // Worked out each time that it is asked for.
  const { credentials } = resolution;
  for (const container of chosen) {
    const own = ownSettings(container);
    addAgent(container, result, namespace.name, credentials.length > 0);
    decisions.push({ container: container.name, reason: 'Injected', message: 'the agent is loaded' });
    if (own) decisions.push(own);
  }
  spec.volumes = [...(spec.volumes ?? []), agentVolume(), policyVolume()];
  if (credentials.length > 0) spec.volumes.push(credentialsVolume(credentials));
  const image = agentImage(resolution, options);
  spec.initContainers = [initContainer(pod, chosen, image), ...(spec.initContainers ?? [])];
  const secrets = missingPullSecrets(pod, options);
  if (secrets.length > 0) spec.imagePullSecrets = [...(spec.imagePullSecrets ?? []), ...secrets];

  const ofLinkerd = linkerdAnnotations(pod, chosen[0]!, resolution, options.linkerd, namespace);
  nameProxies(result, ofLinkerd.annotations);
  const ofIstio = istioAnnotations(pod, namespace.labels, options.istio);
  for (const { decision } of [ofLinkerd, ofIstio]) if (decision) decisions.push(decision);
  const mark = policyMark(resolution.document);
  const metadata = (result.metadata = { ...result.metadata });
  metadata.labels = { ...metadata.labels, [names.INJECTED_LABEL]: 'true' };
  metadata.annotations = {
    ...metadata.annotations,
    ...ofLinkerd.annotations,
    ...ofIstio.annotations,
    [names.POLICY_KEY]: mark.key,
    [names.POLICY_REVISION]: mark.revision,
    [names.STATUS]: JSON.stringify(statusOf(decisions)),
    ...(options.reporting && { [names.OPERATOR]: JSON.stringify(options.reporting) }),
    [names.AGENT]: agentName(image),
  };
  const document = resolution.document ? JSON.stringify(resolution.document) : '';
  const used = sizeOf(metadata.annotations);
  // Too large to embed, it comes with the namespace's ConfigMap, a little later.
  if (used + document.length <= ANNOTATIONS_LIMIT) metadata.annotations[names.POLICY_DOCUMENT] = document;
  else if (used > ANNOTATIONS_LIMIT) return { pod, decisions: [TOO_MANY_ANNOTATIONS] };
  return { pod: result, decisions, agent: agentName(image) };
}

/** What is said of a pod that goes without the agent though it asks for it. */
const WITHOUT = {
  AgentUnavailable: 'the pod starts without the agent, which keeps pods of its namespace from starting',
  RolledBack: 'the pod starts without the agent, with which pods of its workload crashed',
};

/** The pod as its owner wrote it, with the word why it goes without the agent. */
export function leaveUntraced(pod: Pod, reason: keyof typeof WITHOUT, why: string): Injection {
  const decision: Decision = { reason, message: `${WITHOUT[reason]}: ${why}`, warn: true };
  return { pod: withStatus(pod, [decision]), decisions: [decision] };
}

interface AgentImage {
  image: string;
  imagePullPolicy: string;
}

/** The image that a pod's agent is copied from. */
export function agentImage(
  { agent }: Pick<Resolution, 'agent'>,
  options: Pick<InjectOptions, 'agentImage' | 'agentImagePullPolicy'>,
): AgentImage {
  return {
    image: agent?.image ?? options.agentImage,
    imagePullPolicy: agent?.imagePullPolicy ?? options.agentImagePullPolicy,
  };
}

/** An agent as the annotation `tracing.acme/agent` names it: what decides whether it can be had. */
export function agentName({ image, imagePullPolicy }: AgentImage): string {
  return `${image} ${imagePullPolicy}`;
}

/** References only: whether such a Secret is there, and what is in it, is the kubelet's business. */
function missingPullSecrets({ spec }: Pod, { agentImagePullSecrets = [] }: InjectOptions): { name: string }[] {
  return agentImagePullSecrets
    .filter((name) => !spec.imagePullSecrets?.some((own) => own.name === name))
    .map((name) => ({ name }));
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
  if (isForWindows(pod.spec))
    return { reason: 'WindowsPod', message: 'Windows pods are left alone: the agent image is for Linux', warn: true };
  const taken = takenName(pod.spec);
  if (taken)
    return {
      reason: 'NameTaken',
      message: `the pod has a ${taken} of its own, and that name is the agent's: rename it to have the pod traced`,
      warn: true,
    };
  const tracer = otherTracer(pod);
  if (tracer)
    return {
      reason: 'OtherTracer',
      message: `the pod is left alone: it is traced by ${tracer}. Remove that to have it traced by tracing-operator`,
      warn: true,
    };
  const limit = ephemeralStorageLimit(pod.spec);
  if (limit !== undefined && limit < quantity(VOLUME_LIMIT))
    return {
      reason: 'EphemeralStorage',
      message: `the pod is left alone: its ephemeral-storage limit is below the ${VOLUME_LIMIT} that the agent's volume may take, so that it could be evicted`,
      warn: true,
    };
  return undefined;
}

function isForWindows({ os, nodeSelector, securityContext, affinity }: PodSpec): boolean {
  if (os) return os.name === 'windows';
  if (nodeSelector?.['kubernetes.io/os'] === 'windows' || securityContext?.['windowsOptions'] !== undefined)
    return true;
  // Terms are alternatives: only where each asks for Windows can the pod be nowhere else.
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return (
    terms.length > 0 &&
    terms.every(({ matchExpressions = [] }) =>
      matchExpressions.some(
        ({ key, operator, values = [] }) =>
          key === 'kubernetes.io/os' && operator === 'In' && values.every((value) => value === 'windows'),
      ),
    )
  );
}

/**
 * Others may since have moved a container that loads the agent before the one that brings it: Node would end there, as
 * the file that it is to load first is missing. The very pod where that is not so.
 */
function inOrder(pod: Pod): Pod {
  const { initContainers = [] } = pod.spec;
  const own = initContainers.findIndex(({ name }) => name === names.INIT_CONTAINER);
  const first = initContainers.findIndex(({ volumeMounts }) => volumeMounts?.some(isAgentMount));
  if (own === first) return pod;
  const others = initContainers.toSpliced(own, 1);
  return { ...pod, spec: { ...pod.spec, initContainers: others.toSpliced(first, 0, initContainers[own]!) } };
}

function isAgentMount({ name }: { name: string }): boolean {
  return name === names.AGENT_VOLUME;
}

/** A name of ours that the pod uses for something else: the API server refuses a pod that has one twice. */
function takenName({ containers, volumes = [] }: PodSpec): string | undefined {
  if (containers.some(({ name }) => name === names.INIT_CONTAINER)) return `container ${names.INIT_CONTAINER}`;
  const volume = volumes.find(({ name }) =>
    [names.AGENT_VOLUME, names.POLICY_VOLUME, names.CREDENTIALS_VOLUME].includes(name),
  );
  return volume && `volume ${volume.name}`;
}

/** Says on a pod that asked for the agent why it has none; the very pod where it says so already. */
function withStatus(pod: Pod, decisions: Decision[]): Pod {
  const status = JSON.stringify(statusOf(decisions));
  const { annotations } = pod.metadata ?? {};
  if (annotations?.[names.STATUS] === status) return pod;
  return { ...pod, metadata: { ...pod.metadata, annotations: { ...annotations, [names.STATUS]: status } } };
}

function addAgent(container: Container, pod: Pod, namespace: string, hasCredentials: boolean): void {
  const ours: EnvVar[] = [
    { name: 'TRACING_ACME_POLICY_DIR', value: names.POLICY_DIR },
    ...(hasCredentials ? [{ name: 'TRACING_ACME_CREDENTIALS_DIR', value: names.CREDENTIALS_DIR }] : []),
    ...resourceEnv(pod, namespace, container),
  ];
  container.env = [...withFlag(container, pod.metadata?.annotations?.[names.IMAGE_NODE_OPTIONS]), ...ours];
  container.volumeMounts = [
    ...(container.volumeMounts ?? []),
    { name: names.AGENT_VOLUME, mountPath: names.AGENT_DIR, readOnly: true },
    { name: names.POLICY_VOLUME, mountPath: names.POLICY_DIR, readOnly: true },
    ...(hasCredentials ? [{ name: names.CREDENTIALS_VOLUME, mountPath: names.CREDENTIALS_DIR, readOnly: true }] : []),
  ];
}

function agentVolume() {
  return { name: names.AGENT_VOLUME, emptyDir: { sizeLimit: VOLUME_LIMIT } };
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
function initContainer({ spec }: Pod, traced: Container[], image: AgentImage): Container {
  // A pod that runs as root by its own word would be refused by the kubelet together with runAsNonRoot.
  const asRoot = spec.securityContext?.runAsUser === 0;
  const resources = initResources(traced);
  // The agent's volume gets the label of the first container that uses it: this one.
  const seLinuxOptions = traced[0]?.securityContext?.['seLinuxOptions'];
  return {
    name: names.INIT_CONTAINER,
    ...image,
    command: [names.INIT_COMMAND],
    args: [names.AGENT_DIR],
    ...(resources && { resources }),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      ...(asRoot && { runAsUser: 65532 }),
      ...(seLinuxOptions !== undefined && { seLinuxOptions }),
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [{ name: names.AGENT_VOLUME, mountPath: names.AGENT_DIR }],
  };
}

function sizeOf(annotations: Record<string, string>): number {
  return Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + Buffer.byteLength(value), 0);
}
