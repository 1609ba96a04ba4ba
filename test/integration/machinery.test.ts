import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { REPORT_AUDIENCE } from '../../injector/names.ts';
import { KubeClient, MERGE_PATCH } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import { applyCrds, makeNamespace, untilUsable } from './api-server.ts';
import type { Passed } from './counting-relay.ts';
import { install, OperatorProcess, requireNoOperator } from './operator-process.ts';
import type { Installation } from './operator-process.ts';

const HURRY = ['--import', new URL('hurry.ts', import.meta.url).pathname];
const POLICIES = '/apis/tracing.acme/v1alpha1';
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const exporters = [{ name: 'default', endpoint: 'http://collector.observability:4318' }];

interface Pod {
  metadata: { name: string; annotations?: Record<string, string> };
}

/** The operator as real processes on a real API server, with every request of theirs counted. Its pods are never run. */
describe('the operator', () => {
  const client = KubeClient.fromDefault();
  const namespaces: Awaited<ReturnType<typeof makeNamespace>>[] = [];
  const operators: OperatorProcess[] = [];
  const clusterPolicies = new Set<string>();
  let removeCrds: () => Promise<void>;
  let installation: Installation;

  async function namespaceOf(pods: number): Promise<string> {
    const namespace = await makeNamespace(client, { 'example.com/machinery': 'true' });
    namespaces.push(namespace);
    const path = `/api/v1/namespaces/${namespace.name}`;
    await untilUsable(client, namespace.name, 30_000);
    const names = [...Array(pods).keys()].map((i) => `pod-${i}`);
    for (let i = 0; i < pods; i += 20)
      await Promise.all(
        names.slice(i, i + 20).map((name) => client.request('POST', `${path}/pods`, { body: pod(name) })),
      );
    return namespace.name;
  }

  async function clusterPolicy(name: string, spec: object): Promise<void> {
    const full = `machinery-${name}`;
    clusterPolicies.add(full);
    await client.request('PATCH', `${POLICIES}/clustertracingpolicies/${full}`, {
      query: { fieldManager: 'test', force: true },
      contentType: 'application/apply-patch+yaml',
      body: { apiVersion: 'tracing.acme/v1alpha1', kind: 'ClusterTracingPolicy', metadata: { name: full }, spec },
    });
  }

  async function operator(nodeArgs: string[] = [], before?: (request: Passed) => void): Promise<OperatorProcess> {
    const made = new OperatorProcess(installation);
    operators.push(made);
    if (before) made.relay.before = before;
    await made.start(nodeArgs);
    return made;
  }

  const pods = async (namespace: string) =>
    (await client.request<{ items: Pod[] }>('GET', `/api/v1/namespaces/${namespace}/pods`)).items;
  const revisions = async (namespace: string) =>
    new Set((await pods(namespace)).map(({ metadata }) => metadata.annotations?.['tracing.acme/policy-revision']));
  /** Resolves when all pods of the namespaces carry one revision, which is not this one; returns it. */
  async function told(where: string[], other?: string, timeout = 60_000): Promise<string> {
    let all = new Set<string | undefined>();
    await until('not all pods have been told', timeout, async () => {
      all = new Set((await Promise.all(where.map(revisions))).flatMap((each) => [...each]));
      const [first] = all;
      return all.size === 1 && first !== undefined && first !== other;
    });
    return [...all][0]!;
  }
  /** Resolves when nothing has been written for so many milliseconds. */
  async function quiet(milliseconds: number, ...of: OperatorProcess[]): Promise<void> {
    const last = () => Math.max(0, ...of.map(({ relay }) => relay.writes().at(-1)?.at ?? 0));
    await until('writes do not end', 60_000, () => Promise.resolve(performance.now() - last() > milliseconds));
  }
  /** As the kubelet would mount it into the pod. */
  async function podToken(namespace: string, name: string): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}`;
    const { metadata } = await client.request<{ metadata: { uid: string } }>('GET', `${path}/pods/${name}`);
    const { status } = await client.request<{ status: { token: string } }>(
      'POST',
      `${path}/serviceaccounts/default/token`,
      {
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: {
            audiences: [REPORT_AUDIENCE],
            expirationSeconds: 3_600,
            boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid: metadata.uid },
          },
        },
      },
    );
    return status.token;
  }
  const nudges = (passed: Passed[]) => passed.filter(({ path }) => /\/pods\/[^/]+\/status$/.test(path));

  beforeAll(async () => {
    await requireNoOperator(client);
    removeCrds = await applyCrds(client);
  }, 60_000);
  beforeEach(async () => {
    installation = await install(client);
  });
  afterEach(async () => {
    await Promise.all(operators.splice(0).map((each) => each.end()));
    for (const name of clusterPolicies) await client.request('DELETE', `${POLICIES}/clustertracingpolicies/${name}`);
    clusterPolicies.clear();
    await Promise.all(namespaces.splice(0).map((each) => each.delete().catch(() => undefined)));
    await installation.remove();
  }, 60_000);
  afterAll(async () => {
    await removeCrds();
    client.close();
  });

  it('writes nothing at rest, however often watches end, expire and are listed again', async () => {
    const namespace = await namespaceOf(5);
    await clusterPolicy('rest', {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      injection: 'All',
      exporters,
    });
    const watches = new Map<string, number>();
    // Each watch ends after 2 s, and each second one asks for a version that is long gone: the API server answers 410.
    const made = await operator(HURRY, ({ path, query }) => {
      if (query.get('watch') === null) return;
      const key = `${path}?${query.get('labelSelector') ?? query.get('fieldSelector') ?? ''}`;
      watches.set(key, (watches.get(key) ?? 0) + 1);
      query.set('timeoutSeconds', '2');
      if (watches.get(key)! % 2 === 0) query.set('resourceVersion', '1');
    });
    await told([namespace]);
    await quiet(5_000, made);

    const { requests } = made.relay;
    const from = requests.length;
    const expired = () => made.log.filter(({ msg }) => msg === 'watch has expired: listing again').length;
    const expiredBefore = expired();
    await new Promise((resolve) => setTimeout(resolve, 25_000));
    expect(made.relay.writes(from)).toEqual([]);
    // That it was not idle: each of its watches, most of them several times, and the certificate twice.
    expect([...watches.keys()].sort()).toEqual(
      [
        '/api/v1/configmaps?metadata.name=istio',
        '/api/v1/configmaps?metadata.name=linkerd-config',
        '/api/v1/configmaps?metadata.name=tracing-acme-policies',
        `/api/v1/namespaces/${installation.namespace}/secrets?metadata.name=webhook`,
        '/api/v1/namespaces?',
        '/api/v1/pods?!tracing.acme/injected',
        '/api/v1/pods?tracing.acme/injected=true',
        `${WEBHOOKS}?metadata.name=${installation.namespace}`,
        `${WEBHOOKS}?metadata.name=${installation.namespace}-policies`,
        '/apis/apiextensions.k8s.io/v1/customresourcedefinitions?',
        '/apis/apps/v1/daemonsets?',
        '/apis/apps/v1/deployments?',
        '/apis/apps/v1/statefulsets?',
        '/apis/batch/v1/cronjobs?',
        `/apis/rbac.authorization.k8s.io/v1/clusterroles?metadata.name=${installation.namespace}`,
        `${POLICIES}/clustertracingpolicies?`,
        `${POLICIES}/tracingpolicies?`,
      ].sort(),
    );
    const since = requests.slice(from);
    expect(since.filter(({ query }) => query.get('watch') !== null).length).toBeGreaterThan(18);
    expect(expired() - expiredBefore).toBeGreaterThan(6);
    expect(since.filter(({ path }) => path.endsWith('/secrets/webhook')).length).toBeGreaterThanOrEqual(2);
    expect(await made.metric('workqueue_retries_total')).toBe(0);
  }, 180_000);

  it('loses its leader in the middle of its work: another leads within 20 s, and nothing is done twice', async () => {
    const where = [await namespaceOf(30), await namespaceOf(30), await namespaceOf(30)];
    const selector = { matchLabels: { 'example.com/machinery': 'true' } };
    await clusterPolicy('base', { namespaceSelector: selector, sampling: { ratio: 0.1 }, exporters });
    const first = await operator();
    await first.says('leading');
    const second = await operator();
    const before = await told(where);
    await quiet(3_000, first, second);
    expect(second.relay.writes()).toEqual([]);

    const from = first.relay.requests.length;
    let killed = 0;
    first.relay.before = () => {
      if (killed > 0 || nudges(first.relay.requests.slice(from)).length < 40) return;
      killed = performance.now();
      first.kill('SIGKILL');
    };
    await clusterPolicy('base', { namespaceSelector: selector, sampling: { ratio: 0.2 }, exporters });
    await until('the leader was not killed', 30_000, () => Promise.resolve(killed > 0));
    expect((await second.says('leading')) - killed).toBeLessThan(20_000);
    await told(where, before);
    await quiet(3_000, second);

    // What the first was about to say when it was killed may have reached the server or not.
    const writes = [...first.relay.writes(from).filter(({ isAnswered }) => isAnswered), ...second.relay.writes()];
    const count = (of: Passed[]) => {
      const counts = new Map<string, number>();
      for (const { path } of of) counts.set(path, (counts.get(path) ?? 0) + 1);
      return counts;
    };
    const toPods = count(nudges(writes));
    expect(toPods.size).toBe(90);
    expect([...toPods].filter(([, times]) => times !== 1)).toEqual([]);
    const toConfigMaps = count(writes.filter(({ path }) => path.endsWith('/configmaps/tracing-acme-policies')));
    expect([...toConfigMaps.values()]).toEqual([1, 1, 1]);
    expect(nudges(second.relay.writes()).length).toBeGreaterThan(0);
  }, 180_000);

  it('tells pods at a bounded rate, and those of a small namespace do not wait for those of a huge one', async () => {
    const huge = await namespaceOf(400);
    const small = await namespaceOf(5);
    const made = await operator();
    await told([huge, small]);
    await quiet(2_000, made);
    const from = made.relay.requests.length;
    const selector = { matchLabels: { 'example.com/machinery': 'true' } };
    await clusterPolicy('all', { namespaceSelector: selector, exporters });
    await told([huge, small], 'none');
    const all = nudges(made.relay.writes(from));
    expect(all).toHaveLength(405);
    // 200 at once, then 100 a second.
    expect(all.at(-1)!.at - all[0]!.at).toBeGreaterThan(2_000);
    const last = all.findLastIndex(({ path }) => path.includes(`/${small}/`));
    expect(last).toBeLessThan(200);
  }, 180_000);

  it('tells a pod again whose agent does not say that it has heard, some times and not for ever', async () => {
    const namespace = await namespaceOf(3);
    const made = await operator();
    const before = await told([namespace]);
    await quiet(2_000, made);
    const from = made.relay.requests.length;
    const selector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
    await clusterPolicy('all', { namespaceSelector: selector, exporters });
    // The agents of two act on what there was before; of the third nothing is known.
    const report = async (name: string, key: string, revision: string) => {
      const token = await podToken(namespace, name);
      const process = { container: 'app', pid: 1, agentVersion: '1.0.0', nodeVersion: 'v24.0.0' };
      expect(await made.report(token, { ...process, key, revision })).toBe(204);
    };
    await report('pod-0', 'none', before);
    await report('pod-1', 'none', before);
    const revision = await told([namespace], before);
    const times = (name: string) =>
      nudges(made.relay.writes(from)).filter(({ path }) => path.endsWith(`/${name}/status`)).length;
    await until('the pods have not been told again', 60_000, () =>
      Promise.resolve(times('pod-0') > 1 && times('pod-1') > 1),
    );
    await report('pod-0', 'cluster-policy.machinery-all.json', revision);
    const heard = times('pod-0');
    await quiet(12_000, made);
    expect(times('pod-0') - heard).toBeLessThanOrEqual(1);
    expect(times('pod-1')).toBe(4);
    expect(times('pod-2')).toBe(1);
    const again = (await pods(namespace)).map(
      ({ metadata }) => metadata.annotations?.['tracing.acme/policy-told-again'],
    );
    expect(again).toEqual([expect.stringMatching(/^20.*Z$/), expect.stringMatching(/^20.*Z$/), undefined]);
  }, 180_000);

  it('lets go of a namespace that is deleted half way through', async () => {
    const namespace = await namespaceOf(60);
    const stays = await namespaceOf(2);
    const matched = async () => {
      const path = `${POLICIES}/clustertracingpolicies/machinery-all`;
      const { status } = await client.request<{ status?: { pods?: { matched?: number } } }>('GET', path);
      return status?.pods?.matched;
    };
    const made = await operator();
    await told([namespace, stays]);
    await quiet(2_000, made);
    const from = made.relay.requests.length;
    let deleted: Promise<unknown> | undefined;
    made.relay.before = () => {
      if (deleted || nudges(made.relay.requests.slice(from)).length < 20) return;
      // As a cascade would, all at once: pods go while they are being told.
      deleted = client.request('DELETE', `/api/v1/namespaces/${namespace}`);
    };
    const selector = { matchLabels: { 'example.com/machinery': 'true' } };
    await clusterPolicy('all', { namespaceSelector: selector, exporters });
    await until('the namespace is still there', 60_000, () =>
      client.request('GET', `/api/v1/namespaces/${namespace}`).then(
        () => false,
        () => true,
      ),
    );
    await deleted;
    await told([stays], 'none');
    await until('the status does not say that two pods are left', 60_000, async () => (await matched()) === 2);
    await quiet(5_000, made);

    const failed = await made.metric('controller_runtime_reconcile_total', 'result="error"');
    expect(failed).toBeLessThan(20);
    expect(await made.metric('workqueue_depth')).toBe(0);
    const requests = made.relay.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(made.relay.writes(requests)).toEqual([]);
    expect(await made.metric('controller_runtime_reconcile_total', 'result="error"')).toBe(failed);
    expect(await matched()).toBe(2);
  }, 180_000);

  it('takes away what it put into a namespace when the last policy was deleted while it was away', async () => {
    const namespace = await namespaceOf(2);
    const path = `/api/v1/namespaces/${namespace}`;
    const policy = `${POLICIES}/namespaces/${namespace}/tracingpolicies`;
    await client.request('POST', policy, {
      body: {
        apiVersion: 'tracing.acme/v1alpha1',
        kind: 'TracingPolicy',
        metadata: { name: 'only' },
        spec: { exporters },
      },
    });
    const first = await operator();
    const revision = await told([namespace]);
    const owned = { labelSelector: 'app.kubernetes.io/managed-by=tracing-operator' };
    const ours = async () =>
      (await client.request<{ items: unknown[] }>('GET', `${path}/configmaps`, { query: owned })).items;
    expect(await ours()).toMatchObject([{ metadata: { name: 'tracing-acme-policies' } }]);
    expect(JSON.stringify(await ours())).not.toContain('finalizers');
    // A label that somebody took away comes back: it is how what is ours is found.
    await client.request('PATCH', `${path}/configmaps/tracing-acme-policies`, {
      contentType: MERGE_PATCH,
      body: { metadata: { labels: { 'app.kubernetes.io/managed-by': null } } },
    });
    await until('the label is not back', 20_000, async () => (await ours()).length === 1);
    first.kill('SIGKILL');
    await client.request('DELETE', `${policy}/only`);

    await operator();
    await until('the ConfigMap is still there', 60_000, async () => (await ours()).length === 0);
    expect(await told([namespace], revision)).toBe('none');
  }, 180_000);
});

/** A pod of the kind that the webhook would have made, which no node takes. */
function pod(name: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { 'tracing.acme/injected': 'true' } },
    spec: {
      nodeSelector: { 'example.com/none': 'none' },
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      containers: [{ name: 'app', image: 'app:1' }],
    },
  };
}
