import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import { withFreshOperator } from '../installation.ts';
import { isBeingRestarted, isReady, isTraced, restartedAt, RolloutScene } from '../rollout-scene.ts';
import type { Pod, Workload } from '../rollout-scene.ts';

/** The leader is killed while a workload is being restarted: what is left is done by the next one, and nothing twice. */
describe('restarts by a policy, when the leader is killed', () => {
  let cluster: Cluster;
  let scene: RolloutScene;
  const operator = (...args: string[]) => cluster.run('kubectl', ['--namespace', OPERATOR.namespace, ...args]);
  const holder = () => operator('get', 'lease', OPERATOR.release, '-o', 'jsonpath={.spec.holderIdentity}');

  beforeAll(async () => {
    const { images, ...installed } = await withFreshOperator();
    cluster = installed.cluster;
    scene = new RolloutScene(cluster, images, `rollout-leader-${randomBytes(3).toString('hex')}`);
    await scene.create();
    await scene.apply(...['a', 'b'].map((name) => scene.workload(name)));
    await scene.untilUp(4, 180_000);
  }, 480_000);

  afterAll(() => scene?.remove(), 60_000);

  it('go on one at a time, each once', async () => {
    await scene.apply(scene.policy({ strategy: 'Restart' }));
    const deployments = () => scene.list<Workload>('deployments');
    await until('nothing is restarted', 90_000, async () => (await deployments()).some(isBeingRestarted));
    const old = await holder();
    const state = 'jsonpath={.status.containerStatuses[0].containerID}';
    const id = (await operator('get', 'pod', old.split('_')[0]!, '-o', state)).replace(/^.*:\/\//, '');
    await cluster.killContainer(id);

    let most = 0;
    const values = new Map<string, Set<string>>();
    await until('they are not all restarted', 400_000, async () => {
      const now = await deployments();
      most = Math.max(most, now.filter(isBeingRestarted).length);
      for (const each of now) {
        const value = restartedAt(each);
        const { name } = each.metadata;
        if (value !== undefined) values.set(name, (values.get(name) ?? new Set()).add(value));
      }
      const pods = await scene.list<Pod>('pods');
      const isOver = pods.length === 4 && pods.every((pod) => isTraced(pod) && isReady(pod));
      return isOver && (await scene.restarts()).length === 0;
    });
    expect(await holder()).not.toBe(old);
    expect(most).toBe(1);
    expect([...values].map(([name, seen]) => [name, seen.size]).sort()).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    // Each rollout of a Deployment has a ReplicaSet: the one from before, and one.
    expect(await scene.list('replicasets')).toHaveLength(4);
  }, 540_000);
});
