import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import { withOperator } from './installation.ts';
import { CRASHES, isBeingRestarted, isTraced, RolloutScene } from './rollout-scene.ts';
import type { Workload } from './rollout-scene.ts';

/** Workloads that were there before their policy, which has them restarted: real rollouts of real pods. */
describe('a policy that has workloads restarted', () => {
  const suffix = randomBytes(3).toString('hex');
  let cluster: Cluster;
  let shop: RolloutScene;
  let hard: RolloutScene;
  /** Puts a template back as a GitOps tool would that replaces what it finds. */
  let putsBack = true;
  let loop: Promise<void> | undefined;

  async function putBack(manifest: string): Promise<void> {
    while (putsBack) {
      await cluster.run('kubectl', ['--namespace', hard.namespace, 'replace', '-f', '-'], {
        input: manifest,
        tolerant: true,
      });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }

  beforeAll(async () => {
    const { images, ...installed } = await withOperator();
    cluster = installed.cluster;
    shop = new RolloutScene(cluster, images, `rollout-${suffix}`);
    hard = new RolloutScene(cluster, images, `rollout-hard-${suffix}`);
    for (const scene of [shop, hard]) await scene.create();
    const budget = { minAvailable: 1, selector: { matchLabels: { app: 'guarded' } } };
    await shop.apply(
      ...['a', 'b', 'c'].map((name) => shop.workload(name)),
      shop.workload('crashes', { program: CRASHES }),
      shop.workload('guarded', { spec: { replicas: 1, strategy: { type: 'Recreate' } } }),
      { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'guarded' }, spec: budget },
    );
    await hard.apply(
      hard.workload('set', { kind: 'StatefulSet', program: CRASHES, spec: { podManagementPolicy: 'OrderedReady' } }),
      hard.workload('gitops'),
      hard.workload('paused', { spec: { replicas: 1 } }),
    );
    for (const scene of [shop, hard]) await scene.untilUp(5, 240_000);
    await hard.kubectl('rollout', 'pause', 'deployment/paused');
    loop = putBack(JSON.stringify(hard.workload('gitops')));
    // Most of it is waiting: the two go on at the same time.
    await hard.apply(hard.policy({ strategy: 'Restart' }));
  }, 420_000);

  afterAll(async () => {
    putsBack = false;
    await loop;
    for (const scene of [shop, hard]) await scene.remove();
  });

  it('restarts them a few at a time, takes the agent from those that crash, and heeds budgets', async () => {
    const before = await shop.podsOf('crashes');
    await shop.apply(shop.policy({ strategy: 'Restart', maxUnavailable: 2 }));
    let most = 0;
    await until('they are not all restarted', 400_000, async () => {
      const deployments = await shop.list<Workload>('deployments');
      most = Math.max(most, deployments.filter(isBeingRestarted).length);
      const pods = (await Promise.all(['a', 'b', 'c'].map((name) => shop.podsOf(name)))).flat();
      const found = await shop.restarts();
      const isOver = found.length === 1 && found[0]!.phase === 'RolledBack';
      return isOver && pods.length === 6 && pods.every(isTraced);
    });
    expect(most).toBe(2);

    const [crashed] = await shop.restarts();
    expect(crashed).toMatchObject({ kind: 'Deployment', name: 'crashes', phase: 'RolledBack' });
    expect(crashed?.message).toMatch(/container app of pod crashes-.* exit code 7, and pods before that did not/);
    await until('the pods that crash are still there', 30_000, async () => {
      const pods = await shop.podsOf('crashes');
      return pods.length === 2 && pods.every((pod) => !isTraced(pod));
    });
    // Taken back, not restarted once more: the pods that ran all the time are the same.
    expect((await shop.podsOf('crashes')).map(({ metadata }) => metadata.uid).sort()).toEqual(
      before.map(({ metadata }) => metadata.uid).sort(),
    );
    await until('status does not say so', 30_000, async () => {
      return (await shop.reasons()).join() === 'crashes=RolledBack,guarded=RestartHeld';
    });
    let status = '';
    await until('it is not over in status', 30_000, async () => {
      status = await shop.kubectl('get', 'tracingpolicy', 'default', '-o', 'jsonpath={.status}');
      return (JSON.parse(status) as { rollout?: { restarting: number } }).rollout?.restarting === 0;
    });
    expect(status).toMatch(/PodDisruptionBudget guarded lets 0 of its pods be away, and its rollout would take 1/);
    expect(JSON.parse(status)).toMatchObject({ rollout: { restarting: 0, waiting: 1, rolledBack: 1 } });
    const events = await shop.kubectl('get', 'events', '--field-selector', 'reason=RolledBack', '-o', 'name');
    expect(events.trim()).not.toBe('');

    // A pod that is made anew does not get it either; and nothing is written while nothing happens.
    await shop.kubectl('delete', 'pod', before[0]!.metadata.name, '--wait=false');
    await until('no pod takes its place', 30_000, async () => {
      const pods = await shop.podsOf('crashes');
      return pods.length === 2 && !pods.some(({ metadata }) => metadata.uid === before[0]!.metadata.uid);
    });
    expect((await shop.podsOf('crashes')).some(isTraced)).toBe(false);
    const ours = ['configmap/tracing-acme-policies', 'tracingpolicy/default'];
    const theirs = ['deployment/a', 'deployment/crashes'];
    // Not the Deployments' own status, which follows their pods.
    const whole = 'jsonpath={.items[*].metadata.resourceVersion}';
    const written = 'jsonpath={.items[*].metadata.generation} {.items[*].metadata.annotations}';
    const versions = async () =>
      (await shop.kubectl('get', ...ours, '-o', whole)) + (await shop.kubectl('get', ...theirs, '-o', written));
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
      const found = (await hard.restarts()).map(({ name, phase }) => `${name}=${phase}`);
      return found.sort().join() === 'gitops=Undone,set=RolledBack';
    });
    const undone = (await hard.restarts()).find(({ name }) => name === 'gitops');
    expect(undone?.message).toMatch(/^somebody put its pod template back while it was restarted \(1 time\)/);
    expect(undone?.until).toBeDefined();
    await until('the StatefulSet is not well again', 90_000, async () => {
      const pods = await hard.podsOf('set');
      return pods.length === 2 && pods.every((pod) => !isTraced(pod) && pod.status.containerStatuses?.[0]?.ready);
    });
    await until('status does not say so', 90_000, async () => {
      return (await hard.reasons()).join() === 'gitops=RestartUndone,paused=RestartHeld,set=RolledBack';
    });
  }, 500_000);
});
