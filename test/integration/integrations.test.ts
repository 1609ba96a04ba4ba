import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { MERGE_PATCH } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import type { Crd } from './integration-scene.ts';
import { exporters, HURRY, integrationScene, POLICIES } from './integration-scene.ts';

const TELEMETRY = load(readFileSync(new URL('crds/telemetry.yaml', import.meta.url), 'utf8')) as Crd;
const NAMESPACES = Number(process.env['NAMESPACES'] ?? 100);

interface Telemetry {
  metadata: { name: string; labels?: Record<string, string>; ownerReferences?: { kind: string; name: string }[] };
  spec: { tracing: { randomSamplingPercentage?: number; providers?: { name: string }[] }[] };
}

/** Istio's API and its MeshConfig, and no Istio. */
describe('meshes', () => {
  const scene = integrationScene((home) => ({ istio: { namespace: home } }));
  const { client } = scene;
  const path = (namespace: string) => scene.policyPath(namespace);
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
  const stands = (namespace: string, state: string, text?: string) =>
    scene.stands('Istio', path(namespace), state, text);
  const written = (from: number) => scene.written(from, '/telemetries/');
  const installIstio = () => scene.define(TELEMETRY);
  const meshConfig = (mesh: string) =>
    scene.apply(`/api/v1/namespaces/${scene.home}/configmaps/istio`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: scene.home },
      data: { mesh },
    });
  /** A provider whose Service is to be in istiod's namespace. */
  const withProvider = () => `extensionProviders:
- name: otel
  opentelemetry: {service: collector.${scene.home}.svc.cluster.local, port: 4318}
`;
  const collector = () =>
    scene.apply(`/api/v1/namespaces/${scene.home}/services/collector`, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'collector', namespace: scene.home },
      spec: { ports: [{ port: 4318 }] },
    });

  it('are configured when they are installed, follow the policy, and are let go with it', async () => {
    const shop = await scene.namespaceOf({ 'istio-injection': 'enabled' });
    await scene.policy(shop, { sampling: { ratio: 0.1 } });
    await scene.operator.start();
    expect(await stands(shop, 'NotInstalled')).toContain('telemetries.telemetry.istio.io');

    await installIstio();
    expect(await stands(shop, 'Incomplete')).toContain(`${scene.home}/istio`);
    await meshConfig('extensionProviders: []');
    await stands(shop, 'Incomplete', '    service: collector.observability.svc.cluster.local');
    await meshConfig(withProvider());
    await stands(shop, 'Incomplete', `the mesh knows no host collector.${scene.home}.svc.cluster.local`);
    expect(await telemetries(shop)).toEqual([]);
    await collector();
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

    const from = scene.operator.relay.requests.length;
    await scene.policy(shop, { sampling: { ratio: 0.25 } });
    await until('the ratio does not arrive', 30_000, async () => (await percentages(shop))[0]?.[1] === 25);
    expect(written(from)).toEqual([`PATCH /namespaces/${shop}/telemetries/tracing-acme`]);

    await scene.policy(shop, { mesh: { istio: { mode: 'Disabled' } } });
    await stands(shop, 'Disabled');
    expect(await telemetries(shop)).toEqual([]);

    await scene.policy(shop, { mesh: { istio: { mode: 'Enabled' } } });
    await until('it does not come back', 30_000, async () => (await telemetries(shop)).length === 1);
    await client.request('DELETE', path(shop));
    await until('it outlives its policy', 30_000, async () => (await telemetries(shop)).length === 0);
  }, 240_000);

  it('that are missing make a policy Degraded which insists on them, and no other', async () => {
    const shop = await scene.namespaceOf({});
    await scene.policy(shop, {});
    await scene.operator.start();
    await stands(shop, 'NotInstalled');
    const degraded = async () => (await scene.status(path(shop)))?.conditions?.find(({ type }) => type === 'Degraded');
    expect(await degraded()).toMatchObject({ status: 'False' });
    await scene.policy(shop, { mesh: { istio: { mode: 'Enabled' } } });
    await until('the policy is not Degraded', 30_000, async () => (await degraded())?.status === 'True');
    expect(await degraded()).toMatchObject({
      reason: 'IntegrationFailed',
      message: expect.stringMatching(/^Istio is NotInstalled: /),
    });
  }, 120_000);

  it('without Telemetries are told by annotations of pods, until there are some', async () => {
    const shop = await scene.namespaceOf({ 'istio-injection': 'enabled' });
    const config = (own: Record<string, string> = {}) => scene.operator.annotated(shop, 'proxy.istio.io/config', own);
    await meshConfig(`${withProvider()}defaultProviders: {tracing: [otel]}`);
    await scene.policy(shop, { sampling: { ratio: 0.1 } });
    await scene.operator.start();
    await stands(shop, 'Incomplete', 'defaultConfig: {tracing: {sampling: 10}}');
    expect(await config()).toBe('tracing: {"sampling":100}\n');
    expect(await config({ 'proxy.istio.io/config': 'concurrency: 2' })).toBe(
      'concurrency: 2\ntracing: {"sampling":100}\n',
    );
    expect(await config({ 'proxy.istio.io/config': 'tracing: {sampling: 5}' })).toBeUndefined();
    await meshConfig(`${withProvider()}defaultProviders: {tracing: [otel]}
defaultConfig: {tracing: {sampling: 10, maxPathTagLength: 64}}`);
    await stands(shop, 'Configured', 'to let pass what others have decided');
    expect(await config()).toBe('tracing: {"sampling":100,"maxPathTagLength":64}\n');
    await scene.policy(shop, { mesh: { istio: { mode: 'Disabled' } } });
    await stands(shop, 'Disabled');
    expect(await config()).toBeUndefined();

    await scene.policy(shop, { sampling: { ratio: 0.1 } });
    await stands(shop, 'Configured');
    await collector();
    await installIstio();
    await stands(shop, 'Configured', 'proxies begin 10 % of traces');
    expect(await config()).toBeUndefined();
    expect(await percentages(shop)).toEqual([['tracing-acme', 10]]);
  }, 240_000);

  it('keep what their owners set, and both values are told', async () => {
    const shop = await scene.namespaceOf({ 'istio-injection': 'enabled' });
    await installIstio();
    await meshConfig(withProvider());
    await collector();
    await scene.policy(shop, { sampling: { ratio: 0.1 } });
    await scene.operator.start();
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
    const from = scene.operator.relay.requests.length;
    await client.request('PATCH', `/api/v1/namespaces/${shop}`, {
      contentType: MERGE_PATCH,
      body: { metadata: { labels: { team: 'shop' } } },
    });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(written(from)).toEqual([]);

    // One of the owner's that counts for the namespace as a whole: Istio takes one alone.
    await client.request('DELETE', `${own}/tracing-acme`);
    await until('it is not made again', 30_000, async () => (await percentages(shop))[0]?.[1] === 10);
    await scene.apply(`${own}/mesh-default`, {
      apiVersion: 'telemetry.istio.io/v1',
      kind: 'Telemetry',
      metadata: { name: 'mesh-default', namespace: shop },
      spec: { tracing: [{ randomSamplingPercentage: 50 }] },
    });
    await until('ours stays beside it', 30_000, async () => (await telemetries(shop)).length === 1);
    expect(await percentages(shop)).toEqual([['mesh-default', 50]]);
    await stands(shop, 'Conflict', 'begins 50 % of traces, the policy asks for 10 %');
  }, 240_000);

  it(`cost one write in each of ${NAMESPACES} namespaces, and none at rest`, async () => {
    const labels = { 'istio-injection': 'enabled', 'example.com/integrations': 'true' };
    for (let made = 0; made < NAMESPACES; made += 20)
      await Promise.all([...Array(20).keys()].map(() => scene.namespaceOf(labels)));
    await installIstio();
    await meshConfig(withProvider());
    await collector();
    const cluster = `${POLICIES}/clustertracingpolicies/integrations`;
    const clusterPolicy = (ratio: number) =>
      scene.apply(cluster, {
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
    await scene.operator.start(HURRY);
    try {
      for (const ratio of [0.1, 0.2]) {
        const from = scene.operator.relay.requests.length;
        await clusterPolicy(ratio);
        await all(ratio * 100);
        expect(written(from)).toHaveLength(NAMESPACES);
        expect(new Set(written(from)).size).toBe(NAMESPACES);
      }
      await scene.stands('Istio', cluster, 'Configured');
      // Ten minutes of what comes by the clock.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      const from = scene.operator.relay.requests.length;
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      expect(scene.operator.relay.writes(from)).toEqual([]);
    } finally {
      await client.request('DELETE', cluster);
    }
  }, 600_000);
});
