import { customResourceDefinitions } from '../../crds/crd.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { APPLY } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';

const OWNER = { fieldManager: 'test', force: true };

/**
 * Applies the CRDs and waits until policies can be made. The function returned removes them, with all policies: Helm
 * refuses to install over a CRD that it does not own.
 */
export async function applyCrds(client: KubeClient): Promise<() => Promise<void>> {
  const base = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const paths: string[] = [];
  for (const body of customResourceDefinitions().values()) {
    const path = `${base}/${(body as { metadata: { name: string } }).metadata.name}`;
    paths.push(path);
    await client.request('PATCH', path, { query: OWNER, contentType: APPLY, body });
    await until(`${path} is not established`, 20_000, async () => {
      type Crd = { status?: { conditions?: { type: string; status: string }[] } };
      const { status } = await client.request<Crd>('GET', path);
      return status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
    });
  }
  return async () => {
    for (const path of paths) await client.request('DELETE', path);
  };
}

/** Makes a namespace with a name of its own; `delete` takes everything in it along. */
export async function makeNamespace(
  client: KubeClient,
  labels: Record<string, string> = {},
): Promise<{ name: string; delete: () => Promise<void> }> {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { generateName: 'test-', labels } };
  const { metadata } = await client.request<{ metadata: { name: string } }>('POST', '/api/v1/namespaces', { body });
  const path = `/api/v1/namespaces/${metadata.name}`;
  return { name: metadata.name, delete: () => client.request('DELETE', path).then(() => undefined) };
}

/** Resolves when pods can be made in a namespace: not before its service account is there. `timeout` in milliseconds. */
export async function untilUsable(client: KubeClient, namespace: string, timeout: number): Promise<void> {
  await until('the namespace has no service account', timeout, () =>
    client.request('GET', `/api/v1/namespaces/${namespace}/serviceaccounts/default`).then(
      () => true,
      () => false,
    ),
  );
}
