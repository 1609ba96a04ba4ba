import { kindCalled } from '../explain/kinds.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { METADATA_LIST } from '../reading.ts';
import type { Names } from './complete.ts';

/** Whoever presses Tab does not wait longer, in milliseconds. */
const PATIENCE = 2_000;

/** Names from the cluster of the kubeconfig. */
export const names: Names = {
  namespaces: () => list(() => '/api/v1/namespaces'),
  workloads: (word, namespace) =>
    list((client) => {
      const { api, plural } = kindCalled(word);
      return `${api}/namespaces/${namespace ?? client.namespace ?? 'default'}/${plural}`;
    }),
};

async function list(path: (client: KubeClient) => string): Promise<string[]> {
  let client: KubeClient | undefined;
  try {
    client = KubeClient.fromDefault();
    const { items } = await client.request<{ items: { metadata: { name: string } }[] }>('GET', path(client), {
      accept: METADATA_LIST,
      query: { limit: 500 },
      timeout: PATIENCE,
    });
    return items.map(({ metadata }) => metadata.name);
  } catch {
    // A completion has nobody to tell.
    return [];
  } finally {
    client?.close();
  }
}
