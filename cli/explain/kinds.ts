import type { KubeClient } from '../../operator/kube/client.ts';
import { ApiError } from '../../operator/kube/client.ts';
import { InputError } from '../input-error.ts';
import { didYouMean } from '../suggestion.ts';

export interface Kind {
  kind: string;
  /** The API's path before the namespace. */
  api: string;
  /** As in paths, and as people may write it. */
  plural: string;
  short: string[];
}

const APPS = '/apis/apps/v1';
const BATCH = '/apis/batch/v1';
export const KINDS: Kind[] = [
  { kind: 'Deployment', api: APPS, plural: 'deployments', short: ['deploy'] },
  { kind: 'StatefulSet', api: APPS, plural: 'statefulsets', short: ['sts'] },
  { kind: 'DaemonSet', api: APPS, plural: 'daemonsets', short: ['ds'] },
  { kind: 'ReplicaSet', api: APPS, plural: 'replicasets', short: ['rs'] },
  { kind: 'CronJob', api: BATCH, plural: 'cronjobs', short: ['cj'] },
  { kind: 'Job', api: BATCH, plural: 'jobs', short: [] },
  { kind: 'Rollout', api: '/apis/argoproj.io/v1alpha1', plural: 'rollouts', short: ['ro'] },
  { kind: 'Pod', api: '/api/v1', plural: 'pods', short: ['po'] },
];
/** An object's metadata alone. */
const METADATA = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const EXAMPLE = 'e.g. kubectl tracing explain deployment/web';

/** What is said of the argument, in each verb that takes one. */
export const WORKLOAD = 'KIND/NAME, KIND NAME, or a name that one workload of the namespace has';

/**
 * Reads `deployment/web`, or `deployment web`, as kubectl does. Of a name alone the kind is left out: the cluster has to say it.
 * @throws InputError
 */
export function parseWorkload(words: readonly string[]): { kind?: Kind; name: string } {
  const [first = '', second, ...more] = words;
  const [type = '', name, ...rest] = second === undefined ? first.split('/') : [first, second];
  if (type === '' || more.length + rest.length > 0 || (second !== undefined && first.includes('/')))
    throw new InputError(`one workload is expected, ${EXAMPLE}`);
  if (name === undefined && !find(type)) return { name: type };
  if (name === undefined || name === '')
    throw new InputError(`${JSON.stringify(first)} does not say which one, ${EXAMPLE}`);
  return { kind: kindCalled(type), name };
}

/** A kind by its name as people write it: `deploy`, `deployments.apps`. @throws InputError */
export function kindCalled(type: string): Kind {
  const kind = find(type);
  if (kind) return kind;
  const allowed = KINDS.map(({ kind }) => kind.toLowerCase());
  const near = didYouMean(type.toLowerCase(), [...allowed, ...KINDS.map(({ plural }) => plural)]);
  throw new InputError(
    `${JSON.stringify(type)} is none of ${allowed.join(', ')}.${near} Of a workload of another kind look at one of its pods: kubectl tracing explain pod/NAME`,
  );
}

function find(type: string): Kind | undefined {
  const word = type.toLowerCase().replace(/\.(apps|batch|argoproj\.io)$/, '');
  return KINDS.find(({ kind, plural, short }) => [kind.toLowerCase(), plural, ...short].includes(word));
}

/**
 * The kind of the workload that has a name. Of none at all it is a deployment: then there is no such deployment.
 * @throws InputError where several have it.
 */
export async function kindOf(client: KubeClient, name: string, namespace: string): Promise<Kind> {
  const there = await Promise.all(
    KINDS.map(({ api, plural }) =>
      client.request('GET', `${api}/namespaces/${namespace}/${plural}/${name}`, { accept: METADATA }).then(
        () => true,
        (error: unknown) => {
          // What may not be read does not count, and not every cluster has Rollouts.
          if (error instanceof ApiError) return false;
          throw error;
        },
      ),
    ),
  );
  const found = KINDS.filter((_, at) => there[at]);
  if (found.length > 1)
    throw new InputError(
      `several workloads of namespace ${namespace} are called ${name}. Which is meant: ${found.map(({ kind }) => `${kind.toLowerCase()}/${name}`).join(', ')}?`,
    );
  return found[0] ?? KINDS[0]!;
}
