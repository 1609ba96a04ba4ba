import { INJECTED_LABEL } from '../../injector/names.ts';
import type { ObjectMeta } from '../../injector/pod.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { InputError } from '../input-error.ts';
import { LIVE, METADATA_LIST, readAll, Reading, roleNeeded } from '../reading.ts';
import type { PodMeta } from '../../operator/coverage/facts.ts';
import { readPolicies } from '../stored-policies.ts';
import type { SwitchFacts } from './switch.ts';

/**
 * Reads which pods have the agent, and all policies that may be in force for them.
 * @throws InputError where policies or pods may not be read.
 */
export async function gatherSwitch(
  client: KubeClient,
  namespace: string | undefined,
): Promise<SwitchFacts & { closed: string[] }> {
  const reading = new Reading(client);
  const { read } = reading;
  const core = namespace === undefined ? '/api/v1' : `/api/v1/namespaces/${namespace}`;
  const labels = 'labels of namespaces, by which cluster policies select them';
  const [policies, pods, namespaces] = await Promise.all([
    readPolicies(read, namespace),
    readAll<PodMeta>(
      read,
      `${core}/pods`,
      'pods',
      { labelSelector: `${INJECTED_LABEL}=true`, fieldSelector: LIVE },
      METADATA_LIST,
    ),
    namespace === undefined
      ? readAll<{ metadata: ObjectMeta }>(read, '/api/v1/namespaces', labels, {}, METADATA_LIST)
      : reading.namespace(namespace, labels).then((found) => found && [found]),
  ]);
  const where = namespace === undefined ? 'all namespaces. Of one: -n NAME' : `namespace ${namespace}`;
  if (!policies.namespaced) {
    if (!reading.closed.some((text) => text.startsWith('TracingPolicies')))
      throw new InputError('the cluster has no TracingPolicies: the operator is not installed. Try: helm list -A');
    throw new InputError(
      `you may not read the TracingPolicies of ${where}${namespace === undefined ? '' : `: ${roleNeeded('edit', namespace)}`}`,
    );
  }
  if (!pods) throw new InputError(`you may not list the pods of ${where}`);
  return {
    ...(namespace !== undefined && { namespace }),
    namespaced: policies.namespaced,
    cluster: policies.cluster ?? [],
    namespaceLabels: new Map(namespaces?.map(({ metadata }) => [metadata.name!, metadata.labels ?? {}])),
    pods,
    now: Date.now(),
    closed: reading.closed,
  };
}
