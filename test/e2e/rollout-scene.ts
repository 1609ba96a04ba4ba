import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import { readRestarts } from '../../operator/rollout/restart.ts';
import type { Restart } from '../../operator/rollout/restart.ts';
import { untilUsable } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** Runs on, unless it finds itself under the agent; ready by a file that it makes then. */
export const CRASHES = `if (/tracing/.test(process.env.NODE_OPTIONS ?? '')) { console.error('cannot bear it'); process.exit(7); }
require('fs').writeFileSync('/tmp/up', '');
setInterval(() => {}, 1000)`;

export interface Workload {
  kind: string;
  metadata: { name: string; resourceVersion: string };
  spec: { replicas: number; template: { metadata: { annotations?: Record<string, string> } } };
  status: { updatedReplicas?: number; availableReplicas?: number; observedGeneration?: number };
}
export interface Pod {
  metadata: { name: string; uid: string; labels: Record<string, string>; annotations?: Record<string, string> };
  status: { phase: string; containerStatuses?: { ready: boolean; restartCount: number }[] };
}

/** A namespace with workloads that were there before their policy, which has them restarted. */
export class RolloutScene {
  readonly #cluster: Cluster;
  readonly #image: string;
  readonly namespace: string;

  constructor(cluster: Cluster, images: Pick<Images, 'shop'>, namespace: string) {
    this.#cluster = cluster;
    this.#image = images.shop.ref;
    this.namespace = namespace;
  }

  async create(): Promise<void> {
    await this.#cluster.run('kubectl', ['create', 'namespace', this.namespace]);
    await untilUsable(this.#cluster, this.namespace, 60_000);
  }

  async remove(): Promise<void> {
    await this.#cluster.run('kubectl', ['delete', 'namespace', this.namespace, '--wait=false'], { tolerant: true });
  }

  kubectl(...args: string[]): Promise<string> {
    return this.#cluster.run('kubectl', ['--namespace', this.namespace, ...args]);
  }

  apply(...items: unknown[]): Promise<string> {
    return this.#cluster.run('kubectl', ['--namespace', this.namespace, 'apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
  }

  async list<T>(...what: string[]): Promise<T[]> {
    return (JSON.parse(await this.kubectl('get', ...what, '-o', 'json')) as { items: T[] }).items;
  }

  workload(name: string, more: { kind?: string; spec?: object; program?: string } = {}) {
    const { kind = 'Deployment', spec = {}, program } = more;
    const ready = program === undefined ? 'exit 0' : 'test -f /tmp/up';
    const container = {
      ...(program !== undefined && { command: ['node', '-e', program] }),
      readinessProbe: { exec: { command: ['sh', '-c', ready] }, initialDelaySeconds: 2, periodSeconds: 1 },
    };
    const pod = nodePod(this.#image, name, { container });
    const template = { metadata: { labels: pod.metadata.labels }, spec: pod.spec };
    const selector = { matchLabels: pod.metadata.labels };
    const replicas = kind === 'DaemonSet' ? {} : { replicas: 2 };
    const serviceName = kind === 'StatefulSet' ? { serviceName: name } : {};
    return {
      apiVersion: 'apps/v1',
      kind,
      metadata: { name },
      spec: { ...replicas, selector, template, ...serviceName, ...spec },
    };
  }

  policy(rollout: object) {
    return {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default' },
      spec: {
        injection: 'All',
        exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }],
        rollout,
      },
    };
  }

  /** Resolves when there are as many pods, and all are ready. */
  async untilUp(count: number, timeout: number): Promise<void> {
    await until('the workloads are not up', timeout, async () => {
      const pods = await this.list<Pod>('pods');
      return pods.length >= count && pods.every(isReady);
    });
  }

  /** What the operator remembers of restarts. */
  async restarts(): Promise<Restart[]> {
    const path = 'jsonpath={.metadata.annotations.tracing\\.acme/restarts}';
    const args = ['get', 'configmap', 'tracing-acme-policies', '--ignore-not-found', '-o', path];
    return readRestarts((await this.kubectl(...args)) || undefined);
  }

  podsOf(name: string): Promise<Pod[]> {
    return this.list<Pod>('pods', '-l', `app=${name}`);
  }

  /** `NAME=REASON` of the policy's status, in order. */
  async reasons(): Promise<string[]> {
    const path = 'jsonpath={range .status.workloads[*]}{.name}={.reason} {end}';
    return (await this.kubectl('get', 'tracingpolicy', 'default', '-o', path)).trim().split(' ').sort();
  }
}

export function restartedAt({ spec }: Workload): string | undefined {
  return spec.template.metadata.annotations?.['tracing.acme/restarted-at'];
}

export function isBeingRestarted(workload: Workload): boolean {
  const { spec, status } = workload;
  return (
    restartedAt(workload) !== undefined &&
    ((status.updatedReplicas ?? 0) < spec.replicas || (status.availableReplicas ?? 0) < spec.replicas)
  );
}

export const isTraced = ({ metadata }: Pod) => metadata.labels['tracing.acme/injected'] === 'true';
export const isReady = ({ status }: Pod) => status.containerStatuses?.every(({ ready }) => ready) === true;
