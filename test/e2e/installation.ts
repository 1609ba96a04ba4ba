import { openCluster } from '../cluster/cluster.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { deployShop, installOperator } from '../demo/deploy.ts';
import type { Images } from '../demo/prepare.ts';

/** The tests' cluster, which test/run.ts has started and whose images it has loaded. */
export async function testCluster(): Promise<{ cluster: Cluster; images: Images }> {
  const images = process.env['TRACING_TEST_IMAGES'];
  if (images === undefined) throw new Error('run these tests by: node test/run.ts --only e2e --keep');
  return { cluster: await openCluster(), images: JSON.parse(images) as Images };
}

/** The cluster with the operator installed from the chart. */
export async function withOperator(): Promise<{ cluster: Cluster; images: Images }> {
  const { cluster, images } = await testCluster();
  await installOperator(cluster, images);
  return { cluster, images };
}

/** The cluster with operator, shop and Jaeger. */
export async function withShop(): Promise<{ cluster: Cluster; images: Images }> {
  const { cluster, images } = await withOperator();
  await deployShop(cluster, images);
  return { cluster, images };
}

export type Kubectl = (...args: string[]) => Promise<string>;

export function kubectl(cluster: Cluster): Kubectl {
  return (...args) => cluster.run('kubectl', args);
}
