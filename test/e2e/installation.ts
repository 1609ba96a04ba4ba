import { openCluster } from '../cluster/cluster.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import { deployShop, installOperator, OPERATOR } from '../demo/deploy.ts';
import type { Images } from '../demo/prepare.ts';

const OPERATOR_PODS = 'app.kubernetes.io/name=tracing-operator';

/** The tests' cluster, which test/run.ts has started and whose images it has loaded. */
export async function testCluster(): Promise<{ cluster: Cluster; images: Images }> {
  const images = process.env['TRACING_TEST_IMAGES'];
  if (images === undefined) throw new Error('run these tests by: node test/run.ts --only e2e --keep');
  return { cluster: await openCluster(), images: JSON.parse(images) as Images };
}

/** Resolves when pods can be made in a namespace: not before its service account is there. `timeout` in milliseconds. */
export async function untilUsable(cluster: Cluster, namespace: string, timeout: number): Promise<void> {
  await until('the namespace has no service account', timeout, () =>
    cluster.run('kubectl', ['--namespace', namespace, 'get', 'serviceaccount', 'default']).then(
      () => true,
      () => false,
    ),
  );
}

/** The cluster with the operator, installed from the chart as `setup.ts` has it: it is there for every other test, too. */
export const withOperator = testCluster;

/** The cluster with the operator as the chart installs it, whatever a test before has done to it: for tests in `alone/`. */
export async function withFreshOperator(): Promise<{ cluster: Cluster; images: Images }> {
  const { cluster, images } = await testCluster();
  await installOperator(cluster, images);
  return { cluster, images };
}

/** The cluster with operator, shop and Jaeger: for tests in `alone/`. */
export async function withShop(): Promise<{ cluster: Cluster; images: Images }> {
  const { cluster, images } = await withFreshOperator();
  await deployShop(cluster, images);
  return { cluster, images };
}

/** Runs `work` while the operator is away, then brings as many replicas back as there were. */
export async function withoutOperator(cluster: Cluster, work: () => Promise<void>): Promise<void> {
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', OPERATOR.namespace, ...args]);
  const deployment = `deployment/${OPERATOR.release}`;
  const replicas = await kubectl('get', deployment, '--output', 'jsonpath={.spec.replicas}');
  await kubectl('scale', deployment, '--replicas=0');
  try {
    await kubectl('wait', 'pod', '--selector', OPERATOR_PODS, '--for=delete', '--timeout=60s');
    await work();
  } finally {
    await kubectl('scale', deployment, `--replicas=${replicas}`);
    await kubectl('rollout', 'status', deployment, '--timeout=60s');
  }
}

/** A metric of each replica, by pod, summed up over its labels; only what has these, where some are given. */
export async function operatorMetric(
  cluster: Cluster,
  metric: string,
  labels: Record<string, string> = {},
): Promise<Map<string, number>> {
  const wanted = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', OPERATOR.namespace, ...args]);
  const running = ['pods', '--selector', OPERATOR_PODS, '--field-selector', 'status.phase=Running', '--output', 'json'];
  const { items } = JSON.parse(await kubectl('get', ...running)) as {
    items: { metadata: { name: string; deletionTimestamp?: string } }[];
  };
  // One that is on its way out is called running until it is gone, and may not be reached any more.
  const pods = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const values = new Map<string, number>();
  for (const pod of pods.map(({ metadata }) => metadata.name)) {
    const path = `/api/v1/namespaces/${OPERATOR.namespace}/pods/${pod}:8080/proxy/metrics`;
    const lines = (await kubectl('get', '--raw', path)).split('\n');
    const named = lines.filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
    const found = named.filter((line) => wanted.every((label) => line.includes(label)));
    values.set(
      pod,
      found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0),
    );
  }
  return values;
}
