import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { KubeClient, MERGE_PATCH } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import { applyCrds, makeNamespace, untilUsable } from './api-server.ts';
import { install, OperatorProcess, requireNoOperator } from './operator-process.ts';
import type { Installation } from './operator-process.ts';

const POLICIES = '/apis/tracing.acme/v1alpha1/clustertracingpolicies';
const OTHER = 'agent:test IfNotPresent';
const CANARY = 'agent:new IfNotPresent';

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
}

/**
 * A new agent that spreads over the lives of its operators: real processes on a real API server. Pods are never run: what a
 * kubelet would say of them is written by hand.
 */
describe('a canary of the agent', () => {
  const client = KubeClient.fromDefault();
  const operators: OperatorProcess[] = [];
  let removeCrds: () => Promise<void>;
  let installation: Installation;
  let namespace: Awaited<ReturnType<typeof makeNamespace>>;

  async function operator(): Promise<OperatorProcess> {
    const made = new OperatorProcess(installation);
    operators.push(made);
    await made.start();
    return made;
  }
  const policy = () => `${POLICIES}/${namespace.name}`;
  const halted = async (): Promise<Condition | undefined> => {
    const { status } = await client.request<{ status?: { conditions?: Condition[] } }>('GET', policy());
    return status?.conditions?.find(({ type }) => type === 'CanaryHalted');
  };
  /** Of so many pods in a row, those that would get the new agent. */
  const dealt = async (by: OperatorProcess, pods: number): Promise<number> => {
    let canaries = 0;
    for (let i = 0; i < pods; i++) {
      const agent = await by.agentFor(namespace.name);
      expect([OTHER, CANARY]).toContain(agent);
      if (agent === CANARY) canaries++;
    }
    return canaries;
  };
  const makePod = (name: string, agent: string) =>
    client.request('POST', `/api/v1/namespaces/${namespace.name}/pods`, {
      body: {
        metadata: {
          name,
          labels: { 'tracing.acme/injected': 'true' },
          annotations: { 'tracing.acme/inject': 'true', 'tracing.acme/agent': agent },
        },
        spec: {
          nodeSelector: { 'example.com/none': 'none' },
          automountServiceAccountToken: false,
          containers: [{ name: 'app', image: 'app:1' }],
        },
      },
    });
  const restarts = (name: string, restartCount: number) =>
    client.request('PATCH', `/api/v1/namespaces/${namespace.name}/pods/${name}/status`, {
      contentType: MERGE_PATCH,
      body: {
        status: {
          phase: 'Running',
          containerStatuses: [
            { name: 'app', image: 'app:1', imageID: '', ready: false, restartCount, state: { running: {} } },
          ],
        },
      },
    });

  beforeAll(async () => {
    await requireNoOperator(client);
    removeCrds = await applyCrds(client);
    installation = await install(client);
    namespace = await makeNamespace(client);
    await untilUsable(client, namespace.name, 60_000);
    await client.request('POST', POLICIES, {
      body: {
        apiVersion: 'tracing.acme/v1alpha1',
        kind: 'ClusterTracingPolicy',
        metadata: { name: namespace.name },
        spec: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace.name } },
          agent: { canary: { image: 'agent:new', percent: 20, haltOnRestarts: 3 } },
        },
      },
    });
  }, 120_000);
  afterEach(async () => {
    await Promise.all(operators.splice(0).map((each) => each.end()));
  }, 60_000);
  afterAll(async () => {
    await client.request('DELETE', policy());
    await namespace.delete();
    await installation.remove();
    await removeCrds();
    client.close();
  }, 60_000);

  it('gets its share, is stopped once by what its pods do, for all replicas and the next leader, until the policy changes', async () => {
    const first = await operator();
    await first.says('leading');
    const second = await operator();
    for (const each of [first, second]) {
      const canaries = await dealt(each, 30);
      expect(canaries).toBeGreaterThanOrEqual(5);
      expect(canaries).toBeLessThanOrEqual(7);
    }
    await until('the policy does not say that it spreads', 30_000, async () => (await halted())?.status === 'False');

    for (const name of ['a', 'b', 'c']) await makePod(name, CANARY);
    for (const name of ['d', 'e']) await makePod(name, OTHER);
    // Of pods that nothing owns each counts once: there is nothing to compare it with.
    await restarts('d', 9);
    await restarts('a', 9);
    await restarts('b', 1);
    await until('its pods are not counted', 30_000, async () => {
      const { status } = await client.request<{ status?: { canary?: object } }>('GET', policy());
      return JSON.stringify(status?.canary) === JSON.stringify({ others: 2, pods: 3 });
    });
    expect(await halted()).toMatchObject({ status: 'False', reason: 'Spreading' });
    expect(await first.metric('tracing_operator_agent_canary_halted', namespace.name)).toBe(0);

    await restarts('c', 1);
    await until('it is not stopped', 30_000, async () => (await halted())?.status === 'True');
    const condition = await halted();
    expect(condition).toMatchObject({ reason: 'RestartsRose' });
    expect(condition?.message).toMatch(/the chart's agent again.*Pod .*\/a: 9 restarts of 1 pod/);
    for (const each of [first, second])
      await until('a replica has not heard of it', 10_000, async () => {
        return (await each.metric('tracing_operator_agent_canary_halted', namespace.name)) === 1;
      });
    expect(await dealt(first, 10)).toBe(0);
    expect(await dealt(second, 10)).toBe(0);

    // What was the cause is gone, and so is who knew of it.
    for (const name of ['a', 'b', 'c'])
      await client.request('DELETE', `/api/v1/namespaces/${namespace.name}/pods/${name}`, {
        body: { gracePeriodSeconds: 0 },
      });
    first.kill('SIGKILL');
    await second.says('leading');
    const third = await operator();
    expect(await dealt(third, 10)).toBe(0);
    await until('its pods are still counted', 30_000, async () => {
      const { status } = await client.request<{ status?: { canary?: object } }>('GET', policy());
      return JSON.stringify(status?.canary) === JSON.stringify({ others: 2, pods: 0 });
    });
    expect(await halted()).toEqual(condition);

    await client.request('PATCH', policy(), {
      contentType: MERGE_PATCH,
      body: { spec: { agent: { canary: { percent: 50 } } } },
    });
    await until('it does not go on', 30_000, async () => (await halted())?.status === 'False');
    await until('a replica has not heard of it', 10_000, async () => {
      return (await third.metric('tracing_operator_agent_canary_halted', namespace.name)) === 0;
    });
    const canaries = await dealt(third, 20);
    expect(canaries).toBeGreaterThanOrEqual(9);
    expect(canaries).toBeLessThanOrEqual(11);
    type Events = { items: { reason: string; regarding: { name: string } }[] };
    const { items } = await client.request<Events>('GET', '/apis/events.k8s.io/v1/events');
    const events = items.filter(
      ({ reason, regarding }) => reason === 'CanaryHalted' && regarding.name === namespace.name,
    );
    expect(events).toHaveLength(1);
  }, 240_000);
});
