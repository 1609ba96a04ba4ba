import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Cluster } from '../cluster/cluster.ts';
import type { BuiltImage } from '../cluster/images.ts';
import { SHOP_SERVERS } from '../cluster/servers.ts';
import type { Images } from './prepare.ts';

export const OPERATOR = { namespace: 'tracing-system', release: 'tracing-operator' };
export const SHOP_NAMESPACE = 'shop';
export const SHOP_SERVICES = ['order', 'payment', 'inventory'];
/** What the trace of an order that is paid has in it. */
export const PAID = { services: SHOP_SERVICES, systems: ['postgresql', 'mongodb', 'kafka'] };
/** And of one whose card is declined. */
export const DECLINED = { services: SHOP_SERVICES, systems: ['postgresql'] };
/** What they use, and is not traced. */
const SHOP_SURROUNDINGS = ['bank', ...SHOP_SERVERS];
export const POLICY_FILE = 'examples/shop/k8s/policy.yaml';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const MANIFESTS = join(CHECKOUT, 'examples/shop/k8s');
const ROLLOUT_TIMEOUT = '180s';
const IMAGES_ANNOTATION = 'demo.tracing.acme/images';

/** Installs the chart, or brings the release up to date, and waits until the operator is ready. */
export async function installOperator(cluster: Cluster, images: Pick<Images, 'operator' | 'agent'>): Promise<void> {
  const { namespace, release } = OPERATOR;
  const install = [
    ...['upgrade', '--install', release, join(CHECKOUT, 'charts/tracing-operator')],
    ...['--namespace', namespace, '--create-namespace', '--wait', '--timeout', ROLLOUT_TIMEOUT],
    ...imageValues('image', images.operator.ref),
    ...imageValues('agent.image', images.agent.ref),
  ];
  await withImages(cluster, namespace, [release], [images.operator], async () => {
    await cluster.run('helm', install);
  });
}

/** Applies the shop, what it uses, and Jaeger, and waits until all of it is ready. @param now takes what is waited for. */
export async function deployShop(cluster: Cluster, images: Images, now?: (what: string) => void): Promise<void> {
  const apply = (files: string[]) =>
    cluster.run('kubectl', ['apply', ...files.flatMap((file) => ['-f', join(MANIFESTS, `${file}.yaml`)])]);
  // The agent's image is part of the pods once they are injected.
  await withImages(cluster, SHOP_NAMESPACE, ['bank', ...SHOP_SERVICES], [images.shop, images.agent], async () => {
    // Namespaces first: kubectl does not wait for one before it makes what is in it.
    await apply(['namespace', 'jaeger']);
    await apply([...SHOP_SURROUNDINGS, ...SHOP_SERVICES]);
  });
  const left = new Set(['jaeger', ...SHOP_SURROUNDINGS, ...SHOP_SERVICES]);
  await Promise.all(
    [...left].map(async (name) => {
      await waitForRollout(cluster, name === 'jaeger' ? 'observability' : SHOP_NAMESPACE, [name]);
      left.delete(name);
      now?.(`waiting for ${[...left].join(', ')}`);
    }),
  );
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
  await patchPolicy(cluster, { sampling: { ratio } });
}

/** Merges something into the spec of the shop's TracingPolicy; null takes a field away. */
export async function patchPolicy(cluster: Cluster, spec: object): Promise<void> {
  const patch = JSON.stringify({ spec });
  const args = ['--namespace', SHOP_NAMESPACE, 'patch', 'tracingpolicy', 'shop', '--type', 'merge', '--patch', patch];
  await cluster.run('kubectl', args);
}

/** Waits until Deployments have rolled out what they were told. */
export async function waitForRollout(cluster: Cluster, namespace: string, deployments: string[]): Promise<void> {
  await Promise.all(
    deployments.map(async (name) => {
      const args = [
        '--namespace',
        namespace,
        'rollout',
        'status',
        `deployment/${name}`,
        `--timeout=${ROLLOUT_TIMEOUT}`,
      ];
      try {
        await cluster.run('kubectl', args);
      } catch (error) {
        throw new Error(`the Deployment ${namespace}/${name} did not become ready`, { cause: error });
      }
    }),
  );
}

/**
 * Runs `apply`, and restarts those of its Deployments that were there before with other images. The demo's images keep
 * their tags while what is in them changes with the checkout, so the Deployments' own specs don't tell.
 */
async function withImages(
  cluster: Cluster,
  namespace: string,
  deployments: string[],
  images: BuiltImage[],
  apply: () => Promise<void>,
): Promise<void> {
  // An archive's path in the cache changes with what went into the image.
  const archives = images.map((image) => image.archive).join('\n');
  const hash = createHash('sha256').update(archives).digest('hex').slice(0, 12);
  const before = await imagesSeen(cluster, namespace);
  await apply();
  const targets = deployments.map((name) => `deployment/${name}`);
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const stale = targets.filter((_, index) => ![undefined, hash].includes(before.get(deployments[index] ?? '')));
  if (stale.length > 0) await kubectl('rollout', 'restart', ...stale);
  await kubectl('annotate', '--overwrite', ...targets, `${IMAGES_ANNOTATION}=${hash}`);
  await waitForRollout(cluster, namespace, deployments);
}

/** What the Deployments of a namespace were last given by `withImages`; empty for one that it never saw. */
async function imagesSeen(cluster: Cluster, namespace: string): Promise<Map<string, string>> {
  const answer = await cluster.run('kubectl', ['--namespace', namespace, 'get', 'deployments', '--output', 'json']);
  const { items } = JSON.parse(answer) as {
    items: { metadata: { name: string; annotations?: Record<string, string> } }[];
  };
  return new Map(items.map(({ metadata }) => [metadata.name, metadata.annotations?.[IMAGES_ANNOTATION] ?? '']));
}

function imageValues(key: string, ref: string): string[] {
  const colon = ref.lastIndexOf(':');
  const values = { repository: ref.slice(0, colon), tag: ref.slice(colon + 1), pullPolicy: 'IfNotPresent' };
  return Object.entries(values).flatMap(([name, value]) => ['--set-string', `${key}.${name}=${value}`]);
}
