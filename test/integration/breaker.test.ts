import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { KubeClient, MERGE_PATCH } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import { applyCrds, makeNamespace } from './api-server.ts';
import { install, OperatorProcess, requireNoOperator } from './operator-process.ts';
import type { Installation } from './operator-process.ts';

const AGENT = 'agent:test IfNotPresent';

interface Pod {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  status: { initContainerStatuses?: unknown[] };
}
interface Outage {
  agent: string;
  since: string;
  until: string;
  failures: number;
  closed?: string;
}

/**
 * The breaker over the lives of its operators: real processes on a real API server, with real ReplicaSets. Pods are never
 * run: what a kubelet would say of them is written by hand.
 */
describe('the breaker', () => {
  const client = KubeClient.fromDefault();
  const namespaces: Awaited<ReturnType<typeof makeNamespace>>[] = [];
  const operators: OperatorProcess[] = [];
  let removeCrds: () => Promise<void>;
  let installation: Installation;

  async function operator(): Promise<OperatorProcess> {
    const made = new OperatorProcess(installation);
    operators.push(made);
    await made.start();
    return made;
  }

  /** A namespace with a ReplicaSet of pods that were given the agent, as the webhook would have. */
  async function namespaceOf(replicas: number): Promise<string> {
    const namespace = await makeNamespace(client);
    namespaces.push(namespace);
    const labels = { app: 'web', 'tracing.acme/injected': 'true' };
    const annotations = { 'tracing.acme/inject': 'true', 'tracing.acme/agent': AGENT };
    const spec = {
      nodeSelector: { 'example.com/none': 'none' },
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      initContainers: [{ name: 'tracing-acme-agent', image: 'agent:test' }],
      containers: [{ name: 'app', image: 'app:1' }],
    };
    const template = { metadata: { labels, annotations }, spec };
    await client.request('POST', `/apis/apps/v1/namespaces/${namespace.name}/replicasets`, {
      body: { metadata: { name: 'web' }, spec: { replicas, selector: { matchLabels: labels }, template } },
    });
    await until('the pods are not made', 60_000, async () => (await pods(namespace.name)).length === replicas);
    return namespace.name;
  }

  const pods = async (namespace: string) => {
    const { items } = await client.request<{ items: Pod[] }>('GET', `/api/v1/namespaces/${namespace}/pods`);
    return items.filter(({ metadata }) => !metadata.deletionTimestamp);
  };
  const says = (namespace: string, pod: Pod, state: object, phase: string) =>
    client.request('PATCH', `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/status`, {
      contentType: MERGE_PATCH,
      body: {
        status: {
          phase,
          initContainerStatuses: [
            { name: 'tracing-acme-agent', image: 'agent:test', imageID: '', ready: false, restartCount: 0, state },
          ],
        },
      },
    });
  const hang = async (namespace: string) => {
    const all = await pods(namespace);
    for (let i = 0; i < all.length; i += 20)
      await Promise.all(
        all
          .slice(i, i + 20)
          .map((pod) => says(namespace, pod, { waiting: { reason: 'ErrImageNeverPull', message: 'x' } }, 'Pending')),
      );
    return all;
  };
  const outages = async (namespace: string) => {
    type ConfigMap = { metadata: { annotations?: Record<string, string> } };
    const path = `/api/v1/namespaces/${namespace}/configmaps/tracing-acme-policies`;
    const none: ConfigMap = { metadata: {} };
    const { metadata } = await client.request<ConfigMap>('GET', path).catch(() => none);
    return JSON.parse(metadata.annotations?.['tracing.acme/agent-outages'] ?? '[]') as Outage[];
  };
  const opened = async (namespace: string) => {
    await until('the breaker does not open', 30_000, async () => (await outages(namespace)).length === 1);
    return (await outages(namespace))[0]!;
  };
  const replaced = (namespace: string, old: Pod[]) =>
    until('the pods that hang are not made anew', 90_000, async () => {
      const now = (await pods(namespace)).map(({ metadata }) => metadata.uid);
      return now.length === old.length && !old.some(({ metadata }) => now.includes(metadata.uid));
    });

  beforeAll(async () => {
    await requireNoOperator(client);
    removeCrds = await applyCrds(client);
  }, 60_000);
  beforeEach(async () => {
    installation = await install(client);
  });
  afterEach(async () => {
    await Promise.all(operators.splice(0).map((each) => each.end()));
    await Promise.all(namespaces.splice(0).map((each) => each.delete().catch(() => undefined)));
    await installation.remove();
  }, 60_000);
  afterAll(async () => {
    await removeCrds();
    client.close();
  });

  it('outlives its leader: the next one goes on from it, all replicas go by it, and it closes when a pod has its agent', async () => {
    const namespace = await namespaceOf(2);
    const first = await operator();
    await first.says('leading');
    const second = await operator();
    expect(await second.isInjected(namespace)).toBe(true);

    const old = await hang(namespace);
    const outage = await opened(namespace);
    expect(outage).toMatchObject({ agent: AGENT, failures: 1 });
    await until('a replica has not heard of it', 5_000, async () => !(await second.isInjected(namespace)));
    expect(await first.isInjected(namespace)).toBe(false);
    expect(await second.metric('tracing_operator_agent_unavailable', namespace)).toBe(1);
    await replaced(namespace, old);

    first.kill('SIGKILL');
    await second.says('leading');
    const third = await operator();
    expect(await third.isInjected(namespace)).toBe(false);
    expect(await outages(namespace)).toEqual([outage]);

    // After the pause one may try. Here nobody makes it but by hand.
    await until('no pod may try', 90_000, () => second.isInjected(namespace));
    expect(await second.isInjected(namespace)).toBe(false);
    const [some] = await pods(namespace);
    await client.request('DELETE', `/api/v1/namespaces/${namespace}/pods/${some!.metadata.name}`);
    await until('there is no pod in its place', 30_000, async () => (await pods(namespace)).length === 2);
    // One that tries is waited for, whoever has let it through.
    expect(await third.isInjected(namespace)).toBe(false);
    for (const pod of await pods(namespace)) await says(namespace, pod, { terminated: { exitCode: 0 } }, 'Running');
    await until('it does not close', 30_000, async () => (await outages(namespace))[0]?.closed !== undefined);
    await until('pods do not get the agent again', 5_000, () => third.isInjected(namespace));
    expect(await third.metric('tracing_operator_agent_unavailable', namespace)).toBe(0);
  }, 240_000);

  it('has pods made anew at a bounded rate, each once, and lets go of a namespace that is deleted', async () => {
    const namespace = await namespaceOf(60);
    const made = await operator();
    await made.says('leading');
    const old = await hang(namespace);
    await replaced(namespace, old);
    const deletions = made.relay.writes().filter(({ method, path }) => method === 'DELETE' && path.includes('/pods/'));
    // 20 at once, then 5 a second.
    expect(deletions.at(-1)!.at - deletions[0]!.at).toBeGreaterThan(6_000);
    const times = new Map<string, number>();
    for (const { path } of deletions) times.set(path, (times.get(path) ?? 0) + 1);
    expect(times.size).toBe(60);

    await client.request('DELETE', `/api/v1/namespaces/${namespace}`);
    await until('the namespace is still there', 90_000, () =>
      client.request('GET', `/api/v1/namespaces/${namespace}`).then(
        () => false,
        () => true,
      ),
    );
    const from = made.relay.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(made.relay.writes(from)).toEqual([]);
    expect(await made.metric('tracing_operator_agent_unavailable')).toBe(0);
  }, 240_000);
});
