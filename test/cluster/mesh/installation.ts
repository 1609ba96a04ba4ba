import { join } from 'node:path';
import type { Cluster } from '../cluster.ts';
import { goModule } from '../go.ts';
import { step, until } from '../progress.ts';
import { provideServer } from '../servers.ts';
import { ISTIO_IMAGES, istioFolder } from './istio.ts';

export const ISTIO_NAMESPACE = 'istio-system';
/** Of Istio's configuration by which it puts sidecars into pods. */
export const ISTIO_INJECTOR = 'istio-sidecar-injector';
const RELEASES = { base: 'base', istiod: 'istio-control/istio-discovery' };
const MODEST = { requests: { cpu: '10m', memory: '40Mi' } };

/** The Gateway API that this Istio was made for: with it istiod deploys gateways and waypoints by itself. */
const GATEWAY_API = 'sigs.k8s.io/gateway-api@v1.6.0';
const DEFINITIONS = ['gatewayclasses', 'gateways', 'httproutes', 'grpcroutes', 'referencegrants'].map(
  (name) => `gateway.networking.k8s.io_${name}.yaml`,
);

/** Values of istiod's chart. The plain Envoy has none of the filters that Istio's own build adds: nothing may ask for them. */
function istiodValues(meshConfig: object): object {
  return {
    global: {
      ...{ ...ISTIO_IMAGES, imagePullPolicy: 'IfNotPresent' },
      ...{ proxy: { resources: MODEST }, waypoint: { resources: MODEST } },
    },
    autoscaleEnabled: false,
    resources: MODEST,
    env: {
      ...{ PILOT_ENABLE_METADATA_EXCHANGE: 'false', PILOT_ENABLE_ALPN_FILTER: 'false' },
      // Waypoints. There is no ztunnel that sends them anything; gateways do for Services that ask for it.
      ...{ PILOT_ENABLE_AMBIENT: 'true', AMBIENT_ENABLE_MULTI_NETWORK_WAYPOINT: 'false' },
    },
    telemetry: { enabled: false },
    meshConfig: { enablePrometheusMerge: false, ...meshConfig },
  };
}

/** Has waypoints do with the plain Envoy: without what tells metrics who is at the other end. */
function plainWaypoints(): object {
  const filter = (name: string, patch: object) => {
    const within = { name: 'envoy.filters.network.http_connection_manager', subFilter: { name } };
    const match = { context: 'SIDECAR_INBOUND', listener: { filterChain: { filter: within } } };
    return { applyTo: 'HTTP_FILTER', match, patch };
  };
  const remember = (key: string, text: string) => ({
    ...{ object_key: `envoy.filters.listener.original_dst.${key}`, shared_with_upstream: 'ONCE' },
    format_string: { text_format_source: { inline_string: text } },
  });
  const remembered = [remember('local_ip', '%REQ(:AUTHORITY)%'), remember('remote_ip', '%DOWNSTREAM_REMOTE_ADDRESS%')];
  const typed = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config',
    on_request_headers: remembered,
  };
  return {
    ...{ apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter' },
    metadata: { name: 'plain-waypoints', namespace: ISTIO_NAMESPACE },
    spec: {
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'GatewayClass', name: 'istio-waypoint' }],
      configPatches: [
        filter('waypoint_downstream_peer_metadata', { operation: 'REMOVE' }),
        filter('waypoint_upstream_peer_metadata', { operation: 'REMOVE' }),
        filter('connect_authority', {
          operation: 'REPLACE',
          value: { name: 'connect_authority', typed_config: typed },
        }),
      ],
    },
  };
}

/**
 * Installs a real Istio by its own charts, with the Gateway API, and waits until pods of namespaces with the label istio-injection=enabled get
 * sidecars. What is there already is brought up to date.
 * @param meshConfig is added to the chart's, e.g. `{ extensionProviders: [{ name: 'otel', opentelemetry: { … } }] }`.
 */
export async function installIstio(cluster: Cluster, meshConfig: object): Promise<void> {
  const charts = join(await istioFolder(), 'charts');
  for (const server of ['istiod', 'istio-proxy'] as const) await provideServer(cluster, server);
  await step('installing Istio', { usually: '15 s' }, async () => {
    const definitions = join(await goModule(GATEWAY_API), 'config/crd/standard');
    await cluster.run('kubectl', [
      ...['apply', '--server-side'],
      ...DEFINITIONS.flatMap((name) => ['-f', join(definitions, name)]),
    ]);
    for (const [release, chart] of Object.entries(RELEASES))
      await helm(cluster, ISTIO_NAMESPACE, release, join(charts, chart), istiodValues(meshConfig));
    await cluster.run('kubectl', ['apply', '-f', '-'], { input: JSON.stringify(plainWaypoints()) });
    await until("Istio's injector has no certificate", 60_000, async () =>
      /\S/.test(
        await cluster.run('kubectl', [
          ...['get', 'mutatingwebhookconfiguration', ISTIO_INJECTOR],
          ...['--output', 'jsonpath={.webhooks[*].clientConfig.caBundle}'],
        ]),
      ),
    );
  });
}

/** Takes away what `installIstio` has made, with its CustomResourceDefinitions and everything of these kinds. */
export async function removeIstio(cluster: Cluster): Promise<void> {
  for (const release of Object.keys(RELEASES).reverse())
    await cluster.run('helm', ['uninstall', release, '--namespace', ISTIO_NAMESPACE, '--ignore-not-found', '--wait']);
  // Its chart leaves these when it goes.
  const all = (await cluster.run('kubectl', ['get', 'crds', '--output', 'name'])).split('\n');
  const own = all.filter((name) => name.endsWith('.istio.io') || name.endsWith('.gateway.networking.k8s.io'));
  if (own.length > 0) await cluster.run('kubectl', ['delete', ...own, '--ignore-not-found']);
  // And istiod these, in each namespace.
  for (const name of ['istio-ca-root-cert', 'istio-ca-crl'])
    await cluster.run('kubectl', ['delete', 'configmaps', '-A', `--field-selector=metadata.name=${name}`]);
  await cluster.run('kubectl', ['delete', 'namespace', ISTIO_NAMESPACE, '--ignore-not-found', '--wait=false']);
}

/** Deploys an ingress gateway by Istio's chart, as Deployment and Service of this name, and waits until it is ready. */
export async function deployGateway(cluster: Cluster, namespace: string, name: string): Promise<void> {
  const chart = join(await istioFolder(), 'charts/gateway');
  const values = { service: { type: 'ClusterIP' }, autoscaling: { enabled: false }, resources: MODEST };
  await helm(cluster, namespace, name, chart, { ...values, imagePullPolicy: 'IfNotPresent' });
}

async function helm(cluster: Cluster, namespace: string, release: string, chart: string, values: object) {
  const where = ['--namespace', namespace, '--create-namespace', '--wait', '--timeout', '180s'];
  const input = JSON.stringify(values);
  await cluster.run('helm', ['upgrade', '--install', release, chart, ...where, '--values', '-'], { input });
}
