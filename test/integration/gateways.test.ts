import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { ApiError, APPLY, MERGE_PATCH } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import { gatewayDefinitions } from './crds/gateways.ts';
import type { Crd } from './integration-scene.ts';
import { exporters, HURRY, integrationScene, POLICIES } from './integration-scene.ts';

const NETWORKING = '/apis/networking.k8s.io/v1';
const CLASSES = { 'ingress-controllers.konghq.com/kong': 'test-kong', 'k8s.io/ingress-nginx': 'test-nginx' };
const ADDED_BY = 'tracing.acme/added-by';
const PLUGINS = 'konghq.com/plugins';
const NGINX = 'nginx.ingress.kubernetes.io/';
const CONFIG_MAP = 'ingress-nginx-controller';
const MANY = 20;

interface Annotated {
  metadata: { name: string; annotations?: Record<string, string> };
}

/** The definitions of Kong and of the Gateway API, and IngressClasses; neither Kong nor ingress-nginx. */
describe('gateways', () => {
  const scene = integrationScene((home) => ({
    kong: { enabled: true },
    ingressNginx: { enabled: true, namespace: home, configMap: CONFIG_MAP },
  }));
  const { client } = scene;
  let crds: Crd[];
  const path = (namespace: string) => scene.policyPath(namespace);

  const ingressPath = (namespace: string, name = 'web') => `${NETWORKING}/namespaces/${namespace}/ingresses/${name}`;
  const routePath = (namespace: string) => `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/httproutes/api`;
  const servicePath = (namespace: string) => `/api/v1/namespaces/${namespace}/services/order`;
  const pluginPath = (namespace: string) =>
    `/apis/configuration.konghq.com/v1/namespaces/${namespace}/kongplugins/tracing-acme`;
  const configMapPath = () => `/api/v1/namespaces/${scene.home}/configmaps/${CONFIG_MAP}`;

  const makeIngress = (namespace: string, ingressClassName: string, name = 'web', annotations?: object) =>
    scene.apply(ingressPath(namespace, name), {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name, namespace, ...(annotations && { annotations }) },
      spec: { ingressClassName, defaultBackend: { service: { name: 'order', port: { number: 80 } } } },
    });
  const makeService = (namespace: string) =>
    scene.apply(servicePath(namespace), {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'order', namespace },
      spec: { ports: [{ port: 80 }] },
    });
  async function makeRoute(namespace: string): Promise<void> {
    const parent = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge', namespace: 'kong' };
    const body = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'api', namespace },
    };
    const rules = [{ backendRefs: [{ name: 'order', port: 80 }] }];
    await scene.apply(routePath(namespace), { ...body, spec: { parentRefs: [parent], rules } });
    // As Kong's controller does.
    const accepted = {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const parents = [
      { parentRef: parent, controllerName: 'konghq.com/kic-gateway-controller', conditions: [accepted] },
    ];
    await scene.apply(`${routePath(namespace)}/status`, { ...body, status: { parents } }, 'kong');
  }
  const makeConfigMap = (data: Record<string, string>, fieldManager?: string) =>
    scene.apply(
      configMapPath(),
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: CONFIG_MAP, namespace: scene.home }, data },
      fieldManager,
    );
  const annotate = (where: string, annotations: Record<string, string | null>) =>
    client.request('PATCH', where, {
      query: { fieldManager: 'kubectl-annotate' },
      contentType: MERGE_PATCH,
      body: { metadata: { annotations } },
    });
  const annotationsOf = async (where: string) =>
    (await client.request<Annotated>('GET', where)).metadata.annotations ?? {};
  const dataOf = async () => (await client.request<{ data?: Record<string, string> }>('GET', configMapPath())).data;
  const isGone = (where: string) =>
    client.request('GET', where).then(
      () => false,
      (error: unknown) => error instanceof ApiError && error.status === 404,
    );
  const clusterPolicy = `${POLICIES}/clustertracingpolicies/gateways`;
  const makeClusterPolicy = (spec: object) =>
    scene.apply(clusterPolicy, {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'ClusterTracingPolicy',
      metadata: { name: 'gateways' },
      spec: { exporters, ...spec },
    });

  beforeAll(async () => {
    crds = (await gatewayDefinitions()).map((text) => load(text) as Crd);
    for (const [controller, name] of Object.entries(CLASSES))
      await scene.apply(`${NETWORKING}/ingressclasses/${name}`, {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: { name },
        spec: { controller },
      });
  }, 120_000);
  afterEach(async () => {
    await client.request('DELETE', clusterPolicy).catch(() => undefined);
  });
  afterAll(async () => {
    for (const name of Object.values(CLASSES)) await client.request('DELETE', `${NETWORKING}/ingressclasses/${name}`);
  });

  it('of Kong are found when they are installed, follow the policy, and are let go with it', async () => {
    const shop = await scene.namespaceOf();
    await scene.policy(shop, { sampling: { ratio: 0.1 } });
    await scene.operator.start();
    expect(await scene.stands('Kong', path(shop), 'NotInstalled')).toContain('kongplugins.configuration.konghq.com');
    for (const crd of crds) await scene.define(crd);
    await scene.stands('Kong', path(shop), 'NotUsed');
    await makeService(shop);
    await makeIngress(shop, 'test-kong');
    await makeRoute(shop);
    await scene.stands('Kong', path(shop), 'Configured', 'begins 10 % of traces on Ingress web, HTTPRoute api');
    const added = { [PLUGINS]: 'tracing-acme', [ADDED_BY]: `TracingPolicy ${shop}/default: ${PLUGINS}` };
    expect(await annotationsOf(ingressPath(shop))).toEqual(added);
    expect(await annotationsOf(routePath(shop))).toEqual(added);
    expect(await annotationsOf(servicePath(shop))).toEqual({});
    const propagation = { extract: ['w3c'], inject: ['w3c'], default_format: 'w3c' };
    expect(await client.request('GET', pluginPath(shop))).toMatchObject({
      metadata: {
        labels: { 'app.kubernetes.io/managed-by': 'tracing-operator' },
        ownerReferences: [{ kind: 'TracingPolicy', name: 'default' }],
      },
      plugin: 'opentelemetry',
      config: { traces_endpoint: 'http://collector.observability:4318/v1/traces', sampling_rate: 0.1, propagation },
    });

    const from = scene.operator.relay.requests.length;
    await scene.policy(shop, { sampling: { ratio: 0.25 } });
    await scene.stands('Kong', path(shop), 'Configured', 'begins 25 % of traces');
    expect(scene.written(from, '/kongplugins/', '/ingresses/', '/httproutes/', '/services/')).toEqual([
      `PATCH /namespaces/${shop}/kongplugins/tracing-acme`,
    ]);

    // An owner's own list: it stays, and the Service takes over.
    await annotate(ingressPath(shop), { [PLUGINS]: 'rate-limit,key-auth' });
    await scene.stands('Kong', path(shop), 'Configured', 'on Service order, HTTPRoute api');
    expect(await annotationsOf(ingressPath(shop))).toEqual({ [PLUGINS]: 'rate-limit,key-auth' });
    expect(await annotationsOf(servicePath(shop))).toEqual(added);
    await annotate(servicePath(shop), { [PLUGINS]: 'cors' });
    expect(await scene.stands('Kong', path(shop), 'Conflict')).toContain(
      'Ingress web and Service order: konghq.com/plugins is rate-limit,key-auth, and the policy asks for rate-limit,key-auth,tracing-acme',
    );

    await client.request('DELETE', path(shop));
    await until('the plug-in outlives its policy', 30_000, () => isGone(pluginPath(shop)));
    await until('a route still lists it', 30_000, async () => !(PLUGINS in (await annotationsOf(routePath(shop)))));
    expect(await annotationsOf(routePath(shop))).toEqual({});
    expect(await annotationsOf(ingressPath(shop))).toEqual({ [PLUGINS]: 'rate-limit,key-auth' });
    expect(await annotationsOf(servicePath(shop))).toEqual({ [PLUGINS]: 'cors' });
  }, 240_000);

  it('of ingress-nginx go by the policy where the controller decides alike, and keep what their owners set', async () => {
    const shop = await scene.namespaceOf();
    await scene.policy(shop, { sampling: { ratio: 0.1 } });
    await makeConfigMap({ 'use-gzip': 'true' });
    // As many a chart writes it: the map itself is its owner's then, with nothing in it.
    await makeIngress(shop, 'test-nginx', 'web', {});
    await scene.operator.start();
    await scene.stands('IngressNginx', path(shop), 'Incomplete', 'otlp-collector-host: "collector.observability"');
    expect(await annotationsOf(ingressPath(shop))).toEqual({});
    await makeConfigMap({
      'otlp-collector-host': 'collector.observability',
      'otel-sampler': 'TraceIdRatioBased',
      'otel-sampler-ratio': '0.1',
    });
    await scene.stands('IngressNginx', path(shop), 'Configured');
    const set = {
      [`${NGINX}enable-opentelemetry`]: 'true',
      [`${NGINX}opentelemetry-operation-name`]: 'web',
      [`${NGINX}opentelemetry-trust-incoming-span`]: 'true',
    };
    expect(await annotationsOf(ingressPath(shop))).toMatchObject(set);

    await annotate(ingressPath(shop), { [`${NGINX}opentelemetry-trust-incoming-span`]: 'false' });
    expect(await scene.stands('IngressNginx', path(shop), 'Conflict')).toBe(
      `Ingress web: kubectl-annotate has set ${NGINX}opentelemetry-trust-incoming-span to false, and the policy asks for true`,
    );
    const names = `${NGINX}enable-opentelemetry, ${NGINX}opentelemetry-operation-name`;
    const theirs = { ...set, [`${NGINX}opentelemetry-trust-incoming-span`]: 'false' };
    const after = { ...theirs, [ADDED_BY]: `TracingPolicy ${shop}/default: ${names}` };
    expect(await annotationsOf(ingressPath(shop))).toEqual(after);
    // Asked once, and not again while neither side says anything new.
    const from = scene.operator.relay.requests.length;
    await client.request('PATCH', `/api/v1/namespaces/${shop}`, {
      contentType: MERGE_PATCH,
      body: { metadata: { labels: { team: 'shop' } } },
    });
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(scene.written(from, '/ingresses/')).toEqual([]);

    await scene.policy(shop, { sampling: { ratio: 0.1 }, gateway: { nginx: { mode: 'Disabled' } } });
    await scene.stands('IngressNginx', path(shop), 'Disabled');
    expect(await annotationsOf(ingressPath(shop))).toEqual({ [`${NGINX}opentelemetry-trust-incoming-span`]: 'false' });
  }, 240_000);

  it("of ingress-nginx have their controller's ConfigMap written by a ClusterTracingPolicy that may, and no other", async () => {
    const shop = await scene.namespaceOf({ 'example.com/gateways': 'true' });
    const namespaceSelector = {
      matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: [shop, scene.home] }],
    };
    const spec = { namespaceSelector, sampling: { ratio: 0.1 } };
    await makeConfigMap({ 'use-gzip': 'true', 'otlp-collector-port': '14317' }, 'helm');
    await makeIngress(shop, 'test-nginx');
    await makeClusterPolicy(spec);
    await scene.operator.start();
    await scene.stands('IngressNginx', clusterPolicy, 'Incomplete', 'configureControllers');
    expect(await dataOf()).toEqual({ 'use-gzip': 'true', 'otlp-collector-port': '14317' });

    await makeClusterPolicy({ ...spec, configureControllers: ['IngressNginx'] });
    expect(await scene.stands('IngressNginx', clusterPolicy, 'Conflict')).toContain(
      'helm has set otlp-collector-port to 14317, and the policy asks for 4317',
    );
    const rest = {
      'otlp-collector-host': 'collector.observability',
      'otel-sampler': 'TraceIdRatioBased',
      'otel-sampler-ratio': '0.1',
      'otel-sampler-parent-based': 'true',
      'opentelemetry-operation-name': '$request_method $location_path',
    };
    expect(await dataOf()).toEqual({ 'use-gzip': 'true', 'otlp-collector-port': '14317', ...rest });
    await makeConfigMap({ 'use-gzip': 'true' }, 'helm');
    await scene.stands('IngressNginx', clusterPolicy, 'Configured');
    expect(await dataOf()).toEqual({ 'use-gzip': 'true', 'otlp-collector-port': '4317', ...rest });
    expect(await annotationsOf(ingressPath(shop))).toMatchObject({ [`${NGINX}enable-opentelemetry`]: 'true' });

    // Another ratio: one write, that of the ConfigMap, as Ingresses do not say it.
    const from = scene.operator.relay.requests.length;
    await makeClusterPolicy({ ...spec, sampling: { ratio: 0.2 }, configureControllers: ['IngressNginx'] });
    await scene.stands('IngressNginx', clusterPolicy, 'Configured', '20 %');
    await until('the ratio does not arrive', 30_000, async () => (await dataOf())?.['otel-sampler-ratio'] === '0.2');
    expect(scene.written(from, '/ingresses/', `/${CONFIG_MAP}`)).toEqual([
      `PATCH /namespaces/${scene.home}/configmaps/${CONFIG_MAP}`,
    ]);

    await client.request('DELETE', clusterPolicy);
    await until('settings outlive the policy', 30_000, async () => Object.keys((await dataOf()) ?? {}).length === 1);
    expect(await dataOf()).toEqual({ 'use-gzip': 'true' });
    await until(
      'the Ingress is traced',
      30_000,
      async () => Object.keys(await annotationsOf(ingressPath(shop))).length === 0,
    );
  }, 240_000);

  it(`cost a plug-in and an annotation in each of ${MANY} namespaces, one write at a change, and none at rest`, async () => {
    for (const crd of crds) await scene.define(crd);
    const shops = await Promise.all(
      [...Array(MANY).keys()].map(() => scene.namespaceOf({ 'example.com/gateways': 'true' })),
    );
    await Promise.all(shops.map((shop) => makeIngress(shop, 'test-kong')));
    const namespaceSelector = { matchLabels: { 'example.com/gateways': 'true' } };
    await scene.operator.start(HURRY);
    const parts = ['/kongplugins/', '/ingresses/'];
    for (const [ratio, writes] of [
      [0.1, 2 * MANY],
      [0.2, MANY],
    ] as const) {
      const from = scene.operator.relay.requests.length;
      await makeClusterPolicy({ namespaceSelector, sampling: { ratio } });
      const states = new Set(shops.map((shop) => `PATCH /namespaces/${shop}/kongplugins/tracing-acme`));
      await until('not all are written', 60_000, () => {
        const written = scene.written(from, ...parts);
        return Promise.resolve(written.length >= writes && [...states].every((each) => written.includes(each)));
      });
      await scene.stands('Kong', clusterPolicy, 'Configured');
      expect(scene.written(from, ...parts)).toHaveLength(writes);
    }
    // Ten minutes of what comes by the clock.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const from = scene.operator.relay.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    expect(scene.operator.relay.writes(from)).toEqual([]);
  }, 240_000);

  it('are not made again by what is added to them, when they are gone', async () => {
    const shop = await scene.namespaceOf();
    const body = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'gone', namespace: shop, uid: '00000000-0000-0000-0000-000000000000', annotations: { a: 'b' } },
    };
    const adding = client.request('PATCH', ingressPath(shop, 'gone'), {
      query: { fieldManager: 'tracing-operator-integration' },
      contentType: APPLY,
      body,
    });
    await expect(adding).rejects.toMatchObject({ status: 409 });
    expect(await isGone(ingressPath(shop, 'gone'))).toBe(true);
  }, 60_000);
});
