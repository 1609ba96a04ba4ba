import { readFileSync } from 'node:fs';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { waitForRollout } from '../../demo/deploy.ts';
import { podStates, type PodState } from '../../demo/pods.ts';
import { Watch, watchArguments } from './watch.ts';

const NAMESPACE = 'bench';
const PROBE = 'probe';
const WATCHER = 'watcher';
const KILL_SWITCH = 'off';
const PORT = 8080;
const PROGRAM = readFileSync(new URL('./probe.cjs', import.meta.url), 'utf8');

interface PodObject {
  metadata: { name: string; labels?: Record<string, string>; deletionTimestamp?: string };
  status: { phase: string; podIP?: string };
}

/** Traced pods that tell whether they sample, a policy for them, and an untraced pod from which to ask them. */
export class Probes {
  readonly #cluster: Cluster;
  readonly #image: string;

  constructor(cluster: Cluster, image: string) {
    this.#cluster = cluster;
    this.#image = image;
  }

  /** Makes all of it anew, with one probe, and waits until it runs. */
  async deploy(ratio: number): Promise<void> {
    await this.#cluster.run('kubectl', ['delete', 'namespace', NAMESPACE, '--ignore-not-found']);
    await this.#cluster.run('kubectl', ['create', 'namespace', NAMESPACE]);
    await this.setRatio(ratio);
    const probe = this.#deployment();
    // The Service of a webhook follows the readiness of its pods within a second or so.
    await until('the webhook does not answer', 30_000, async () => {
      const { spec } = JSON.parse(await this.#apply([probe], '--dry-run=server', '--output=json')) as typeof probe;
      return 'annotations' in spec.template.metadata;
    });
    await this.#apply([probe, this.#service(), this.#watcher()]);
    await waitForRollout(this.#cluster, NAMESPACE, [PROBE]);
    await this.#kubectl('wait', `pod/${WATCHER}`, '--for=condition=Ready', '--timeout=120s');
  }

  /** `kubectl apply` of the policy with this ratio. */
  async setRatio(ratio: number): Promise<void> {
    await this.#apply([
      {
        apiVersion: 'tracing.acme/v1alpha1',
        kind: 'TracingPolicy',
        metadata: { name: PROBE },
        spec: {
          sampling: { ratio },
          // Without an exporter nothing is traced. Nobody listens there.
          exporters: [{ name: 'nowhere', protocol: 'http/protobuf', endpoint: 'http://127.0.0.1:9' }],
        },
      },
    ]);
  }

  /** Applies the cluster policy that switches tracing off in every namespace, or takes it away again. */
  async killSwitch(off: boolean): Promise<void> {
    if (!off) {
      await this.#kubectl('delete', 'clustertracingpolicy', KILL_SWITCH, '--ignore-not-found');
      return;
    }
    await this.#apply([
      {
        apiVersion: 'tracing.acme/v1alpha1',
        kind: 'ClusterTracingPolicy',
        metadata: { name: KILL_SWITCH },
        spec: { enabled: false, override: true },
      },
    ]);
  }

  /** Changes an environment variable of the probes: the Deployment replaces them. */
  async setEnv(name: string, value: string): Promise<void> {
    await this.#kubectl('set', 'env', `deployment/${PROBE}`, `${name}=${value}`);
  }

  async scale(replicas: number): Promise<void> {
    await this.#kubectl('scale', `deployment/${PROBE}`, `--replicas=${replicas}`);
    await this.rolledOut();
  }

  /** Waits until the Deployment says that all of its pods are new ones and ready. */
  async rolledOut(): Promise<void> {
    await waitForRollout(this.#cluster, NAMESPACE, [PROBE]);
  }

  /** The probes' pods; a pod on its way out does not count. */
  async pods(): Promise<{ name: string; url: string }[]> {
    const answer = await this.#kubectl('get', 'pods', '-l', `app.kubernetes.io/name=${PROBE}`, '--output=json');
    const pods = (JSON.parse(answer) as { items: PodObject[] }).items.filter(
      ({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase === 'Running',
    );
    const bare = pods.filter(({ metadata }) => metadata.labels?.['tracing.acme/injected'] !== 'true');
    if (bare.length > 0) throw new Error(`not injected: ${bare.map(({ metadata }) => metadata.name).join(', ')}`);
    return pods.map(({ metadata, status }) => ({ name: metadata.name, url: url(status.podIP ?? '') }));
  }

  /** Waits until nothing but these many probes is left of what ran before. */
  async settled(replicas: number): Promise<void> {
    await until('pods of an earlier rollout are still there', 120_000, async () => {
      const names = await this.#kubectl('get', 'pods', '-l', `app.kubernetes.io/name=${PROBE}`, '--output=name');
      return names.trim().split('\n').length === replicas;
    });
  }

  /** What tells whether the probes are the same ones later, never restarted. */
  states(): Promise<PodState[]> {
    return podStates(this.#cluster, NAMESPACE, [PROBE]);
  }

  async serviceUrl(): Promise<string> {
    return url(await this.#kubectl('get', 'service', PROBE, '--output=jsonpath={.spec.clusterIP}'));
  }

  /** Asks these URLs from the watching pod, each again after `intervalMs`. */
  watch(urls: readonly string[], intervalMs: number): Watch {
    const node = ['node', ...watchArguments(intervalMs, urls)];
    const args = ['--namespace', NAMESPACE, 'exec', '--stdin', WATCHER, '--', ...node];
    return new Watch(this.#cluster.wrap('kubectl', args), urls, this.#cluster.environment());
  }

  #kubectl(...args: string[]): Promise<string> {
    return this.#cluster.run('kubectl', ['--namespace', NAMESPACE, ...args]);
  }

  #apply(items: unknown[], ...options: string[]): Promise<string> {
    const input = JSON.stringify(items.length === 1 ? items[0] : { apiVersion: 'v1', kind: 'List', items });
    return this.#cluster.run('kubectl', ['--namespace', NAMESPACE, 'apply', ...options, '-f', '-'], { input });
  }

  #deployment() {
    const labels = { 'app.kubernetes.io/name': PROBE };
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: PROBE, annotations: { 'tracing.acme/inject': 'true' } },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            automountServiceAccountToken: false,
            containers: [
              {
                ...this.#node('app', ['-e', PROGRAM]),
                env: [{ name: 'PORT', value: String(PORT) }],
                ports: [{ name: 'http', containerPort: PORT }],
                readinessProbe: { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 1 },
              },
            ],
          },
        },
      },
    };
  }

  #service() {
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: PROBE },
      spec: { selector: { 'app.kubernetes.io/name': PROBE }, ports: [{ port: PORT, targetPort: 'http' }] },
    };
  }

  #watcher() {
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: WATCHER },
      spec: {
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 0,
        containers: [this.#node('watcher', ['-e', 'setInterval(() => {}, 1_000)'])],
      },
    };
  }

  #node(name: string, args: string[]) {
    return { name, image: this.#image, imagePullPolicy: 'IfNotPresent', command: ['node', ...args] };
  }
}

function url(host: string): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${PORT}/`;
}
