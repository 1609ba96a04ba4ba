import type { Container, EnvVar, Pod } from './pod.ts';

/** Variables that the resource refers to: known to the kubelet only. */
const DOWNWARD: EnvVar[] = [
  { name: 'TRACING_ACME_POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  { name: 'TRACING_ACME_POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
  { name: 'TRACING_ACME_NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
];

export const OTEL_ANNOTATION = 'resource.opentelemetry.io/';

/** What well-known labels say, where a policy wants them (`resource.useLabels`): the first that is there. */
const LABELS: [attribute: string, labels: string[]][] = [
  ['service.name', ['app.kubernetes.io/instance', 'app.kubernetes.io/name']],
  ['service.version', ['app.kubernetes.io/version']],
];

const OWNER_ATTRIBUTE: Record<string, string> = {
  Deployment: 'k8s.deployment.name',
  ReplicaSet: 'k8s.replicaset.name',
  StatefulSet: 'k8s.statefulset.name',
  DaemonSet: 'k8s.daemonset.name',
  Job: 'k8s.job.name',
  CronJob: 'k8s.cronjob.name',
};

/** Labels with the end of a ReplicaSet's name, by whoever makes it: Deployments, and Rollouts of Argo. */
const HASHES = { 'pod-template-hash': 'Deployment', 'rollouts-pod-template-hash': 'Rollout' };

/** The workload a pod belongs to, as far as the pod itself tells: nothing is looked up. */
export interface Owner {
  kind: string;
  name: string;
}

/** What made the pod: the ReplicaSet of a Deployment, the Job of a CronJob. */
function controller(pod: Pick<Pod, 'metadata'>): Owner | undefined {
  return pod.metadata?.ownerReferences?.find((candidate) => candidate.controller);
}

/**
 * Names the pod's workload from its owner reference. A ReplicaSet with the pod's own pod-template-hash at its end was
 * made by a Deployment (or a Rollout of Argo), whose name is what stands before; a Job whose name ends in the minutes since 1970 that the
 * CronJob controller appends was made by a CronJob.
 */
export function owner(pod: Pick<Pod, 'metadata'>): Owner | undefined {
  const reference = controller(pod);
  if (!reference) return undefined;
  for (const [label, kind] of Object.entries(HASHES)) {
    const hash = pod.metadata?.labels?.[label];
    if (reference.kind === 'ReplicaSet' && hash && reference.name.endsWith(`-${hash}`))
      return { kind, name: reference.name.slice(0, -hash.length - 1) };
  }
  const scheduled = reference.kind === 'Job' ? /^(.+)-(\d{8})$/.exec(reference.name) : null;
  // A date such as 20260101 is a time of 2008, when there were no CronJobs.
  if (scheduled && Number(scheduled[2]) > 26_000_000) return { kind: 'CronJob', name: scheduled[1]! };
  return { kind: reference.kind, name: reference.name };
}

/**
 * Environment that tells a process which pod it runs in: `TRACING_ACME_RESOURCE`, in the format of
 * OTEL_RESOURCE_ATTRIBUTES. The owner's own OTEL_RESOURCE_ATTRIBUTES is left alone; the agent merges the two.
 *
 * Service attributes follow OpenTelemetry's order, which opentelemetry-operator documents too, so that people who come
 * over see the same names: `resource.opentelemetry.io/*` annotations, then well-known labels where somebody wants them, then
 * the workload, then the pod. What labels say has a variable of its own, `TRACING_ACME_RESOURCE_LABELS`, so that a running
 * process can follow a policy that begins or ends to want it.
 * https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/
 */
export function resourceEnv(pod: Pod, namespace: string, { name: container, image }: Container): EnvVar[] {
  const { annotations = {}, labels = {} } = pod.metadata ?? {};
  const workload = owner(pod);
  const version = imageVersion(image);
  // Percent-encoded, but for references to what the kubelet fills in.
  const attributes: Record<string, string> = {
    'service.name': encode(workload?.name ?? pod.metadata?.name ?? container),
    'service.namespace': encode(namespace),
    'service.instance.id': `${encode(namespace)}.$(TRACING_ACME_POD_NAME).${encode(container)}`,
    ...(version !== undefined && { 'service.version': encode(version) }),
    'k8s.namespace.name': encode(namespace),
    'k8s.container.name': encode(container),
    'k8s.pod.name': '$(TRACING_ACME_POD_NAME)',
    'k8s.pod.uid': '$(TRACING_ACME_POD_UID)',
    'k8s.node.name': '$(TRACING_ACME_NODE_NAME)',
  };
  const direct = controller(pod);
  for (const each of [direct, workload]) {
    const attribute = each && OWNER_ATTRIBUTE[each.kind];
    if (attribute) attributes[attribute] = encode(each.name);
  }
  for (const [key, value] of Object.entries(annotations))
    if (key.startsWith(OTEL_ANNOTATION) && key !== OTEL_ANNOTATION && value !== '')
      attributes[key.slice(OTEL_ANNOTATION.length)] = encode(value);
  const byLabels = LABELS.flatMap(([attribute, names]): [string, string][] => {
    const value = names.map((name) => labels[name]).find(Boolean);
    return value && !annotations[OTEL_ANNOTATION + attribute] ? [[attribute, encode(value)]] : [];
  });
  return [
    ...DOWNWARD,
    { name: 'TRACING_ACME_RESOURCE', value: pairs(Object.entries(attributes)) },
    ...(byLabels.length > 0 ? [{ name: 'TRACING_ACME_RESOURCE_LABELS', value: pairs(byLabels) }] : []),
  ];
}

/** The name that a container's processes give their service, as far as admission can tell. */
export function serviceName(pod: Pod, { name: container, env = [] }: Container, useLabels: boolean): string {
  const { annotations = {}, labels = {}, name } = pod.metadata ?? {};
  const own = env.findLast((entry) => entry.name === 'OTEL_SERVICE_NAME')?.value;
  const byLabel = useLabels ? LABELS[0]![1].map((label) => labels[label]).find(Boolean) : undefined;
  return own || annotations[`${OTEL_ANNOTATION}service.name`] || byLabel || (owner(pod)?.name ?? name ?? container);
}

/**
 * What an image's name says of its version: the tag, the digest, or both as TAG@DIGEST.
 * https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/#how-serviceversion-should-be-calculated
 */
export function imageVersion(image = ''): string | undefined {
  const [name = '', digest] = image.split('@', 2);
  // A colon before a slash is that of a registry's port.
  const tag = /:([\w][\w.-]*)$/.exec(name.slice(name.lastIndexOf('/') + 1))?.[1];
  return [tag, digest].filter(Boolean).join('@') || undefined;
}

function pairs(entries: [string, string][]): string {
  return entries.map(([key, text]) => `${key}=${text}`).join(',');
}

/** Percent-encodes what separates entries, and `$`, which the kubelet would read as a reference. */
function encode(value: string): string {
  return encodeURIComponent(value).replace(/%2F/g, '/').replace(/%3A/g, ':');
}
