import {
  AGENT_OUTAGES,
  POLICY_CONFIG_MAP,
  POLICY_FIELD_MANAGER,
  REPORTS_CONFIG_MAP,
  RESTARTS,
} from '../../injector/names.ts';
import type { ObjectMeta, Pod } from '../../injector/pod.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { owner } from '../../injector/resource.ts';
import type { Outage } from '../../operator/breaker/outage.ts';
import { isOpen, readOutages } from '../../operator/breaker/outage.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import { digestKey, readDigest } from '../../operator/digest/digest.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { ApiError } from '../../operator/kube/client.ts';
import type { Restart } from '../../operator/rollout/restart.ts';
import { readRestarts } from '../../operator/rollout/restart.ts';
import { InputError } from '../input-error.ts';
import { findInstallation } from '../installation.ts';
import type { Installation, StoredPolicies } from '../../operator/coverage/facts.ts';
import type { List, Read } from '../reading.ts';
import { readAll, Reading, roleNeeded } from '../reading.ts';
import { readPolicies } from '../stored-policies.ts';
import { clockOffset } from '../clock.ts';
import { resolutionFor } from '../override/target.ts';
import { podOf, templatePath } from '../workload.ts';
import { outcomeOf } from './asking.ts';
import type { Kind } from './kinds.ts';
import { kindOf } from './kinds.ts';
import { isInjected } from './pods.ts';
import type { Receivers } from './receivers.ts';
import { findReceivers } from './receivers.ts';
import { spokenBy } from './spoken.ts';
import { writtenAt } from './written.ts';

export interface ContainerStatus {
  name: string;
  ready?: boolean;
  restartCount?: number;
  state?: {
    waiting?: { reason?: string; message?: string };
    terminated?: { reason?: string; exitCode?: number; message?: string };
  };
}

/** A pod with its status, as the API server gives it. */
export interface LivePod extends Pod {
  metadata: ObjectMeta & { name: string; creationTimestamp?: string; deletionTimestamp?: string };
  status?: {
    phase?: string;
    reason?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
}

export interface WorkloadObject extends Record<string, unknown> {
  kind: string;
  metadata: ObjectMeta & { name: string };
}

/** All that is known about one workload. */
export interface Facts extends StoredPolicies {
  kind: Kind;
  workload: WorkloadObject;
  namespace: string;
  /** Undefined where they cannot be read. */
  namespaceLabels?: Record<string, string>;
  namespaceAnnotations?: Record<string, string>;
  /** `absent`: it can be seen that there is none. Undefined: it cannot be seen. */
  installation?: Installation | 'absent';
  /** The documents that the operator wrote for pods of the namespace, by key. */
  delivered?: Map<string, PolicyDocument>;
  /** When it wrote them last, milliseconds since 1970; undefined where that cannot be seen. */
  deliveredAt?: number;
  /** What the agents of the workload say, as the operator wrote it down; undefined where there is nothing. */
  digest?: Digest;
  /** Agents that new pods of the namespace are not given for now, as they would keep them from starting. */
  outages: Outage[];
  /** How it stands with its restart by the operator, where there is or was one. */
  restart?: Restart;
  pods: LivePod[];
  /** The last warning about a pod, by its name. */
  warnings: Map<string, string>;
  /** Why processes of a pod are not traced, as they say themselves, by its name. */
  spoken: Map<string, string>;
  /** What could not be read, and what that leaves open. */
  closed: string[];
  /** What there is that takes spans, as far as it may be seen; left out where nobody needs to know. */
  receivers?: Receivers;
  /** Milliseconds since 1970, by the cluster's clock. */
  now: number;
}

/** What it leaves open that pods may not be read. */
export const ITS_PODS = 'its pods';
/** Pods of which a warning is looked for. */
const WARNED = 5;
/** Pods whose logs are looked at, where no agent reports. */
const READ = 2;

/**
 * Reads what there is to know about a workload, as far as whoever asks may read it.
 * @throws InputError where there is no such workload, or it may not be read; and where no kind is said, and several have the name.
 */
export async function gather(
  client: KubeClient,
  { kind: named, name }: { kind?: Kind; name: string },
  namespace: string,
): Promise<Facts> {
  const kind = named ?? (await kindOf(client, name, namespace));
  const reading = new Reading(client);
  const { read } = reading;
  const own = `${kind.api}/namespaces/${namespace}/${kind.plural}`;
  const workload = await find(client, kind, own, name, namespace);
  if (kind.kind !== 'Pod' && !templatePath(workload)) {
    const { workloadRef } = (workload['spec'] ?? {}) as { workloadRef?: { kind?: string; name?: string } };
    throw new InputError(
      `${kind.kind} ${name} has no pod template of its own. Look at ${workloadRef?.name === undefined ? 'one of its pods: kubectl tracing explain pod/NAME' : `what it refers to: kubectl tracing explain ${workloadRef.kind?.toLowerCase()}/${workloadRef.name}`}`,
    );
  }
  const [meta, policies, documents, reports, installation, pods] = await Promise.all([
    read<{ metadata: ObjectMeta }>(
      `/api/v1/namespaces/${namespace}`,
      `namespace ${namespace}: its labels may ask for tracing`,
    ),
    readPolicies(read, namespace),
    read<{ metadata: ObjectMeta; data?: Record<string, string> }>(
      `/api/v1/namespaces/${namespace}/configmaps/${POLICY_CONFIG_MAP}`,
      'the policies that the operator delivered to the namespace',
    ),
    read<{ data?: Record<string, string> }>(
      `/api/v1/namespaces/${namespace}/configmaps/${REPORTS_CONFIG_MAP}`,
      'what the agents of the namespace report',
    ),
    findInstallation(read),
    kind.kind === 'Pod' ? [workload as unknown as LivePod] : podsOf(read, workload, namespace),
  ]);
  const warnings = new Map<string, string>();
  for (const pod of pods.filter((pod) => !isWell(pod)).slice(0, WARNED)) {
    const fieldSelector = `involvedObject.kind=Pod,involvedObject.name=${pod.metadata.name},type=Warning`;
    const events = await read<List<{ message?: string; lastTimestamp?: string | null; eventTime?: string | null }>>(
      `/api/v1/namespaces/${namespace}/events`,
      'events of the pods',
      { fieldSelector },
    );
    const at = (event: { lastTimestamp?: string | null; eventTime?: string | null }) =>
      event.lastTimestamp ?? event.eventTime ?? '';
    const last = events?.items?.sort((a, b) => at(a).localeCompare(at(b))).at(-1)?.message;
    if (last) warnings.set(pod.metadata.name, last);
  }
  const maker = (pods[0] && owner(pods[0])) ?? { kind: kind.kind, name };
  // What pods have said that are gone says nothing of those to come.
  const digest = pods.some((pod) => isInjected(pod) && !pod.metadata.deletionTimestamp)
    ? (readDigest(reports?.data?.[digestKey(kind.kind, name)]) ??
      readDigest(reports?.data?.[digestKey(maker.kind, maker.name)]))
    : undefined;
  const spoken = new Map<string, string>();
  for (const pod of digest ? [] : pods.filter((each) => isInjected(each) && isWell(each)).slice(0, READ)) {
    const line = await spokenBy(client, namespace, pod);
    if (line !== undefined) spoken.set(pod.metadata.name, line);
  }
  const restarted = readRestarts(documents?.metadata.annotations?.[RESTARTS]).find(
    (each) => each.kind === maker.kind && each.name === maker.name,
  );
  const deliveredAt = documents && writtenAt(documents.metadata, POLICY_FIELD_MANAGER);
  const facts: Facts = {
    kind,
    workload,
    namespace,
    ...(meta && {
      namespaceLabels: meta.metadata.labels ?? {},
      namespaceAnnotations: meta.metadata.annotations ?? {},
    }),
    ...policies,
    ...(installation && { installation }),
    ...(documents && { delivered: documentsOf(documents.data ?? {}) }),
    ...(deliveredAt !== undefined && { deliveredAt }),
    ...(digest && { digest }),
    ...(restarted && { restart: restarted }),
    outages: readOutages(documents?.metadata.annotations?.[AGENT_OUTAGES]).filter(isOpen),
    now: Date.now() + (await clockOffset(client)),
    pods,
    warnings,
    spoken,
    closed: reading.closed,
  };
  const endpoints = endpointsInTrouble(facts);
  return endpoints ? { ...facts, receivers: await findReceivers(client, namespace, endpoints) } : facts;
}

/** Where spans are to go and do not; undefined where nobody needs to know what there is that takes them. */
export function endpointsInTrouble(facts: Facts): string[] | undefined {
  const pod = facts.pods[0]?.metadata ?? podOf(facts.workload, templatePath(facts.workload) ?? []).metadata ?? {};
  const { document, policy } = resolutionFor(facts, pod, facts.now);
  const exporters = document?.spec.exporters ?? [];
  // Who does not ask needs no first policy.
  if (exporters.length === 0)
    return policy?.spec.enabled === false || outcomeOf(facts).asked.asked !== true ? undefined : [];
  const said = [
    ...(facts.digest?.facts.troubles ?? []),
    ...(policy?.status?.workloads ?? []).map(({ message = '' }) => message),
  ];
  const found = exporters.filter(({ name }) => said.some((text) => text.includes(`exporter ${name}: `)));
  return found.length > 0 ? found.map(({ endpoint }) => endpoint) : undefined;
}

/** Whether a pod runs, or has run to its end, as it should. */
export function isWell({ status }: LivePod): boolean {
  if (status?.phase === 'Succeeded') return true;
  return status?.phase === 'Running' && (status.containerStatuses ?? []).every(({ ready }) => ready);
}

async function find(
  client: KubeClient,
  { kind }: Kind,
  path: string,
  name: string,
  namespace: string,
): Promise<WorkloadObject> {
  try {
    const found = await client.request<WorkloadObject>('GET', `${path}/${name}`);
    return { ...found, kind };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401 || error.status === 403)
      throw new InputError(
        `you may not read ${kind} ${name} in namespace ${namespace}: ${error.message}\nFor that ${roleNeeded('view', namespace)}`,
      );
    if (error.status !== 404) throw error;
    const others = await client
      .request<List<WorkloadObject>>('GET', path, { query: { limit: 20 } })
      .catch(() => undefined);
    const names = others?.items?.map(({ metadata }) => metadata.name) ?? [];
    const isGone = await client.request('GET', `/api/v1/namespaces/${namespace}`).then(
      () => false,
      (failure: unknown) => failure instanceof ApiError && failure.status === 404,
    );
    if (isGone) throw new InputError(`there is no namespace ${namespace}. Which there are: kubectl get namespaces`);
    const there =
      names.length > 0
        ? `There ${names.length > 1 ? 'are' : 'is'} ${names.join(', ')}`
        : `There is none in it. Another namespace: -n NAME`;
    throw new InputError(`there is no ${kind} ${name} in namespace ${namespace}. ${there}`);
  }
}

/** The pods that a workload has made, as they say themselves. */
async function podsOf(read: Read, { kind, metadata, spec }: WorkloadObject, namespace: string): Promise<LivePod[]> {
  const labels =
    (spec as { selector?: { matchLabels?: Record<string, string> } } | undefined)?.selector?.matchLabels ?? {};
  const labelSelector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const pods = await readAll<LivePod>(read, path, ITS_PODS, labelSelector ? { labelSelector } : {});
  return (pods ?? []).filter((pod) => {
    const direct = pod.metadata.ownerReferences?.some(
      (reference) => reference.kind === kind && reference.name === metadata.name,
    );
    const maker = owner(pod);
    return direct || (maker?.kind === kind && maker.name === metadata.name);
  });
}

function documentsOf(data: Record<string, string>): Map<string, PolicyDocument> {
  const documents = new Map<string, PolicyDocument>();
  for (const [key, text] of Object.entries(data)) {
    try {
      const document = JSON.parse(text) as Partial<PolicyDocument>;
      if (document.spec && document.revision !== undefined) documents.set(key, document as PolicyDocument);
    } catch {
      // Somebody else's writing: the operator puts it right.
    }
  }
  return documents;
}
