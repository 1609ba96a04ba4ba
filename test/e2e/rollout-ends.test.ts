import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { switchPolicy } from '../../cli/switch/switch.ts';
import { until } from '../cluster/progress.ts';
import { withOperator } from './installation.ts';
import { CRASHES, isReady, isTraced, restartedAt, RolloutScene } from './rollout-scene.ts';
import type { Workload } from './rollout-scene.ts';

/** Restarts of other kinds, and such as somebody stops: each in a namespace of its own, all at the same time. */
describe('a restart by a policy', () => {
  const suffix = randomBytes(3).toString('hex');
  let sets: RolloutScene;
  let stopped: RolloutScene;
  let switched: RolloutScene;

  beforeAll(async () => {
    const { cluster, images } = await withOperator();
    const scene = (name: string) => new RolloutScene(cluster, images, `rollout-${name}-${suffix}`);
    [sets, stopped, switched] = [scene('sets'), scene('stop'), scene('off')];
    for (const each of [sets, stopped, switched]) await each.create();
    await sets.apply(
      sets.workload('everywhere', { kind: 'DaemonSet' }),
      sets.workload('fragile', { kind: 'DaemonSet', program: CRASHES }),
    );
    await stopped.apply(
      stopped.workload('crashes', { program: CRASHES }),
      stopped.workload('later', { spec: { replicas: 1 } }),
    );
    await switched.apply(...['a', 'b'].map((name) => switched.workload(name)));
    await sets.untilUp(2, 180_000);
    await stopped.untilUp(3, 180_000);
    await switched.untilUp(4, 180_000);
    // It is to come after the one that crashes.
    await stopped.kubectl('rollout', 'pause', 'deployment/later');
    await stopped.apply(stopped.policy({ strategy: 'Restart', onCrashLoop: 'Stop' }));
    await sets.apply(sets.policy({ strategy: 'Restart', maxUnavailable: 2 }));
  }, 600_000);

  afterAll(async () => {
    for (const each of [sets, stopped, switched]) await each?.remove();
  }, 60_000);

  it('is over at once for its policy when that is switched off, and is made good afterwards', async () => {
    await switched.apply(switched.policy({ strategy: 'Restart' }));
    const begun = async () =>
      (await switched.list<Workload>('deployments')).filter((each) => restartedAt(each) !== undefined);
    await until('nothing is restarted', 90_000, async () => (await begun()).length === 1);
    await switched.apply(switchPolicy(switched.namespace));
    await until('it is not forgotten', 60_000, async () => (await switched.restarts()).length === 0);
    await until('pods are not well', 120_000, async () => {
      const pods = await switched.list<Parameters<typeof isReady>[0]>('pods');
      return pods.length === 4 && pods.every(isReady);
    });
    // Twice as long as a restart that is due waits for.
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    expect(await begun()).toHaveLength(1);
    expect(await switched.restarts()).toEqual([]);

    await switched.kubectl('delete', 'tracingpolicy', switchPolicy(switched.namespace).metadata.name);
    await until('they are not restarted after all', 300_000, async () => {
      const pods = await switched.list<Parameters<typeof isTraced>[0]>('pods');
      return pods.length === 4 && pods.every(isTraced) && (await switched.restarts()).length === 0;
    });
  }, 600_000);

  it('goes through DaemonSets, and takes the agent from one whose pods crash', async () => {
    await until('it is not over', 300_000, async () => {
      const found = (await sets.restarts()).map(({ name, phase }) => `${name}=${phase}`);
      const [pod, ...more] = await sets.podsOf('everywhere');
      return (
        found.join() === 'fragile=RolledBack' && more.length === 0 && pod !== undefined && isTraced(pod) && isReady(pod)
      );
    });
    await until('its pod is not well again', 120_000, async () => {
      const [pod, ...more] = await sets.podsOf('fragile');
      return more.length === 0 && pod !== undefined && !isTraced(pod) && isReady(pod);
    });
    await until('status does not say so', 60_000, async () => (await sets.reasons()).join() === 'fragile=RolledBack');
  }, 480_000);

  it('leaves pods that crash as they are with onCrashLoop: Stop, and restarts nothing more until somebody has seen to it', async () => {
    await until('it is not noticed', 300_000, async () => {
      const found = await stopped.restarts();
      return found.length === 1 && found[0]!.phase === 'CrashLooping';
    });
    const [crashed] = await stopped.restarts();
    expect(crashed!.message).toMatch(
      /ended \d+ times, last with exit code 7, .*; onCrashLoop is Stop: it is left so, and nothing more is restarted/,
    );
    await stopped.kubectl('rollout', 'resume', 'deployment/later');
    const one = async (name: string) =>
      JSON.parse(await stopped.kubectl('get', 'deployment', name, '-o', 'json')) as Workload;
    const pods = await stopped.podsOf('crashes');
    expect(pods.filter((pod) => !isTraced(pod) && isReady(pod))).toHaveLength(2);
    expect(pods.filter(isTraced)).toHaveLength(1);
    expect(restartedAt(await one('crashes'))).toBe(crashed!.value);
    const events = ['get', 'events', '--field-selector', 'reason=RestartFailed', '-o', 'name'];
    await until('there is no event', 60_000, async () => (await stopped.kubectl(...events)).trim() !== '');
    // What keeps a workload is looked at again after a minute.
    await new Promise((resolve) => setTimeout(resolve, 75_000));
    expect(restartedAt(await one('later'))).toBeUndefined();

    await stopped.apply(stopped.workload('crashes'));
    await until('the other is not restarted then', 240_000, async () => {
      const [pod, ...more] = await stopped.podsOf('later');
      return more.length === 0 && pod !== undefined && isTraced(pod) && isReady(pod);
    });
  }, 780_000);
});
