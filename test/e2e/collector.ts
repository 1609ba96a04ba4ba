import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import { provideServer } from '../cluster/servers.ts';
import { waitForRollout } from '../demo/deploy.ts';
import type { Images } from '../demo/prepare.ts';
import { readSpans, type OtlpReadSpan, type OtlpTraces } from '../../cli/trace/otlp.ts';
import { readLogs, readMetrics } from '../demo/otlp-signals.ts';
import type { OtlpLogs, OtlpMetrics, OtlpReadLog, OtlpReadMetric } from '../demo/otlp-signals.ts';
import { nodePod } from './node-pod.ts';

/**
 * Keeps what the Collector sends it, in a pod of its own: it is there when the Collector is gone. Of a signal it gives all
 * requests from a number on.
 */
const STORE = `const kept = {};
require('http').createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://store');
  const bodies = (kept[pathname] ??= []);
  if (request.method === 'GET') return response.end('[' + bodies.slice(Number(searchParams.get('from'))).join() + ']');
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => (bodies.push(Buffer.concat(parts)), response.setHeader('content-type', 'application/json').end('{}')));
}).listen(4319)`;
const STORE_PORT = 4319;
const FILES = '/etc/collector-files';

export interface CollectorOptions {
  /** Of its Deployment and Service. Default: `collector`. */
  name?: string;
  /** Settings of the OTLP receiver for both protocols, e.g. `{ tls: { cert_file: '/etc/collector-files/tls.crt', … } }`. */
  receiver?: Record<string, unknown>;
  /** Processors by name, in the order in which they are to work, e.g. `{ probabilistic_sampler: { mode: 'proportional' } }`. */
  processors?: Record<string, unknown>;
  /** Files by name, mounted as a Secret at /etc/collector-files. */
  files?: Record<string, string>;
}

/**
 * A real OpenTelemetry Collector in a namespace, and everything that it has received. It answers an exporter only when what
 * was sent is kept: what it has accepted is never lost, not even when it is killed. Deleting the namespace removes it.
 *
 *     const collector = await Collector.deploy(cluster, images, namespace);
 *     // … a policy whose exporter has endpoint: collector.http (or protocol: grpc, endpoint: collector.grpc) …
 *     const spans = await collector.until('a span of web', 60_000, (spans) => spans.some((span) => span.service === 'web'));
 *
 * `spans`, `metrics` and `logs` give everything since it was deployed; for "from now on" remember how many there were.
 */
export class Collector {
  readonly #cluster: Cluster;
  readonly #namespace: string;
  readonly #name: string;
  readonly #secure: boolean;
  readonly #spans: OtlpReadSpan[] = [];
  readonly #metrics: OtlpReadMetric[] = [];
  readonly #logs: OtlpReadLog[] = [];
  /** How many requests have been read, by path. */
  readonly #read: Record<string, number> = {};

  private constructor(cluster: Cluster, namespace: string, name: string, secure: boolean) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#name = name;
    this.#secure = secure;
  }

  /** Deploys one in a namespace that is usable (`untilUsable`), and waits until it takes spans. */
  static async deploy(
    cluster: Cluster,
    images: Pick<Images, 'shop'>,
    namespace: string,
    { name = 'collector', receiver = {}, processors = {}, files = {} }: CollectorOptions = {},
  ): Promise<Collector> {
    const image = await provideServer(cluster, 'collector');
    const collector = new Collector(cluster, namespace, name, 'tls' in receiver);
    const store = `${name}-store`;
    await collector.#apply(
      nodePod(images.shop.ref, store, { container: { command: ['node', '-e', STORE] } }),
      service(store, [STORE_PORT]),
      secret(`${name}-files`, files),
      configuration(name, receiver, processors),
      deployment(name, image),
      service(name, [4317, 4318]),
    );
    await collector.#kubectl('wait', `pod/${store}`, '--for=condition=Ready', '--timeout=120s');
    await waitForRollout(cluster, namespace, [name]);
    return collector;
  }

  /** Endpoint for `protocol: grpc`, reachable from every pod. */
  get grpc(): string {
    return this.#endpoint(4317);
  }

  /** Endpoint for `protocol: http/protobuf` and `http/json`, without a path. */
  get http(): string {
    return this.#endpoint(4318);
  }

  /** All spans so far, in the order in which they came. */
  async spans(): Promise<OtlpReadSpan[]> {
    for (const request of await this.#fresh('/v1/traces')) this.#spans.push(...readSpans(request as OtlpTraces));
    return this.#spans;
  }

  /** All metrics so far: one entry for each metric of each request. */
  async metrics(): Promise<OtlpReadMetric[]> {
    for (const request of await this.#fresh('/v1/metrics')) this.#metrics.push(...readMetrics(request as OtlpMetrics));
    return this.#metrics;
  }

  /** All log records so far. */
  async logs(): Promise<OtlpReadLog[]> {
    for (const request of await this.#fresh('/v1/logs')) this.#logs.push(...readLogs(request as OtlpLogs));
    return this.#logs;
  }

  /**
   * Waits until the spans so far satisfy a condition, and returns them all. Rejects after `timeout` milliseconds with what
   * was waited for and the spans that did come.
   */
  async until(what: string, timeout: number, condition: (spans: OtlpReadSpan[]) => boolean): Promise<OtlpReadSpan[]> {
    try {
      await until(`the Collector did not receive ${what}`, timeout, async () => condition(await this.spans()));
    } catch (error) {
      const last = this.#spans.slice(-20).map((span) => `${span.service} ${span.kind} "${span.name}"`);
      const seen = `${this.#spans.length} spans came, the last of them:\n${last.join('\n')}`;
      throw new Error(`${error instanceof Error ? error.message : String(error)}; ${seen}`, { cause: error });
    }
    return this.#spans;
  }

  /** Replaces files. The pod sees them when the kubelet looks again, after a minute or so. */
  async setFiles(files: Record<string, string>): Promise<void> {
    await this.#apply(secret(`${this.#name}-files`, files));
  }

  /** Takes the Collector away within about a second. Resolves when it is gone; what it had received can still be read. */
  async kill(): Promise<void> {
    await this.#kubectl('scale', `deployment/${this.#name}`, '--replicas=0');
    await this.#kubectl('delete', 'pod', '--selector', `app=${this.#name}`, '--grace-period=0', '--force');
    await this.#kubectl('wait', 'pod', '--selector', `app=${this.#name}`, '--for=delete', '--timeout=60s');
  }

  /** Brings it back. Resolves when it takes spans. */
  async start(): Promise<void> {
    await this.#kubectl('scale', `deployment/${this.#name}`, '--replicas=1');
    await waitForRollout(this.#cluster, this.#namespace, [this.#name]);
  }

  #endpoint(port: number): string {
    return `${this.#secure ? 'https' : 'http'}://${this.#name}.${this.#namespace}:${port}`;
  }

  #kubectl(...args: string[]): Promise<string> {
    return this.#cluster.run('kubectl', ['--namespace', this.#namespace, ...args]);
  }

  async #apply(...items: unknown[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await this.#cluster.run('kubectl', ['--namespace', this.#namespace, 'apply', '-f', '-'], { input });
  }

  /** The requests that came since the last look. */
  async #fresh(path: string): Promise<unknown[]> {
    const from = this.#read[path] ?? 0;
    const proxy = `/api/v1/namespaces/${this.#namespace}/pods/${this.#name}-store:${STORE_PORT}/proxy`;
    const requests = JSON.parse(await this.#kubectl('get', '--raw', `${proxy}${path}?from=${from}`)) as unknown[];
    // Two that look at the same time must not both take the same requests.
    const seen = (this.#read[path] ?? 0) - from;
    this.#read[path] = Math.max(from + requests.length, this.#read[path] ?? 0);
    return requests.slice(seen);
  }
}

function configuration(name: string, receiver: Record<string, unknown>, processors: Record<string, unknown>) {
  const pipeline = { receivers: ['otlp'], processors: Object.keys(processors), exporters: ['otlp_http'] };
  // A processor for traces may not stand in the other pipelines.
  const plain = { ...pipeline, processors: [] };
  const config = {
    receivers: {
      otlp: {
        protocols: {
          grpc: { endpoint: '0.0.0.0:4317', ...receiver },
          http: { endpoint: '0.0.0.0:4318', ...receiver },
        },
      },
    },
    processors,
    exporters: {
      otlp_http: {
        endpoint: `http://${name}-store:${STORE_PORT}`,
        encoding: 'json',
        compression: 'none',
        // The answer to whoever sent something is that of the store.
        sending_queue: { enabled: false },
        retry_on_failure: { enabled: false },
      },
    },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: { traces: pipeline, metrics: plain, logs: plain },
    },
  };
  return object('ConfigMap', `${name}-config`, { data: { 'config.yaml': JSON.stringify(config) } });
}

function deployment(name: string, image: string) {
  const labels = { app: name };
  const container = {
    name: 'collector',
    image,
    imagePullPolicy: 'IfNotPresent',
    args: ['--config=/etc/collector/config.yaml'],
    ports: [{ containerPort: 4317 }, { containerPort: 4318 }],
    readinessProbe: { tcpSocket: { port: 4318 }, periodSeconds: 1, failureThreshold: 60 },
    volumeMounts: [
      { name: 'config', mountPath: '/etc/collector' },
      { name: 'files', mountPath: FILES },
    ],
  };
  const volumes = [
    { name: 'config', configMap: { name: `${name}-config` } },
    { name: 'files', secret: { secretName: `${name}-files` } },
  ];
  const spec = {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 1,
    containers: [container],
    volumes,
  };
  return {
    ...object('Deployment', name, {
      spec: {
        replicas: 1,
        strategy: { type: 'Recreate' },
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec },
      },
    }),
    apiVersion: 'apps/v1',
  };
}

function service(name: string, ports: number[]) {
  const named = ports.map((port) => ({ name: `port-${port}`, port }));
  return object('Service', name, { spec: { selector: { app: name }, ports: named } });
}

function secret(name: string, stringData: Record<string, string>) {
  return object('Secret', name, { stringData });
}

function object(kind: string, name: string, rest: Record<string, unknown>) {
  return { apiVersion: 'v1', kind, metadata: { name }, ...rest };
}
