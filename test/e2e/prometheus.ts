import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { dump } from 'js-yaml';
import { until } from '../cluster/progress.ts';
import { prometheusFolder } from '../cluster/prometheus.ts';
import { freePort } from '../servers/free-port.ts';

export interface Rule {
  alert: string;
  expr: string;
  for?: string;
}
export interface RuleGroup {
  name: string;
  rules: Rule[];
}
export interface Series {
  metric: Record<string, string>;
  /** Time in seconds, and the value as text. */
  value: [number, string];
}
export interface Target {
  namespace: string;
  service: string;
  /** Names of its pods, and the port of a container of theirs. */
  pods: string[];
  container: number;
}

/**
 * A real Prometheus as a process of this machine, with the labels that the Prometheus operator gives the targets of a
 * ServiceMonitor: `namespace`, `pod` and `service`; what a series says itself counts before them. It asks the pods through the
 * API server, which is reached whatever the cluster runs in.
 */
export class Prometheus {
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #url: string;
  #said = '';

  private constructor(folder: string, process: ChildProcess, url: string) {
    this.#folder = folder;
    this.#process = process;
    this.#url = url;
    for (const stream of [process.stdout!, process.stderr!])
      stream.on('data', (chunk: Buffer) => (this.#said = (this.#said + chunk.toString()).slice(-4_000)));
  }

  static async start(target: Target, groups: readonly RuleGroup[]): Promise<Prometheus> {
    const program = join(await prometheusFolder(), 'prometheus');
    const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const rules = file('rules.yaml', dump({ groups }));
    const port = await freePort();
    const config = file('prometheus.yaml', dump(configuration(target, rules, file)));
    const process = spawn(
      program,
      [
        ...[`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`],
        ...[`--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const prometheus = new Prometheus(folder, process, `http://127.0.0.1:${port}`);
    const isReady = () =>
      fetch(`${prometheus.#url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    try {
      await until('Prometheus is not ready', 60_000, isReady);
    } catch (error) {
      await prometheus.stop();
      throw new Error(`${String(error)}: ${prometheus.#said}`, { cause: error });
    }
    return prometheus;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = new Promise((done) => this.#process.once('close', done));
      this.#process.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** What an expression is now. */
  async query(expression: string): Promise<Series[]> {
    const { result } = await this.#get<{ result: Series[] }>(`/api/v1/query?query=${encodeURIComponent(expression)}`);
    return result;
  }

  /** The values of a label, as a variable of a dashboard asks for them. */
  labelValues(label: string, match: string): Promise<string[]> {
    return this.#get<string[]>(`/api/v1/label/${label}/values?match[]=${encodeURIComponent(match)}`);
  }

  /** Alerts that fire, by name. */
  async firing(): Promise<Map<string, Record<string, string>[]>> {
    const { alerts } = await this.#get<{ alerts: { labels: Record<string, string>; state: string }[] }>(
      '/api/v1/alerts',
    );
    const firing = alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels);
    return new Map(
      firing.map(({ alertname }) => [alertname!, firing.filter((each) => each['alertname'] === alertname)]),
    );
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#url}${path}`);
    const answer = (await response.json()) as { status: string; data: T; error?: string };
    if (answer.status !== 'success') throw new Error(`Prometheus refuses ${path}: ${answer.error}`);
    return answer.data;
  }
}

function configuration(
  { namespace, service, pods, container }: Target,
  rules: string,
  file: (name: string, text: string) => string,
): unknown {
  const kube = new KubeConfig();
  kube.loadFromDefault();
  const [cluster, user] = [kube.getCurrentCluster()!, kube.getCurrentUser()!];
  const pem = (name: string, data: string | undefined, path: string | undefined) =>
    data === undefined ? path : file(name, Buffer.from(data, 'base64').toString());
  const server = new URL(cluster.server);
  return {
    global: { scrape_interval: '2s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: [
      {
        job_name: `serviceMonitor/${namespace}/${service}/0`,
        honor_labels: true,
        scheme: 'https',
        tls_config: {
          ca_file: pem('ca.pem', cluster.caData, cluster.caFile),
          cert_file: pem('cert.pem', user.certData, user.certFile),
          key_file: pem('key.pem', user.keyData, user.keyFile),
        },
        // Debian's Prometheus does not find pods by itself.
        static_configs: pods.map((pod) => ({
          targets: [server.host],
          labels: {
            ...{ namespace, service, pod, instance: pod },
            __metrics_path__: `/api/v1/namespaces/${namespace}/pods/${pod}:${container}/proxy/metrics`,
          },
        })),
      },
    ],
  };
}
