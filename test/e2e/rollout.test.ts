import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readRestarts } from '../../operator/rollout/restart.ts';
import type { Restart } from '../../operator/rollout/restart.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import { withOperator, untilUsable } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** Runs on, unless it finds itself under the agent; ready by a file that it makes then. */
const CRASHES = `if (/tracing/.test(process.env.NODE_OPTIONS ?? '')) { console.error('cannot bear it'); process.exit(7); }
require('fs').writeFileSync('/tmp/up', '');
setInterval(() => {}, 1000)`;

interface Workload {
  kind: string;
  metadata: { name: string; resourceVersion: string };
  spec: { replicas: number; template: { metadata: { annotations?: Record<string, string> } } };
  status: { updatedReplicas?: number; availableReplicas?: number; observedGeneration?: number };
}
interface Pod {
  metadata: { name: string; uid: string; labels: Record<string, string>; annotations?: Record<string, string> };
  status: { phase: string; containerStatuses?: { ready: boolean; restartCount: number }[] };
}

/** Workloads that were there before their policy, which has them restarted: real rollouts of real pods. */
describe('a policy that has workloads restarted', () => {
  const suffix = randomBytes(3).toString('hex');
  const shop = `rollout-${suffix}`;
  const hard = `rollout-hard-${suffix}`;
  let cluster: Cluster;
  let images: Images;
  /** Puts a template back as a GitOps tool would that replaces what it finds. */
  let putsBack = true;
  let loop: Promise<void> | undefined;

  const kubectl = (namespace: string, ...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (namespace: string, ...items: unknown[]) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
  const list = async <T>(namespace: string, ...what: string[]): Promise<T[]> =>
    (JSON.parse(await kubectl(namespace, 'get', ...what, '-o', 'json')) as { items: T[] }).items;

  function workload(name: string, more: { kind?: string; spec?: object; program?: string } = {}) {
    const { kind = 'Deployment', spec = {}, program } = more;
    const ready = program === undefined ? 'exit 0' : 'test -f /tmp/up';
    const container = {
      ...(program !== undefined && { command: ['node', '-e', program] }),
      readinessProbe: { exec: { command: ['sh', '-c', ready] }, initialDelaySeconds: 2, periodSeconds: 1 },
    };
    const pod = nodePod(images.shop.ref, name, { container });
    const template = { metadata: { labels: pod.metadata.labels }, spec: pod.spec };
    const selector = { matchLabels: pod.metadata.labels };
    const replicas = 2;
    const serviceName = kind === 'StatefulSet' ? { serviceName: name } : {};
    return {
      apiVersion: 'apps/v1',
      kind,
      metadata: { name },
      spec: { replicas, selector, template, ...serviceName, ...spec },
    };
  }
  const policy = (rollout: object) => ({
    apiVersion: 'tracing.acme/v1alpha1',
    kind: 'TracingPolicy',
    metadata: { name: 'default' },
    spec: {
      injection: 'All',
      exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }],
      rollout,
    },
  });

  async function putBack(manifest: string): Promise<void> {
    while (putsBack) {
      await cluster.run('kubectl', ['--namespace', hard, 'replace', '-f', '-'], { input: manifest, tolerant: true });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }

  async function restarts(namespace: string): Promise<Restart[]> {
    const path = 'jsonpath={.metadata.annotations.tracing\\.acme/restarts}';
    const text = await kubectl(
      namespace,
      'get',
      'configmap',
      'tracing-acme-policies',
      '--ignore-not-found',
      '-o',
      path,
    );
    return readRestarts(text || undefined);
  }
  const isBeingRestarted = ({ spec, status }: Workload) =>
    spec.template.metadata.annotations?.['tracing.acme/restarted-at'] !== undefined &&
    ((status.updatedReplicas ?? 0) < spec.replicas || (status.availableReplicas ?? 0) < spec.replicas);
  const podsOf = async (namespace: string, name: string) => list<Pod>(namespace, 'pods', '-l', `app=${name}`);
  const isTraced = ({ metadata }: Pod) => metadata.labels['tracing.acme/injected'] === 'true';
  const reasons = async (namespace: string) => {
    const path = 'jsonpath={range .status.workloads[*]}{.name}={.reason} {end}';
    return (await kubectl(namespace, 'get', 'tracingpolicy', 'default', '-o', path)).trim().split(' ').sort();
  };

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    for (const namespace of [shop, hard]) {
      await cluster.run('kubectl', ['create', 'namespace', namespace]);
      await untilUsable(cluster, namespace, 30_000);
    }
    const budget = { minAvailable: 1, selector: { matchLabels: { app: 'guarded' } } };
    await apply(
      shop,
      ...['a', 'b', 'c'].map((name) => workload(name)),
      workload('crashes', { program: CRASHES }),
      workload('guarded', { spec: { replicas: 1, strategy: { type: 'Recreate' } } }),
      { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'guarded' }, spec: budget },
    );
    await apply(
      hard,
      workload('set', { kind: 'StatefulSet', program: CRASHES, spec: { podManagementPolicy: 'OrderedReady' } }),
      workload('gitops'),
      workload('paused', { spec: { replicas: 1 } }),
    );
    for (const namespace of [shop, hard])
      await until('the workloads are not up', 120_000, async () => {
        const pods = await list<Pod>(namespace, 'pods');
        return pods.length >= 5 && pods.every(({ status }) => status.containerStatuses?.every(({ ready }) => ready));
      });
    await kubectl(hard, 'rollout', 'pause', 'deployment/paused');
    loop = putBack(JSON.stringify(workload('gitops')));
    // Most of it is waiting: the two go on at the same time.
    await apply(hard, policy({ strategy: 'Restart' }));
  }, 240_000);

  afterAll(async () => {
    putsBack = false;
    await loop;
    for (const namespace of [shop, hard])
      await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  });

  it('restarts them a few at a time, takes the agent from those that crash, and heeds budgets', async () => {
    const before = await podsOf(shop, 'crashes');
    await apply(shop, policy({ strategy: 'Restart', maxUnavailable: 2 }));
    let most = 0;
    await until('they are not all restarted', 400_000, async () => {
      const deployments = await list<Workload>(shop, 'deployments');
      most = Math.max(most, deployments.filter(isBeingRestarted).length);
      const pods = (await Promise.all(['a', 'b', 'c'].map((name) => podsOf(shop, name)))).flat();
      const found = await restarts(shop);
      const isOver = found.length === 1 && found[0]!.phase === 'RolledBack';
      return isOver && pods.length === 6 && pods.every(isTraced);
    });
    expect(most).toBe(2);

    const [crashed] = await restarts(shop);
    expect(crashed).toMatchObject({ kind: 'Deployment', name: 'crashes', phase: 'RolledBack' });
    expect(crashed?.message).toMatch(/container app of pod crashes-.* exit code 7, and pods before that did not/);
    await until('the pods that crash are still there', 30_000, async () => {
      const pods = await podsOf(shop, 'crashes');
      return pods.length === 2 && pods.every((pod) => !isTraced(pod));
    });
    // Taken back, not restarted once more: the pods that ran all the time are the same.
    expect((await podsOf(shop, 'crashes')).map(({ metadata }) => metadata.uid).sort()).toEqual(
      before.map(({ metadata }) => metadata.uid).sort(),
    );
    await until('status does not say so', 30_000, async () => {
      return (await reasons(shop)).join() === 'crashes=RolledBack,guarded=RestartHeld';
    });
    let status = '';
    await until('it is not over in status', 30_000, async () => {
      status = await kubectl(shop, 'get', 'tracingpolicy', 'default', '-o', 'jsonpath={.status}');
      return (JSON.parse(status) as { rollout?: { restarting: number } }).rollout?.restarting === 0;
    });
    expect(status).toMatch(/PodDisruptionBudget guarded lets 0 of its pods be away, and its rollout would take 1/);
    expect(JSON.parse(status)).toMatchObject({ rollout: { restarting: 0, waiting: 1, rolledBack: 1 } });
    const events = await kubectl(shop, 'get', 'events', '--field-selector', 'reason=RolledBack', '-o', 'name');
    expect(events.trim()).not.toBe('');

    // A pod that is made anew does not get it either; and nothing is written while nothing happens.
    await kubectl(shop, 'delete', 'pod', before[0]!.metadata.name, '--wait=false');
    await until('no pod takes its place', 30_000, async () => {
      const pods = await podsOf(shop, 'crashes');
      return pods.length === 2 && !pods.some(({ metadata }) => metadata.uid === before[0]!.metadata.uid);
    });
    expect((await podsOf(shop, 'crashes')).some(isTraced)).toBe(false);
    const written = ['configmap/tracing-acme-policies', 'tracingpolicy/default', 'deployment/a', 'deployment/crashes'];
    const versions = () => kubectl(shop, 'get', ...written, '-o', 'jsonpath={.items[*].metadata.resourceVersion}');
    await until('its own Deployment does not come to rest', 20_000, async () => {
      const first = await versions();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      return first === (await versions());
    });
    const first = await versions();
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    expect(await versions()).toBe(first);
  }, 560_000);

  it('gives up where somebody puts templates back, frees a StatefulSet that waits, and leaves what is paused', async () => {
    await until('it is not rolled back, or not given up', 300_000, async () => {
      const found = (await restarts(hard)).map(({ name, phase }) => `${name}=${phase}`);
      return found.sort().join() === 'gitops=Undone,set=RolledBack';
    });
    const undone = (await restarts(hard)).find(({ name }) => name === 'gitops');
    expect(undone?.message).toMatch(/^somebody put its pod template back while it was restarted \(1 time\)/);
    expect(undone?.until).toBeDefined();
    await until('the StatefulSet is not well again', 90_000, async () => {
      const pods = await podsOf(hard, 'set');
      return pods.length === 2 && pods.every((pod) => !isTraced(pod) && pod.status.containerStatuses?.[0]?.ready);
    });
    await until('status does not say so', 90_000, async () => {
      return (await reasons(hard)).join() === 'gitops=RestartUndone,paused=RestartHeld,set=RolledBack';
    });
  }, 500_000);
});
