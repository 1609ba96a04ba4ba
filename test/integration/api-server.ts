import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { CRD_FILES } from '../../crds/generate.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { APPLY } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';

const OWNER = { fieldManager: 'test', force: true };

/**
 * Applies the committed CRD and waits until policies can be made. The function returned removes it, with all policies:
 * Helm refuses to install over a CRD that it does not own.
 */
export async function applyCrd(client: KubeClient): Promise<() => Promise<void>> {
  const crd = load(readFileSync(new URL(`../../${CRD_FILES[0]}`, import.meta.url), 'utf8')) as {
    metadata: { name: string };
  };
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd.metadata.name}`;
  await client.request('PATCH', path, { query: OWNER, contentType: APPLY, body: crd });
  await until('the CRD is not established', 20_000, async () => {
    const { status } = await client.request<{ status?: { conditions?: { type: string; status: string }[] } }>(
      'GET',
      path,
    );
    return status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
  });
  return () => client.request('DELETE', path).then(() => undefined);
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
