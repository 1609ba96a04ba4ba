import type { ObjectMeta } from '../../injector/pod.ts';
import * as names from '../../injector/names.ts';
import type { PodMeta, StatusFacts } from '../../operator/coverage/facts.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import { readDigest } from '../../operator/digest/digest.ts';
import { ApiError } from '../../operator/kube/client.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { clockOffset } from '../clock.ts';
import { findInstallation } from '../installation.ts';
import type { Read } from '../reading.ts';
import { LIVE, METADATA_LIST, readAll, Reading } from '../reading.ts';
import { readPolicies } from '../stored-policies.ts';

interface ConfigMap {
  metadata: ObjectMeta & { namespace: string };
  data?: Record<string, string>;
}

/** Reads what there is to know about a namespace, or without one about all, as far as whoever asks may read it. */
export async function gatherStatus(client: KubeClient, namespace: string | undefined): Promise<StatusFacts> {
  const reading = new Reading(client);
  const { read } = reading;
  const core = namespace === undefined ? '/api/v1' : `/api/v1/namespaces/${namespace}`;
  const labels = 'labels of namespaces: they may ask for tracing, and select policies';
  const [policies, pods, namespaces, digests, installation] = await Promise.all([
    readPolicies(read, namespace),
    readAll<PodMeta>(read, `${core}/pods`, 'pods', { fieldSelector: LIVE }, METADATA_LIST),
    namespace === undefined
      ? readAll<{ metadata: ObjectMeta }>(read, '/api/v1/namespaces', labels, {}, METADATA_LIST)
      : reading.namespace(namespace, labels).then((found) => found && [found]),
    readDigests(read, namespace),
    findInstallation(read),
  ]);
  const lease =
    typeof installation === 'object'
      ? await read<{ spec?: { holderIdentity?: string; renewTime?: string } }>(
          `/apis/coordination.k8s.io/v1/namespaces/${installation.namespace}/leases/${installation.name}`,
          "the operator's Lease: which replica leads",
        )
      : undefined;
  const { holderIdentity, renewTime } = lease?.spec ?? {};
  // An identity is a pod's name, and something behind an underscore that makes each process another.
  const holder = holderIdentity?.split('_')[0];
  const isGone =
    holder && typeof installation === 'object' && (await isMissing(client, installation.namespace, holder));
  return {
    ...policies,
    ...(namespace !== undefined && { namespace }),
    ...(pods && { pods }),
    namespaceLabels: new Map(namespaces?.map(({ metadata }) => [metadata.name!, metadata.labels ?? {}])),
    digests,
    ...(installation && { installation }),
    ...(holder &&
      renewTime && { leader: { name: holder, renewedAt: Date.parse(renewTime), ...(isGone && { isGone }) } }),
    closed: reading.closed,
    now: Date.now() + (await clockOffset(client)),
  };
}

/** Whether it can be seen that there is no such pod. */
async function isMissing(client: KubeClient, namespace: string, pod: string): Promise<boolean> {
  return client.request('GET', `/api/v1/namespaces/${namespace}/pods/${pod}`).then(
    () => false,
    (error: unknown) => error instanceof ApiError && error.status === 404,
  );
}

/** What the agents of a namespace, or of all, report: by namespace, a digest for each workload. */
export async function readDigests(read: Read, namespace: string | undefined): Promise<Map<string, Digest[]>> {
  const path = namespace === undefined ? '/api/v1/configmaps' : `/api/v1/namespaces/${namespace}/configmaps`;
  const named = { fieldSelector: `metadata.name=${names.REPORTS_CONFIG_MAP}` };
  const found = await readAll<ConfigMap>(read, path, 'what agents report', named);
  return new Map(
    found?.map(({ metadata, data = {} }) => [
      metadata.namespace,
      Object.values(data).flatMap((text) => readDigest(text) ?? []),
    ]),
  );
}
