import { text } from 'node:stream/consumers';
import { run } from '../../cluster/command.ts';
import { until } from '../../cluster/progress.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import { MERGE_PATCH } from '../../../operator/kube/client.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';

const { namespace, release } = OPERATOR;
const PODS = `/api/v1/namespaces/${namespace}/pods`;
const DEPLOYMENT = `/apis/apps/v1/namespaces/${namespace}/deployments/${release}`;
const START_TIMEOUT_MS = 120_000;
const QUIET_TIMEOUT_MS = 240_000;
/** Nothing was reconciled for so long: the work is done. */
const QUIET_MS = 4_000;
/** Silence of agents shows after five minutes, and is looked for every minute. */
const SILENCE_MS = 6.5 * 60_000;
const WRITES = ['POST', 'PATCH', 'DELETE'];

interface Pod {
  metadata: { name: string; deletionTimestamp?: string };
  status: { conditions?: { type: string; status: string }[] };
}

export interface Memory {
  /** Resident now, and the most since the process began: megabytes. */
  resident: number;
  peak: number;
}

export interface Counters {
  at: number;
  /** Seconds of processor time. */
  cpu: number;
  requests: number;
  /** Keys worked on, by all controllers. */
  reconciles: number;
  /** Bytes in and out of the pod. */
  traffic: number;
}

/** The operator that the chart has installed, as a single replica, looked at from outside. */
export class Replica {
  readonly #client: KubeClient;
  #pod = '';
  /** Of performance.now(). */
  #started = 0;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async stop(): Promise<void> {
    await this.#scale(0);
    await until('the operator does not end', START_TIMEOUT_MS, async () => (await this.#pods()).length === 0);
  }

  /** Starts one process in a new pod; resolves, once it is ready, to the seconds that it says this took. */
  async start(): Promise<number> {
    await this.stop();
    this.#started = performance.now();
    await this.#scale(1);
    await until('the operator is not ready', START_TIMEOUT_MS, async () => {
      const [pod] = await this.#pods();
      if (!pod?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) return false;
      this.#pod = pod.metadata.name;
      return true;
    });
    const log = await this.#get(`${PODS}/${this.#pod}/log`);
    const ready = log.split('\n').find((line) => line.includes('"msg":"ready"'));
    return (JSON.parse(ready ?? '{}') as { seconds: number }).seconds;
  }

  /** Resolves when no controller has had anything to do for a while. */
  async quiet(): Promise<void> {
    await this.#unchanged(() => this.reconciles());
  }

  /**
   * The same, when nothing is late any more either: pods that never report are found silent after five minutes, and events
   * about many objects are written one after the other.
   */
  async settled(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.#started + SILENCE_MS - performance.now()));
    await this.quiet();
    // Its Lease is renewed by PUT.
    await this.#unchanged(async () => {
      const metrics = await this.#metrics();
      return WRITES.reduce(
        (total, method) => total + sum(metrics, 'rest_client_requests_total', `method="${method}"`),
        0,
      );
    });
  }

  async #unchanged(count: () => Promise<number>): Promise<void> {
    let last = -1;
    let since = performance.now();
    await until('the operator does not come to rest', QUIET_TIMEOUT_MS, async () => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const done = await count();
      if (done !== last) since = performance.now();
      last = done;
      return performance.now() - since >= QUIET_MS;
    });
  }

  async reconciles(): Promise<number> {
    return sum(await this.#metrics(), 'controller_runtime_reconcile_total');
  }

  async memory(): Promise<Memory> {
    const status = await this.#exec('cat', '/proc/1/status');
    const megabytes = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
    return { resident: megabytes('VmRSS'), peak: megabytes('VmHWM') };
  }

  async counters(): Promise<Counters> {
    const metrics = await this.#metrics();
    const device = (await this.#exec('cat', '/proc/1/net/dev')).split('\n').find((line) => line.includes('eth0:'));
    const [received, , , , , , , , sent] = (device ?? '').replace(/.*:/, '').trim().split(/\s+/).map(Number);
    return {
      at: performance.now(),
      cpu: sum(metrics, 'process_cpu_seconds_total'),
      requests: sum(metrics, 'rest_client_requests_total'),
      reconciles: sum(metrics, 'controller_runtime_reconcile_total'),
      traffic: received! + sent!,
    };
  }

  #metrics(): Promise<string> {
    return this.#get(`${PODS}/${this.#pod}:8080/proxy/metrics`);
  }

  async #get(path: string): Promise<string> {
    return text(await this.#client.stream(path, { signal: AbortSignal.timeout(30_000), accept: '*/*' }));
  }

  #exec(...command: string[]): Promise<string> {
    return run('kubectl', ['--namespace', namespace, 'exec', this.#pod, '--container', 'operator', '--', ...command]);
  }

  async #scale(replicas: number): Promise<void> {
    await this.#client.request('PATCH', DEPLOYMENT, { contentType: MERGE_PATCH, body: { spec: { replicas } } });
  }

  async #pods(): Promise<Pod[]> {
    const query = { labelSelector: `app.kubernetes.io/name=${release}` };
    return (await this.#client.request<{ items: Pod[] }>('GET', PODS, { query })).items;
  }
}

function sum(metrics: string, name: string, labels = ''): number {
  const lines = metrics
    .split('\n')
    .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(labels));
  return lines.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0);
}
