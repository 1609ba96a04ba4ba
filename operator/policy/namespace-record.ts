import { POLICY_CONFIG_MAP } from '../../injector/names.ts';
import { APPLY, ignoring, MERGE_PATCH } from '../kube/client.ts';
import type { KubeClient } from '../kube/client.ts';
import { OWNED } from '../owned.ts';
import type { ClusterView, ConfigMap } from './cluster-view.ts';

export interface NamespaceRecord {
  namespace: string;
  annotation: string;
  /** Undefined: there is nothing to be remembered any more. */
  text: string | undefined;
  fieldManager: string;
}

/**
 * Writes down what is to be known of a namespace, in an annotation of its ConfigMap: every replica watches that, so webhooks go
 * by it and the next leader goes on from it. It is no key of the ConfigMap, as those are files in pods.
 */
export async function writeRecord(
  client: KubeClient,
  view: ClusterView,
  { namespace, annotation, text, fieldManager }: NamespaceRecord,
  signal: AbortSignal,
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/configmaps/${POLICY_CONFIG_MAP}`;
  if (text !== undefined) {
    const metadata = { name: POLICY_CONFIG_MAP, labels: OWNED, annotations: { [annotation]: text } };
    const applied = await client.request<ConfigMap>('PATCH', path, {
      query: { fieldManager, force: true },
      contentType: APPLY,
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata },
      signal,
    });
    view.noteConfigMap(applied);
    return;
  }
  const patched = await ignoring(
    404,
    client.request<ConfigMap>('PATCH', path, {
      query: { fieldManager },
      contentType: MERGE_PATCH,
      body: { metadata: { annotations: { [annotation]: null } } },
      signal,
    }),
  );
  if (patched) view.noteConfigMap(patched);
}
