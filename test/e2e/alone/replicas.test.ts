import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import { operatorMetric, withFreshOperator } from '../installation.ts';

/** Two replicas of the operator, of which one leads, and what becomes of policies when that one goes. */
describe('replicas of the operator', () => {
  const namespace = `replicas-${randomBytes(3).toString('hex')}`;
  let cluster: Cluster;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const system = (...args: string[]) => cluster.run('kubectl', ['--namespace', OPERATOR.namespace, ...args]);

  const lease = (format: string) => system('get', 'lease', OPERATOR.release, '--output', `jsonpath=${format}`);

  async function leaders(): Promise<string[]> {
    const status = await operatorMetric(cluster, 'leader_election_master_status');
    return [...status].filter(([, leads]) => leads === 1).map(([pod]) => pod);
  }

  /** Applies a policy with this ratio and resolves when a leader has seen to it. */
  async function reconciled(ratio: number, timeout: number): Promise<void> {
    const policy = {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'p', namespace },
      spec: { sampling: { ratio } },
    };
    await cluster.run('kubectl', ['apply', '-f', '-'], { input: JSON.stringify(policy) });
    await until(`nobody saw to the ratio ${ratio}`, timeout, async () => {
      const format = 'jsonpath={.metadata.generation} {.status.observedGeneration}';
      const [generation, observed] = (await kubectl('get', 'tracingpolicy', 'p', '--output', format)).split(' ');
      return generation === observed;
    });
  }

  beforeAll(async () => {
    ({ cluster } = await withFreshOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await until('two replicas with one leader', 40_000, async () => {
      const status = await operatorMetric(cluster, 'leader_election_master_status').catch(
        () => new Map<string, number>(),
      );
      return status.size === 2 && [...status.values()].filter(Boolean).length === 1;
    });
  }, 180_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('have one leader, which the Lease names', async () => {
    const [leader] = await leaders();
    expect((await lease('{.spec.holderIdentity}')).split('_')[0]).toBe(leader);
    await reconciled(0.1, 10_000);
  }, 30_000);

  it('are both ready, and keep one through a drain', async () => {
    const format = 'jsonpath={.status.currentHealthy} {.status.disruptionsAllowed}';
    await until('the budget does not see two', 20_000, async () => {
      return (await system('get', 'poddisruptionbudget', OPERATOR.release, '--output', format)) === '2 1';
    });
  }, 30_000);

  it('go on after the leader was killed, within 20 s', async () => {
    const [leader] = await leaders();
    await system('delete', 'pod', leader!, '--grace-period=0', '--force');
    // The kubelet leaves it two seconds all the same, in which it drains and still leads. Then nobody renews the Lease.
    const renewed = () => lease('{.spec.renewTime}');
    for (let last = ''; last !== (last = await renewed());) await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(await lease('{.spec.holderIdentity}')).toContain(leader);
    await reconciled(0.2, 17_000);
    expect(await leaders()).not.toContain(leader);
  }, 60_000);

  it('hand over within seconds when the leader is told to go', async () => {
    await system('rollout', 'status', `deployment/${OPERATOR.release}`, '--timeout=60s');
    await until('nobody leads', 30_000, async () => (await leaders()).length === 1);
    const [leader] = await leaders();
    // Comes back when the pod is gone: leadership is given up shortly before.
    await system('delete', 'pod', leader!, '--timeout=30s');
    await reconciled(0.3, 4_000);
  }, 90_000);
});
