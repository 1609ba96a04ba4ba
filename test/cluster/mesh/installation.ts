import { join } from 'node:path';
import type { Cluster } from '../cluster.ts';
import { step, until } from '../progress.ts';
import { provideServer } from '../servers.ts';
import { ISTIO_IMAGES, istioFolder } from './istio.ts';

export const ISTIO_NAMESPACE = 'istio-system';
/** Of Istio's configuration by which it puts sidecars into pods. */
export const ISTIO_INJECTOR = 'istio-sidecar-injector';
const RELEASES = { base: 'base', istiod: 'istio-control/istio-discovery' };
const MODEST = { requests: { cpu: '10m', memory: '40Mi' } };

/** Values of istiod's chart. The plain Envoy has none of the filters that Istio's own build adds: nothing may ask for them. */
function istiodValues(meshConfig: object): object {
  return {
    global: { ...ISTIO_IMAGES, imagePullPolicy: 'IfNotPresent', proxy: { resources: MODEST } },
    autoscaleEnabled: false,
    resources: MODEST,
    env: { PILOT_ENABLE_METADATA_EXCHANGE: 'false', PILOT_ENABLE_ALPN_FILTER: 'false' },
    telemetry: { enabled: false },
    meshConfig: { enablePrometheusMerge: false, ...meshConfig },
  };
}

/**
 * Installs a real Istio by its own charts, and waits until pods of namespaces with the label istio-injection=enabled get
 * sidecars. What is there already is brought up to date.
 * @param meshConfig is added to the chart's, e.g. `{ extensionProviders: [{ name: 'otel', opentelemetry: { … } }] }`.
 */
export async function installIstio(cluster: Cluster, meshConfig: object): Promise<void> {
  const charts = join(await istioFolder(), 'charts');
  for (const server of ['istiod', 'istio-proxy'] as const) await provideServer(cluster, server);
  await step('installing Istio', { usually: '15 s' }, async () => {
    for (const [release, chart] of Object.entries(RELEASES))
      await helm(cluster, ISTIO_NAMESPACE, release, join(charts, chart), istiodValues(meshConfig));
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
  const own = all.filter((name) => name.endsWith('.istio.io'));
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
