import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Cluster } from '../cluster/cluster.ts';
import type { Images } from './prepare.ts';

export const OPERATOR = { namespace: 'tracing-system', release: 'tracing-operator' };
export const SHOP_NAMESPACE = 'shop';
export const SHOP_SERVICES = ['order', 'payment', 'inventory'];
export const POLICY_FILE = 'examples/shop/k8s/policy.yaml';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const MANIFESTS = join(CHECKOUT, 'examples/shop/k8s');
const ROLLOUT_TIMEOUT = '180s';

/** Installs the chart, or brings the release up to date, and waits until the operator is ready. */
export async function installOperator(cluster: Cluster, images: Images): Promise<void> {
  const { namespace, release } = OPERATOR;
  await cluster.run('helm', [
    'upgrade',
    '--install',
    release,
    join(CHECKOUT, 'charts/tracing-operator'),
    '--namespace',
    namespace,
    '--create-namespace',
    ...imageValues('image', images.operator.ref),
    ...imageValues('agent.image', images.agent.ref),
    '--wait',
    '--timeout',
    ROLLOUT_TIMEOUT,
  ]);
  await rollOn(cluster, namespace, [release], [images.operator.archive]);
}

/** Applies the shop, its database and Jaeger, and waits until all of it is ready. */
export async function deployShop(cluster: Cluster, images: Images): Promise<void> {
  // Namespaces first: kubectl does not wait for one before it makes what is in it.
  for (const files of [
    ['namespace', 'jaeger'],
    ['postgres', ...SHOP_SERVICES],
  ]) {
    await cluster.run('kubectl', ['apply', ...files.flatMap((file) => ['-f', join(MANIFESTS, `${file}.yaml`)])]);
  }
  await Promise.all([
    waitForRollout(cluster, 'observability', ['jaeger']),
    waitForRollout(cluster, SHOP_NAMESPACE, ['postgres']),
    // The agent's image is part of the pods once they are injected.
    rollOn(cluster, SHOP_NAMESPACE, SHOP_SERVICES, [images.shop.archive, images.agent.archive]),
  ]);
}

/** Asks for tracing on the Deployments themselves, and waits until the pods it concerns have been replaced. */
export async function annotateShop(cluster: Cluster): Promise<void> {
  await cluster.run('kubectl', [
    '--namespace',
    SHOP_NAMESPACE,
    'annotate',
    '--overwrite',
    'deployment',
    ...SHOP_SERVICES,
    'tracing.acme/inject=true',
  ]);
  await waitForRollout(cluster, SHOP_NAMESPACE, SHOP_SERVICES);
}

/** Applies the shop's TracingPolicy, as the file in examples/shop has it. */
export async function applyPolicy(cluster: Cluster): Promise<void> {
  const policy = readFileSync(join(CHECKOUT, POLICY_FILE), 'utf8');
  await cluster.run('kubectl', ['apply', '-f', '-'], { input: policy });
}

/** Changes the ratio of the shop's TracingPolicy. */
export async function patchRatio(cluster: Cluster, ratio: number): Promise<void> {
  const patch = JSON.stringify({ spec: { sampling: { ratio } } });
  const args = ['--namespace', SHOP_NAMESPACE, 'patch', 'tracingpolicy', 'shop', '--type', 'merge', '--patch', patch];
  await cluster.run('kubectl', args);
}

/** Waits until Deployments have rolled out what they were told. */
export async function waitForRollout(cluster: Cluster, namespace: string, deployments: string[]): Promise<void> {
  await Promise.all(
    deployments.map((name) =>
      cluster.run('kubectl', [
        '--namespace',
        namespace,
        'rollout',
        'status',
        `deployment/${name}`,
        `--timeout=${ROLLOUT_TIMEOUT}`,
      ]),
    ),
  );
}

/**
 * Replaces the pods of Deployments when the images they run are others than the last time, and waits. The demo's images
 * keep their tags while what is in them changes with the checkout, so the Deployments' own specs don't tell.
 */
async function rollOn(cluster: Cluster, namespace: string, deployments: string[], archives: string[]): Promise<void> {
  // An archive's path in the cache changes with what went into the image.
  const images = createHash('sha256').update(archives.join('\n')).digest('hex').slice(0, 12);
  const patch = JSON.stringify({
    spec: { template: { metadata: { annotations: { 'demo.tracing.acme/images': images } } } },
  });
  const args = (name: string) => ['--namespace', namespace, 'patch', 'deployment', name, '--patch', patch];
  await Promise.all(deployments.map((name) => cluster.run('kubectl', args(name))));
  await waitForRollout(cluster, namespace, deployments);
}

function imageValues(key: string, ref: string): string[] {
  const colon = ref.lastIndexOf(':');
  const values = { repository: ref.slice(0, colon), tag: ref.slice(colon + 1), pullPolicy: 'IfNotPresent' };
  return Object.entries(values).flatMap(([name, value]) => ['--set-string', `${key}.${name}=${value}`]);
}
