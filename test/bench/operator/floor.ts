import { POLICY_CONFIG_MAP } from '../../../injector/names.ts';
import { APPLY, MERGE_PATCH } from '../../../operator/kube/client.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { eachAtOnce, injectedPods, namespaceName } from './load.ts';
import type { Size } from './load.ts';
import type { Change } from './switch.ts';

const MANAGER = 'bench';
const NAME = 'bench';
/** As many as the operator sends at the same time. */
const CONFIG_MAPS_AT_ONCE = 4;
const PODS_AT_ONCE = 40;

/**
 * What the API server takes at least for such a change: the same number of writes, of the same kind and size, sent one
 * after another by a program that does nothing else.
 */
export async function bareWrites(client: KubeClient, size: Size): Promise<Change> {
  const names = Array.from({ length: size.namespaces }, (_, index) => namespaceName(index));
  const data = await policies(client, names[0]!);
  const write = (name: string, run: number) =>
    client.request('PATCH', `/api/v1/namespaces/${name}/configmaps/${NAME}`, {
      query: { fieldManager: MANAGER, force: true },
      contentType: APPLY,
      body: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: NAME, namespace: name },
        data: { ...data, run: String(run) },
      },
    });
  // Made first: the operator's are there too.
  await eachAtOnce(names, PODS_AT_ONCE, async (name) => void (await write(name, 0)));
  const configMaps = await seconds(() =>
    eachAtOnce(names, CONFIG_MAPS_AT_ONCE, async (name) => void (await write(name, 1))),
  );
  const pods = await seconds(() =>
    eachAtOnce(injectedPods(size), PODS_AT_ONCE, async ({ namespace, name }) => {
      await client.request('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
        query: { fieldManager: MANAGER },
        contentType: MERGE_PATCH,
        body: { metadata: { annotations: { 'bench.tracing.acme/mark': 'cluster-policy.switched-off.json' } } },
      });
    }),
  );
  return { configMaps, pods };
}

async function policies(client: KubeClient, namespace: string): Promise<Record<string, string>> {
  const path = `/api/v1/namespaces/${namespace}/configmaps/${POLICY_CONFIG_MAP}`;
  return (await client.request<{ data: Record<string, string> }>('GET', path)).data;
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}
