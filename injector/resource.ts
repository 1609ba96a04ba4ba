import type { EnvVar, Pod } from './pod.ts';

/** Variables that the resource refers to: known to the kubelet only. */
const DOWNWARD: EnvVar[] = [
  { name: 'TRACING_ACME_POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  { name: 'TRACING_ACME_POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
  { name: 'TRACING_ACME_NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
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

/**
 * Names the pod's workload from its owner reference. A ReplicaSet with the pod's own pod-template-hash at its end was
 * made by a Deployment (or a Rollout of Argo), whose name is what stands before; a Job whose name ends in the minutes since 1970 that the
 * CronJob controller appends was made by a CronJob.
 */
export function owner(pod: Pick<Pod, 'metadata'>): Owner | undefined {
  const reference = pod.metadata?.ownerReferences?.find((candidate) => candidate.controller);
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
 * over see the same names: `resource.opentelemetry.io/*` annotations, then the workload, then the pod. Well-known labels
 * are left out, because the convention wants them opt-in.
 * https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/
 */
export function resourceEnv(pod: Pod, namespace: string, container: string): EnvVar[] {
  const workload = owner(pod);
  // Percent-encoded, but for references to what the kubelet fills in.
  const attributes: Record<string, string> = {
    'service.name': encode(workload?.name ?? pod.metadata?.name ?? container),
    'service.namespace': encode(namespace),
    'service.instance.id': `${encode(namespace)}.$(TRACING_ACME_POD_NAME).${encode(container)}`,
    'k8s.namespace.name': encode(namespace),
    'k8s.container.name': encode(container),
    'k8s.pod.name': '$(TRACING_ACME_POD_NAME)',
    'k8s.pod.uid': '$(TRACING_ACME_POD_UID)',
    'k8s.node.name': '$(TRACING_ACME_NODE_NAME)',
  };
  const ownerAttribute = workload && OWNER_ATTRIBUTE[workload.kind];
  if (ownerAttribute) attributes[ownerAttribute] = encode(workload.name);
  for (const [key, value] of Object.entries(pod.metadata?.annotations ?? {})) {
    const match = /^resource\.opentelemetry\.io\/(.+)$/.exec(key);
    if (match) attributes[match[1]!] = encode(value);
  }
  const value = Object.entries(attributes)
    .map(([key, text]) => `${key}=${text}`)
    .join(',');
  return [...DOWNWARD, { name: 'TRACING_ACME_RESOURCE', value }];
}

/** Percent-encodes what separates entries, and `$`, which the kubelet would read as a reference. */
function encode(value: string): string {
  return encodeURIComponent(value).replace(/%2F/g, '/').replace(/%3A/g, ':');
}
