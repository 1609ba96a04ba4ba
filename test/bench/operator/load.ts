import { CHART } from '../../../cli/chart.ts';
import { GROUP, VERSION } from '../../../crds/tracing-policy.ts';
import { injectPod } from '../../../injector/inject.ts';
import { INJECT } from '../../../injector/names.ts';
import type { Pod } from '../../../injector/pod.ts';
import type { Policies } from '../../../injector/resolve.ts';
import { resolve } from '../../../injector/resolve.ts';
import { ApiError, MERGE_PATCH } from '../../../operator/kube/client.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';

/** How much there is in the cluster. Pods are spread evenly; so are policies, as far as they go. */
export interface Size {
  namespaces: number;
  pods: number;
  policies: number;
}

/** Policies for the whole cluster: one for all namespaces, the others for those of a team. */
const CLUSTER_POLICIES = 10;
const TEAMS = 20;
const DEPLOYMENTS = 3;
const TEMPLATE_HASH = '6d4cf56db6';
/** Of ten pods one does not ask to be traced, and one was there before the operator. */
const NOT_ASKED = 0;
const MISSING = 1;
/** Writes at the same time. */
const AT_ONCE = 64;
/** Nobody schedules for it: the pods are objects alone. */
const SCHEDULER = 'nobody';
/** As long as a real one. */
const AUTHORITY = `-----BEGIN CERTIFICATE-----\n${'MIIBszCCAVmgAwIBAgIUb2lsZXJwbGF0ZXRleHRvZmFjZXJ0aWZpY2F0ZWF1dGhv\n'.repeat(9)}-----END CERTIFICATE-----\n`;

interface Namespace {
  name: string;
  labels: Record<string, string>;
}

/**
 * Fills a cluster, in which the operator must not run meanwhile: namespaces, policies, and pods as the webhook and a
 * kubelet would leave them. What is there already stays.
 */
export async function fill(client: KubeClient, size: Size): Promise<void> {
  const namespaces = Array.from({ length: size.namespaces }, (_, index) => ({
    name: namespaceName(index),
    labels: { team: `team-${index % TEAMS}`, tier: index % 2 === 0 ? 'web' : 'backend' },
  }));
  await eachAtOnce(namespaces, AT_ONCE, async ({ name, labels }) => {
    await create(client, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    // The controller for these would take a minute for a thousand; without one no pod is taken.
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
    await create(client, `/api/v1/namespaces/${name}/serviceaccounts`, account);
  });
  const policies = policiesOf(size, namespaces);
  await eachAtOnce([...policies.namespaced, ...policies.cluster], AT_ONCE, (policy) => {
    const scope = policy.kind === 'TracingPolicy' ? `/namespaces/${policy.metadata.namespace}` : '';
    return create(client, `/apis/${GROUP}/${VERSION}${scope}/${policy.kind.toLowerCase().replace(/y$/, 'ies')}`, {
      apiVersion: `${GROUP}/${VERSION}`,
      kind: policy.kind,
      metadata: { name: policy.metadata.name },
      spec: policy.spec,
    });
  });
  const indexes = Array.from({ length: size.pods }, (_, index) => index);
  const owners = new Map<string, string>();
  await eachAtOnce(namespaces, AT_ONCE, async ({ name }) => {
    const path = `/api/v1/namespaces/${name}/serviceaccounts/default`;
    owners.set(name, (await client.request<{ metadata: { uid: string } }>('GET', path)).metadata.uid);
  });
  await eachAtOnce(indexes, AT_ONCE, async (index) => {
    const { namespace: position, number } = place(index, size);
    const namespace = namespaces[position]!;
    const pods = `/api/v1/namespaces/${namespace.name}/pods`;
    const pod = podOf(namespace, number, policies, owners.get(namespace.name)!);
    await create(client, pods, pod);
    await client.request('PATCH', `${pods}/${pod.metadata!.name}/status`, {
      query: { fieldManager: 'kubelet' },
      contentType: MERGE_PATCH,
      body: { status: running(pod) },
    });
  });
}

export function namespaceName(index: number): string {
  return `load-${String(index).padStart(4, '0')}`;
}

/** The pods of the load that have the agent. */
export function injectedPods(size: Size): { namespace: string; name: string }[] {
  return Array.from({ length: size.pods }, (_, index) => place(index, size))
    .filter(({ number }) => isInjected(number))
    .map(({ namespace, number }) => ({ namespace: namespaceName(namespace), name: podName(number) }));
}

/** Whether a pod has the agent, by its number in its namespace. */
function isInjected(number: number): boolean {
  return number % 10 !== NOT_ASKED && number % 10 !== MISSING;
}

/** The namespace of a pod, and its number there. */
function place(index: number, { namespaces }: Size): { namespace: number; number: number } {
  return { namespace: index % namespaces, number: Math.floor(index / namespaces) };
}

function podName(number: number): string {
  return `app-${number % DEPLOYMENTS}-${TEMPLATE_HASH}-${String(number).padStart(5, '0')}`;
}

/** Works on all items, so many of them at the same time. */
export async function eachAtOnce<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items.values();
  const worker = async () => {
    for (const item of iterator) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function create(client: KubeClient, path: string, body: object): Promise<void> {
  try {
    await client.request('POST', path, { body });
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error;
  }
}

function policiesOf(size: Size, namespaces: Namespace[]): Policies {
  // The API server gives its own.
  const made = { uid: '', resourceVersion: '', creationTimestamp: '2026-01-01T00:00:00Z' };
  const exporters = [{ name: 'collector', endpoint: 'http://otel-collector.observability:4318' }];
  const cluster = Array.from({ length: Math.min(CLUSTER_POLICIES, size.policies) }, (_, index) => ({
    kind: 'ClusterTracingPolicy' as const,
    metadata: { name: `cluster-${index}`, ...made },
    spec: {
      ...(index > 0 && { namespaceSelector: { matchLabels: { team: `team-${index}` } }, priority: 1 }),
      sampling: { ratio: index / 100 },
      exporters,
    },
  }));
  const namespaced = namespaces.slice(0, size.policies - cluster.length).map(({ name }, index) => ({
    kind: 'TracingPolicy' as const,
    metadata: { name: 'default', namespace: name, ...made },
    spec: {
      ...(index % 5 === 0 && { selector: { matchLabels: { 'app.kubernetes.io/name': 'app-0' } } }),
      sampling: { ratio: (index % 100) / 100 },
      exporters,
    },
  }));
  return { namespaced, cluster, defaults: CHART.defaultPolicy };
}

/** A pod as it stands in the API server some time after its creation, injected by the injector itself. */
function podOf(namespace: Namespace, number: number, policies: Policies, ownerUid: string): Pod {
  const labels = {
    'app.kubernetes.io/name': `app-${number % DEPLOYMENTS}`,
    'app.kubernetes.io/part-of': namespace.name,
    'app.kubernetes.io/version': '1.2.3',
    'pod-template-hash': TEMPLATE_HASH,
  };
  const owner = { apiVersion: 'v1', kind: 'ServiceAccount', name: 'default', controller: true, uid: ownerUid };
  const bare: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podName(number),
      namespace: namespace.name,
      labels,
      ...(number % 10 !== NOT_ASKED && { annotations: { [INJECT]: 'true' } }),
      // In place of a ReplicaSet. The garbage collector takes away what has an owner that is not there.
      ownerReferences: [owner],
    },
    spec: {
      schedulerName: SCHEDULER,
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'app',
          image: 'registry.example.com/team/app:1.2.3',
          ports: [{ name: 'http', containerPort: 8080 }],
          env: ['DATABASE_URL', 'LOG_LEVEL', 'CACHE_URL', 'REGION'].map((name) => ({ name, value: `the ${name}` })),
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
          livenessProbe: { httpGet: { path: '/live', port: 'http' } },
          readinessProbe: { httpGet: { path: '/ready', port: 'http' } },
        },
      ],
    },
  };
  if (!isInjected(number)) return bare;
  const subject = {
    namespace: namespace.name,
    namespaceLabels: namespace.labels,
    labels,
    annotations: bare.metadata!.annotations,
  };
  const resolution = resolve(policies, subject);
  const { pod } = injectPod(bare, namespace, resolution, {
    agentImage: 'registry.example.com/tracing-acme/agent:0.1.0',
    agentImagePullPolicy: 'IfNotPresent',
    reporting: { url: 'https://tracing-operator.tracing-system.svc:8443/reports', ca: AUTHORITY },
  });
  return pod;
}

/** What a kubelet writes of a pod that runs. */
function running({ spec }: Pod): object {
  const at = '2026-01-01T00:00:10Z';
  const condition = (type: string) => ({ type, status: 'True', lastProbeTime: null, lastTransitionTime: at });
  const container = ({ name, image }: { name: string; image?: string }, state: object) => ({
    ...{ name, image, imageID: `${image}@sha256:${'0'.repeat(64)}`, containerID: `containerd://${'0'.repeat(64)}` },
    ...{ ready: true, started: true, restartCount: 0, lastState: {}, state },
  });
  return {
    phase: 'Running',
    conditions: ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(condition),
    hostIP: '10.0.0.1',
    podIP: '10.1.0.1',
    podIPs: [{ ip: '10.1.0.1' }],
    startTime: at,
    initContainerStatuses: (spec.initContainers ?? []).map((each) =>
      container(each, {
        terminated: { exitCode: 0, reason: 'Completed', startedAt: at, finishedAt: at, containerID: 'containerd://0' },
      }),
    ),
    containerStatuses: spec.containers.map((each) => container(each, { running: { startedAt: at } })),
  };
}
