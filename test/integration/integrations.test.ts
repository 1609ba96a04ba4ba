import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import type { PolicyStatus } from '../../crds/tracing-policy.ts';
import { ApiError, APPLY, KubeClient, MERGE_PATCH } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import { applyCrds, makeNamespace } from './api-server.ts';
import { install, OperatorProcess, requireNoOperator } from './operator-process.ts';
import type { Installation } from './operator-process.ts';

const HURRY = ['--import', new URL('hurry.ts', import.meta.url).pathname];
const POLICIES = '/apis/tracing.acme/v1alpha1';
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const TELEMETRY = load(readFileSync(new URL('crds/telemetry.yaml', import.meta.url), 'utf8')) as {
  metadata: { name: string };
};
const NAMESPACES = Number(process.env['NAMESPACES'] ?? 100);
const exporters = [{ name: 'default', endpoint: 'http://collector.observability:4318' }];

interface Telemetry {
  metadata: { name: string; labels?: Record<string, string>; ownerReferences?: { kind: string; name: string }[] };
  spec: { tracing: { randomSamplingPercentage?: number; providers?: { name: string }[] }[] };
}

/** The operator as a real process on a real API server, which is given Istio's API and its MeshConfig and no Istio. */
describe('meshes and gateways', () => {
  const client = KubeClient.fromDefault();
  const namespaces: Awaited<ReturnType<typeof makeNamespace>>[] = [];
  let removeCrds: () => Promise<void>;
  let installation: Installation;
  let operator: OperatorProcess;
  let istiod: string;

  const namespaceOf = async (labels: Record<string, string>) => {
    const made = await makeNamespace(client, labels);
    namespaces.push(made);
    return made.name;
  };
  const path = (namespace: string, name: string) => `${POLICIES}/namespaces/${namespace}/tracingpolicies/${name}`;
  const apply = (where: string, body: object, fieldManager = 'test') =>
    client.request('PATCH', where, { query: { fieldManager, force: true }, contentType: APPLY, body });
  const policy = (namespace: string, spec: object) =>
    apply(path(namespace, 'default'), {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default', namespace },
      spec: { exporters, ...spec },
    });
  const telemetries = async (namespace: string) =>
    (
      await client.request<{ items: Telemetry[] }>(
        'GET',
        `/apis/telemetry.istio.io/v1/namespaces/${namespace}/telemetries`,
      )
    ).items;
  const percentages = async (namespace: string) =>
    (await telemetries(namespace)).map(({ metadata, spec }) => [
      metadata.name,
      spec.tracing[0]?.randomSamplingPercentage,
    ]);
  const status = async (namespace: string) =>
    (await client.request<{ status?: PolicyStatus }>('GET', path(namespace, 'default'))).status;
  const line = async (namespace: string) =>
    (await status(namespace))?.integrations?.find(({ name }) => name === 'Istio');
  /** Resolves when the policy's line for Istio has this state, to its message. */
  async function stands(namespace: string, state: string): Promise<string> {
    let last: unknown;
    await until(`Istio is not ${state} in ${namespace}`, 60_000, async () => {
      last = await line(namespace);
      return (last as { state?: string } | undefined)?.state === state;
    });
    return (last as { message: string }).message;
  }
  const written = (from: number) =>
    operator.relay
      .writes(from)
      .filter(({ path: where }) => where.includes('/telemetries/'))
      .map(({ method, path: where }) => `${method} ${where.slice(where.indexOf('/namespaces/'))}`);

  async function installIstio(): Promise<void> {
    await apply(`${CRDS}/${TELEMETRY.metadata.name}`, TELEMETRY);
    await until('Telemetry is not served', 30_000, () =>
      client.request('GET', '/apis/telemetry.istio.io/v1/telemetries').then(
        () => true,
        () => false,
      ),
    );
  }
  const meshConfig = (mesh: string) =>
    apply(`/api/v1/namespaces/${istiod}/configmaps/istio`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: istiod },
      data: { mesh },
    });
  /** Waits until it is gone: what is applied while it goes would go with it. */
  const removeIstio = () =>
    until('the CRD of Telemetry does not go', 60_000, async () => {
      try {
        await client.request('DELETE', `${CRDS}/${TELEMETRY.metadata.name}`);
        return false;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return true;
        throw error;
      }
    });
  const WITH_PROVIDER = `extensionProviders:
- name: otel
  opentelemetry: {service: collector.observability.svc.cluster.local, port: 4318}
`;

  beforeAll(async () => {
    await requireNoOperator(client);
    removeCrds = await applyCrds(client);
  }, 60_000);
  beforeEach(async () => {
    installation = await install(client);
    istiod = await namespaceOf({});
    operator = new OperatorProcess({ ...installation, integrations: { istio: { namespace: istiod } } });
  });
  afterEach(async () => {
    await operator.end();
    await removeIstio();
    await Promise.all(namespaces.splice(0).map((each) => each.delete().catch(() => undefined)));
    await installation.remove();
  }, 60_000);
  afterAll(async () => {
    await removeCrds();
    client.close();
  });

  it('are configured when they are installed, follow the policy, and are let go with it', async () => {
    const shop = await namespaceOf({ 'istio-injection': 'enabled' });
    await policy(shop, { sampling: { ratio: 0.1 } });
    await operator.start();
    expect(await stands(shop, 'NotInstalled')).toContain('telemetries.telemetry.istio.io');

    await installIstio();
    expect(await stands(shop, 'Incomplete')).toContain(`${istiod}/istio`);
    await meshConfig('extensionProviders: []');
    await until('the missing provider is not told of', 30_000, async () =>
      Boolean((await line(shop))?.message.includes('    service: collector.observability.svc.cluster.local')),
    );
    await meshConfig(WITH_PROVIDER);
    expect(await stands(shop, 'Configured')).toContain('10 % of traces');
    const [made] = await telemetries(shop);
    expect(made).toMatchObject({
      metadata: {
        name: 'tracing-acme',
        labels: { 'app.kubernetes.io/managed-by': 'tracing-operator' },
        ownerReferences: [{ kind: 'TracingPolicy', name: 'default' }],
      },
      spec: { tracing: [{ providers: [{ name: 'otel' }], randomSamplingPercentage: 10 }] },
    });

    const from = operator.relay.requests.length;
    await policy(shop, { sampling: { ratio: 0.25 } });
    await until('the ratio does not arrive', 30_000, async () => (await percentages(shop))[0]?.[1] === 25);
    expect(written(from)).toEqual([`PATCH /namespaces/${shop}/telemetries/tracing-acme`]);

    await policy(shop, { mesh: { istio: { mode: 'Disabled' } } });
    await stands(shop, 'Disabled');
    expect(await telemetries(shop)).toEqual([]);

    await policy(shop, { mesh: { istio: { mode: 'Enabled' } } });
    await until('it does not come back', 30_000, async () => (await telemetries(shop)).length === 1);
    await client.request('DELETE', path(shop, 'default'));
    await until('it outlives its policy', 30_000, async () => (await telemetries(shop)).length === 0);
  }, 240_000);

  it('that are missing make a policy Degraded which insists on them, and no other', async () => {
    const shop = await namespaceOf({});
    await policy(shop, {});
    await operator.start();
    await stands(shop, 'NotInstalled');
    const degraded = async () => (await status(shop))?.conditions?.find(({ type }) => type === 'Degraded');
    expect(await degraded()).toMatchObject({ status: 'False' });
    await policy(shop, { mesh: { istio: { mode: 'Enabled' } } });
    await until('the policy is not Degraded', 30_000, async () => (await degraded())?.status === 'True');
    expect(await degraded()).toMatchObject({
      reason: 'IntegrationFailed',
      message: expect.stringMatching(/^Istio is NotInstalled: /),
    });
  }, 120_000);

  it('keep what their owners set, and both values are told', async () => {
    const shop = await namespaceOf({ 'istio-injection': 'enabled' });
    await installIstio();
    await meshConfig(WITH_PROVIDER);
    await policy(shop, { sampling: { ratio: 0.1 } });
    await operator.start();
    await stands(shop, 'Configured');
    const own = `/apis/telemetry.istio.io/v1/namespaces/${shop}/telemetries`;
    await client.request('PATCH', `${own}/tracing-acme`, {
      query: { fieldManager: 'kubectl-edit' },
      contentType: MERGE_PATCH,
      body: { spec: { tracing: [{ randomSamplingPercentage: 42 }] } },
    });
    const conflict = await stands(shop, 'Conflict');
    expect(conflict).toMatch(/kubectl-edit has set spec\.tracing to .*42.* and the policy asks for .*10/);
    expect(await percentages(shop)).toEqual([['tracing-acme', 42]]);

    // Asked once, and not again while neither side says anything new.
    const from = operator.relay.requests.length;
    await client.request('PATCH', `/api/v1/namespaces/${shop}`, {
      contentType: MERGE_PATCH,
      body: { metadata: { labels: { team: 'shop' } } },
    });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(written(from)).toEqual([]);

    // One of the owner's that counts for the namespace as a whole: Istio takes one alone.
    await client.request('DELETE', `${own}/tracing-acme`);
    await until('it is not made again', 30_000, async () => (await percentages(shop))[0]?.[1] === 10);
    await apply(`${own}/mesh-default`, {
      apiVersion: 'telemetry.istio.io/v1',
      kind: 'Telemetry',
      metadata: { name: 'mesh-default', namespace: shop },
      spec: { tracing: [{ randomSamplingPercentage: 50 }] },
    });
    await until('ours stays beside it', 30_000, async () => (await telemetries(shop)).length === 1);
    expect(await percentages(shop)).toEqual([['mesh-default', 50]]);
    await until('it is not told of', 30_000, async () =>
      Boolean((await line(shop))?.message.includes('begins 50 % of traces, the policy asks for 10 %')),
    );
  }, 240_000);

  it(`cost one write in each of ${NAMESPACES} namespaces, and none at rest`, async () => {
    const labels = { 'istio-injection': 'enabled', 'example.com/integrations': 'true' };
    for (let made = 0; made < NAMESPACES; made += 20)
      await Promise.all([...Array(20).keys()].map(() => namespaceOf(labels)));
    await installIstio();
    await meshConfig(WITH_PROVIDER);
    const cluster = `${POLICIES}/clustertracingpolicies/integrations`;
    const clusterPolicy = (ratio: number) =>
      apply(cluster, {
        apiVersion: 'tracing.acme/v1alpha1',
        kind: 'ClusterTracingPolicy',
        metadata: { name: 'integrations' },
        spec: {
          namespaceSelector: { matchLabels: { 'example.com/integrations': 'true' } },
          exporters,
          sampling: { ratio },
        },
      });
    const all = async (percent: number) =>
      until(`not all are at ${percent} %`, 180_000, async () => {
        const list = '/apis/telemetry.istio.io/v1/telemetries';
        const { items } = await client.request<{ items: Telemetry[] }>('GET', list);
        return (
          items.length === NAMESPACES &&
          items.every(({ spec }) => spec.tracing[0]?.randomSamplingPercentage === percent)
        );
      });
    await operator.start(HURRY);
    try {
      for (const ratio of [0.1, 0.2]) {
        const from = operator.relay.requests.length;
        await clusterPolicy(ratio);
        await all(ratio * 100);
        expect(written(from)).toHaveLength(NAMESPACES);
        expect(new Set(written(from)).size).toBe(NAMESPACES);
      }
      const summed = async () =>
        (await client.request<{ status?: PolicyStatus }>('GET', cluster)).status?.integrations?.[0];
      await until('the policy does not say so', 60_000, async () => (await summed())?.state === 'Configured');
      // Ten minutes of what comes by the clock.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      const from = operator.relay.requests.length;
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      expect(operator.relay.writes(from)).toEqual([]);
    } finally {
      await client.request('DELETE', cluster);
    }
  }, 600_000);
});
