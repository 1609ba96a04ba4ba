import { KubeConfig } from '@kubernetes/client-node';
import { KubeClient } from '../../operator/kube/client.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { OPERATOR } from '../demo/deploy.ts';

/** Somebody with a token of the operator's ServiceAccount. */
export async function stolenToken(cluster: Cluster): Promise<KubeClient> {
  const args = ['create', 'token', OPERATOR.release, '--namespace', OPERATOR.namespace];
  const token = await cluster.run('kubectl', args);
  const config = new KubeConfig();
  config.loadFromDefault();
  const stolen = new KubeConfig();
  stolen.loadFromClusterAndUser(config.getCurrentCluster()!, { name: 'thief', token: token.trim() });
  return new KubeClient(stolen);
}
