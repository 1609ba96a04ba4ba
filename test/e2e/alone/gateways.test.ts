import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CHART } from '../../chart/helm.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { renderForNginx } from '../../cluster/gateways/ingress-nginx.ts';
import { placedIn, translateForKong } from '../../cluster/gateways/kong.ts';
import { until } from '../../cluster/progress.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { blocksOf } from '../../docs/pages.ts';
import { gatewayDefinitions } from '../../integration/crds/gateways.ts';
import { untilUsable, withFreshOperator } from '../installation.ts';
import { nodePod } from '../node-pod.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
const TELEMETRY = join(CHECKOUT, 'test/integration/crds/telemetry.yaml');
/** What its owner has put into the ConfigMap of ingress-nginx. */
const THEIRS = { 'use-gzip': 'true' };
const CONFIG_MAP = 'ingress-nginx-controller';
const NGINX = 'nginx.ingress.kubernetes.io/';

interface Thing {
  kind: string;
  metadata: { name: string; annotations?: Record<string, string> };
  data?: Record<string, string>;
}

/** On one line, with single blanks: how kubectl aligns is its own business. */
const squash = (text: string) => text.replaceAll(/\s+/g, ' ').trim();

/** Systems that a policy has a line for, in the order of what `kubectl describe` says. */
const linesOf = (said: string) => [...said.matchAll(/Message: .*? Name: (\w+) State: \w+/g)].map(([, name]) => name);

/** What a guide shows of `kubectl describe` for a system. */
const shownIn = (guide: string) =>
  blocksOf(`docs/guides/${guide}.md`)
    .map(({ text }) => squash(text))
    .filter((text) => text.startsWith('Integrations:'))
    .map((text) => text.replace('Integrations: ', ''));

/**
 * The operator with the rights that the chart gives it, and no more, beside what Istio, Linkerd, Kong and ingress-nginx leave in
 * a cluster: definitions, settings, routes. None of them runs; what the two gateways would make of it, their own code says.
 */
describe('gateways, by the rights of the chart', () => {
  let cluster: Cluster;
  let images: Images;
  const suffix = randomBytes(3).toString('hex');
  const namespace = `gateways-${suffix}`;
  const platform = `platform-${suffix}`;
  const [kongClass, nginxClass] = [`kong-${suffix}`, `nginx-${suffix}`];
  const homes = ['istio-system', 'linkerd', 'ingress-nginx'];
  let definitions: string[];
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (...items: unknown[]) =>
    cluster.run('kubectl', ['apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
  const helm = (...values: string[]) =>
    cluster.run('helm', [
      ...['upgrade', OPERATOR.release, CHART, '--namespace', OPERATOR.namespace, '--reuse-values', '--wait'],
      ...['--timeout', '180s', ...values.flatMap((value) => ['--set', value])],
    ]);
  const get = async (...args: string[]) =>
    (JSON.parse(await kubectl('get', ...args, '-o', 'json')) as { items: Thing[] }).items;
  const annotations = async () =>
    Object.fromEntries(
      (await get('ingresses,httproutes,services')).map(({ kind, metadata }) => [
        `${kind} ${metadata.name}`,
        Object.entries(metadata.annotations ?? {})
          .filter(([key]) => !key.startsWith('kubectl.kubernetes.io/'))
          .map(([key, value]) => `${key}: ${value}`),
      ]),
    );
  const configMap = async () =>
    JSON.parse(await cluster.run('kubectl', ['-n', 'ingress-nginx', 'get', 'cm', CONFIG_MAP, '-o', 'json'])) as Thing;
  const object = (apiVersion: string, kind: string, where: string, name: string, rest: object) => ({
    ...{ apiVersion, kind, metadata: { name, ...(where && { namespace: where }) } },
    ...rest,
  });
  const policySpec = {
    sampling: { ratio: 0.1 },
    exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }],
    resource: { attributes: { 'deployment.environment.name': 'production' } },
  };
  const ingress = (name: string, ingressClassName: string, host: string, annotations: object = {}) => ({
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name, namespace, annotations } },
    spec: {
      ingressClassName,
      rules: [
        {
          host,
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'order', port: { number: 80 } } } }],
          },
        },
      ],
    },
  });

  /** Resolves when `kubectl describe` of the policy has all of these, to all that it says. */
  async function says(...texts: string[]): Promise<string> {
    let last = '';
    await until(`the policy does not say: ${texts.join('\n')}`, 60_000, async () => {
      last = squash(await kubectl('describe', 'tracingpolicy', 'default'));
      return texts.every((text) => last.includes(text));
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}:\n${last}`);
    });
    return last;
  }

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    // Of a test before.
    await cluster.run('kubectl', ['delete', 'namespace', ...homes, '--ignore-not-found']);
    definitions = [...(await gatewayDefinitions()), readFileSync(TELEMETRY, 'utf8')];
    for (const input of definitions)
      await cluster.run('kubectl', ['apply', '--server-side', '--force-conflicts', '-f', '-'], { input });
    const labels = { 'istio-injection': 'enabled' };
    await apply(...[...homes, 'observability'].map((name) => object('v1', 'Namespace', '', name, {})), {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels },
    });
    await untilUsable(cluster, namespace, 20_000);
    const ports = [{ name: 'http', port: 80 }];
    const provider = {
      name: 'otel',
      opentelemetry: { service: 'collector.observability.svc.cluster.local', port: 4318 },
    };
    const pod = nodePod(images.shop.ref, 'meshed', { spec: { schedulerName: 'nobody' } });
    const parentRefs = [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'edge', namespace: 'kong' }];
    await apply(
      object('networking.k8s.io/v1', 'IngressClass', '', kongClass, {
        spec: { controller: 'ingress-controllers.konghq.com/kong' },
      }),
      object('networking.k8s.io/v1', 'IngressClass', '', nginxClass, { spec: { controller: 'k8s.io/ingress-nginx' } }),
      object('v1', 'Service', 'observability', 'collector', { spec: { ports: [{ port: 4318 }] } }),
      object('v1', 'ConfigMap', 'istio-system', 'istio', {
        data: { mesh: JSON.stringify({ extensionProviders: [provider] }) },
      }),
      object('v1', 'ConfigMap', 'linkerd', 'linkerd-config', {
        data: { values: JSON.stringify({ proxy: { tracing: { enabled: false } } }) },
      }),
      object('v1', 'ConfigMap', 'ingress-nginx', CONFIG_MAP, { data: THEIRS }),
      object('v1', 'Service', namespace, 'order', { spec: { ports } }),
      ingress('web', kongClass, 'web.example.com'),
      ingress('public', nginxClass, 'public.example.com'),
      object('gateway.networking.k8s.io/v1', 'HTTPRoute', namespace, 'api', {
        spec: { parentRefs, rules: [{ backendRefs: [{ name: 'order', port: 80 }] }] },
      }),
      object('configuration.konghq.com/v1', 'KongPlugin', namespace, 'rate-limit', {
        plugin: 'rate-limiting',
        config: { minute: 5 },
      }),
      // As Linkerd's injector would have left it.
      {
        ...pod,
        metadata: { ...pod.metadata, namespace, labels: { 'linkerd.io/control-plane-ns': 'linkerd' } },
      },
      object('tracing.acme/v1alpha1', 'TracingPolicy', namespace, 'default', { spec: policySpec }),
    );
    // As Kong's controller does.
    const accepted = { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' };
    const conditions = [{ ...accepted, lastTransitionTime: '2026-01-01T00:00:00Z' }];
    const parents = [{ parentRef: parentRefs[0], controllerName: 'konghq.com/kic-gateway-controller', conditions }];
    const patch = JSON.stringify({ status: { parents } });
    await kubectl('patch', 'httproute', 'api', '--subresource=status', '--type=merge', '--patch', patch);
  }, 300_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'clustertracingpolicy', platform, '--ignore-not-found']);
    await cluster.run('kubectl', ['delete', 'ingressclass', kongClass, nginxClass, '--ignore-not-found']);
    await cluster.run('kubectl', ['-n', 'observability', 'delete', 'service', 'collector', '--ignore-not-found']);
    for (const input of definitions)
      await cluster.run('kubectl', ['delete', '--ignore-not-found', '-f', '-'], { input, tolerant: true });
    // Another test may make them anew.
    await cluster.run('kubectl', ['delete', 'namespace', namespace, ...homes, '--ignore-not-found']);
  }, 240_000);

  it('are left alone without them, and the policy says which Helm values are missing', async () => {
    const said = await says(
      'Message: the chart gives the operator no right to Kong (Helm value kong.enabled) Name: Kong State: NotAllowed',
      'Message: the chart gives the operator no right to ingress-nginx (Helm value ingressNginx.enabled) Name: IngressNginx State: NotAllowed',
      ...shownIn('istio'),
      ...shownIn('linkerd'),
    );
    expect(linesOf(said)).toEqual(['Istio', 'Linkerd', 'Kong', 'IngressNginx']);
    expect(await annotations()).toEqual({
      'Ingress public': [],
      'Ingress web': [],
      'HTTPRoute api': [],
      'Service order': [],
    });
    const account = `--as=system:serviceaccount:${OPERATOR.namespace}:${OPERATOR.release}`;
    for (const right of [
      ['patch', 'ingresses'],
      ['list', 'kongplugins'],
      ['patch', 'services'],
    ])
      await expect(kubectl('auth', 'can-i', ...right, account)).rejects.toThrow();
  }, 120_000);

  it('are configured with them, as the guides show it, and each has its line in the policy', async () => {
    await helm('kong.enabled=true', 'ingressNginx.enabled=true');
    const [withoutCollector, withCollector] = shownIn('ingress-nginx');
    const said = await says(...shownIn('istio'), ...shownIn('linkerd'), ...shownIn('kong'), withoutCollector!);
    expect(linesOf(said)).toEqual(['Istio', 'Linkerd', 'Kong', 'IngressNginx']);
    const by = `tracing.acme/added-by: TracingPolicy ${namespace}/default:`;
    const ofKong = ['konghq.com/plugins: tracing-acme', `${by} konghq.com/plugins`];
    const listed = { 'Ingress public': [], 'Ingress web': ofKong, 'HTTPRoute api': ofKong };
    expect(await annotations()).toEqual({ ...listed, 'Service order': [] });

    const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': 'ingress-nginx' } };
    await apply(
      object('tracing.acme/v1alpha1', 'ClusterTracingPolicy', '', platform, {
        spec: { ...policySpec, namespaceSelector, configureControllers: ['IngressNginx'] },
      }),
    );
    await says(...shownIn('istio'), ...shownIn('linkerd'), ...shownIn('kong'), withCollector!);
    expect((await annotations())['Ingress public']).toEqual([
      `${NGINX}enable-opentelemetry: true`,
      `${NGINX}opentelemetry-trust-incoming-span: true`,
      `${by} ${NGINX}enable-opentelemetry, ${NGINX}opentelemetry-trust-incoming-span`,
    ]);

    // An owner's own list stays, and the Service is asked instead.
    const theirs = { 'konghq.com/plugins': 'rate-limit' };
    await apply(ingress('limited', kongClass, 'limited.example.com', theirs));
    await says('on Ingress web, Service order, HTTPRoute api');
    expect(await annotations()).toMatchObject({
      'Ingress limited': ['konghq.com/plugins: rate-limit'],
      'Service order': ofKong,
    });
  }, 240_000);

  it("are what Kong's own translator has Kong draw by, on each route once, beside the owner's plug-in", async () => {
    const { configuration, failures } = await translateForKong(
      kongClass,
      await get('ingresses,httproutes,services,kongplugins'),
    );
    expect(failures).toEqual([]);
    expect(placedIn(configuration)).toEqual([
      `opentelemetry on route ${namespace}.web.order.web.example.com.80`,
      `opentelemetry on route httproute.${namespace}.api.0.0`,
      // Each as Kong knows that Service: what is on a route comes before.
      `opentelemetry on service ${namespace}.order.80`,
      `opentelemetry on service httproute.${namespace}.api.0`,
      `rate-limiting on route ${namespace}.limited.order.limited.example.com.80`,
    ]);
    for (const { config } of configuration.plugins!.filter(({ name }) => name === 'opentelemetry'))
      expect(config).toMatchObject({
        traces_endpoint: 'http://collector.observability:4318/v1/traces',
        sampling_rate: 0.1,
        resource_attributes: { 'deployment.environment.name': 'production' },
      });
  }, 400_000);

  it('are what ingress-nginx writes for its NGINX', async () => {
    const classes = (JSON.parse(await kubectl('get', 'ingressclasses', '-o', 'json')) as { items: Thing[] }).items;
    const { ingresses, nginx, module } = await renderForNginx(`ingress-nginx/${CONFIG_MAP}`, [
      ...classes,
      await configMap(),
      ...(await get('ingresses,services')),
    ]);
    expect(module).toContain('host = "collector.observability"\nport = 4317\n');
    expect(module).toContain('name = "TraceIdRatioBased" # Also: AlwaysOff, TraceIdRatioBased\nratio = 0.1\n');
    expect(module).toContain('parent_based = true\n');
    expect(ingresses[`${namespace}/public`]).toMatchObject({ enabled: true, 'trust-enabled': true });
    expect(nginx).toContain('opentelemetry_trust_incoming_spans on;');
    expect(nginx).toContain('opentelemetry_operation_name "$request_method $location_path";');
  }, 400_000);

  it("leave it to Linkerd's injector to name proxies, also where it comes after our webhook", async () => {
    await cluster.run('kubectl', ['annotate', 'namespace', namespace, 'linkerd.io/inject=enabled']);
    const pod = nodePod(images.shop.ref, 'traced', { annotations: { 'tracing.acme/inject': 'true' } });
    const input = JSON.stringify({ ...pod, metadata: { ...pod.metadata, namespace } });
    const asks = async () => {
      const made = await cluster.run('kubectl', ['create', '--dry-run=server', '-o', 'json', '-f', '-'], { input });
      return (JSON.parse(made) as Thing).metadata.annotations!;
    };
    // What the namespace says takes a moment to be known.
    await until('nothing is asked of Linkerd', 20_000, async () =>
      Object.keys(await asks()).some((key) => key.startsWith('resource.opentelemetry.io/')),
    );
    expect(await asks()).toMatchObject({
      'resource.opentelemetry.io/service.name': 'traced',
      'resource.opentelemetry.io/service.namespace': namespace,
      'resource.opentelemetry.io/deployment.environment.name': 'production',
    });
  }, 60_000);

  it('have nothing left of it when the policies go', async () => {
    await kubectl('delete', 'tracingpolicy', 'default');
    await cluster.run('kubectl', ['delete', 'clustertracingpolicy', platform]);
    const rest = {
      'Ingress limited': ['konghq.com/plugins: rate-limit'],
      'Ingress public': [],
      'Ingress web': [],
      'HTTPRoute api': [],
      'Service order': [],
    };
    await until('annotations outlive the policy', 30_000, async () =>
      Object.entries(await annotations()).every(([name, all]) => name === 'Ingress limited' || all.length === 0),
    );
    expect(await annotations()).toEqual(rest);
    await until('settings outlive the policy', 30_000, async () => Object.keys((await configMap()).data!).length === 1);
    expect((await configMap()).data).toEqual(THEIRS);
    await until('the plug-in outlives the policy', 30_000, async () => (await get('kongplugins')).length === 1);
  }, 120_000);
});
