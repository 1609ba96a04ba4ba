import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeClient, MERGE_PATCH } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import { applyCrds, makeNamespace, untilUsable } from './api-server.ts';
import { install, OperatorProcess, requireNoOperator } from './operator-process.ts';
import type { Installation } from './operator-process.ts';

const OVERRIDE = 'tracing.acme/override';

interface Stored {
  metadata: { annotations?: Record<string, string> };
  spec: object;
  status?: { conditions?: { type: string; status: string; message: string }[] };
}

/** Overrides over the lives of operators: real processes on a real API server. Pods are never run. */
describe('an override of a policy', () => {
  const client = KubeClient.fromDefault();
  const operators: OperatorProcess[] = [];
  let removeCrds: () => Promise<void>;
  let installation: Installation;
  let namespace: Awaited<ReturnType<typeof makeNamespace>>;

  async function operator(nodeArgs: string[] = []): Promise<OperatorProcess> {
    const made = new OperatorProcess(installation);
    operators.push(made);
    await made.start(nodeArgs);
    await made.says('leading');
    return made;
  }
  const path = () => `/apis/tracing.acme/v1alpha1/namespaces/${namespace.name}/tracingpolicies/default`;
  const stored = () => client.request<Stored>('GET', path());
  const entry = (seconds: number, workload = 'pod/order') => ({
    workload,
    ratio: 0.5,
    until: new Date(Date.now() + seconds * 1000).toISOString(),
  });
  const override = (text: string | null) =>
    client.request('PATCH', path(), {
      contentType: MERGE_PATCH,
      body: { metadata: { annotations: { [OVERRIDE]: text } } },
    });
  const condition = async () => (await stored()).status?.conditions?.find(({ type }) => type === 'Overridden');
  const isGone = async () => (await stored()).metadata.annotations?.[OVERRIDE] === undefined;
  /** Which document a pod is told to act on. */
  const toldTo = async (pod: string) => {
    const pods = `/api/v1/namespaces/${namespace.name}/pods`;
    const { metadata } = await client.request<Stored>('GET', `${pods}/${pod}`);
    return metadata.annotations?.['tracing.acme/policy-key'];
  };
  const follows = (pod: string, key: RegExp) =>
    until(`${pod} is not told ${String(key)}`, 15_000, async () => key.test((await toldTo(pod)) ?? ''));

  beforeAll(async () => {
    await requireNoOperator(client);
    removeCrds = await applyCrds(client);
    installation = await install(client);
    namespace = await makeNamespace(client);
    await untilUsable(client, namespace.name, 60_000);
    await client.request('POST', path().replace(/\/default$/, ''), {
      body: {
        apiVersion: 'tracing.acme/v1alpha1',
        kind: 'TracingPolicy',
        metadata: { name: 'default' },
        spec: { sampling: { ratio: 0.1 }, exporters: [{ name: 'default', endpoint: 'http://collector:4318' }] },
      },
    });
    for (const name of ['order', 'payment'])
      await client.request('POST', `/api/v1/namespaces/${namespace.name}/pods`, {
        body: {
          metadata: { name, labels: { 'tracing.acme/injected': 'true' } },
          spec: {
            nodeSelector: { 'example.com/none': 'none' },
            automountServiceAccountToken: false,
            containers: [{ name: 'app', image: 'app:1' }],
          },
        },
      });
  }, 120_000);
  afterAll(async () => {
    await Promise.all(operators.map((each) => each.end()));
    await namespace.delete();
    await installation.remove();
    await removeCrds();
    client.close();
  }, 60_000);

  it('is told to the pods of its workload alone, shows in the status, and is taken away when it ends', async () => {
    await operator();
    await follows('order', /^policy\.default\.json$/);
    await override(JSON.stringify([entry(6)]));
    await follows('order', /^override\.pod\.order\./);
    expect(await toldTo('payment')).toBe('policy.default.json');
    await until('its status does not say so', 10_000, async () => (await condition())?.status === 'True');
    await until('it is still there', 15_000, isGone);
    await follows('order', /^policy\.default\.json$/);
    await until('its status still says so', 10_000, async () => (await condition()) === undefined);
  }, 90_000);

  it('that cannot be read counts for nothing, stays, and the status says what is wrong', async () => {
    await override('[{"workload":"order","ratio":5}]');
    await until('its status does not say so', 15_000, async () => (await condition())?.status === 'False');
    expect((await condition())?.message).toMatch(/counts for nothing: \[0\]\.workload: a workload is KIND\/NAME/);
    expect(await toldTo('order')).toBe('policy.default.json');
    expect(await isGone()).toBe(false);
  }, 60_000);

  it('that ended while no operator was there is taken away by the next one, by its own clock', async () => {
    await override(JSON.stringify([entry(2), entry(60, 'pod/payment'), entry(600, 'pod/other')]));
    await follows('order', /^override\./);
    await follows('payment', /^override\./);
    operators[0]!.kill('SIGKILL');
    await sleep(3_000);
    expect(await isGone()).toBe(false);
    // Two minutes ahead, and only now: of the one before it knows nothing.
    await operator(['--import', 'data:text/javascript,const now=Date.now;Date.now=()=>now()+120000']);
    await follows('order', /^policy\.default\.json$/);
    await follows('payment', /^policy\.default\.json$/);
    await until('the rest is not left', 10_000, async () => {
      const left = JSON.parse((await stored()).metadata.annotations![OVERRIDE]!) as { workload: string }[];
      return left.map(({ workload }) => workload).join() === 'pod/other';
    });
  }, 120_000);
});
