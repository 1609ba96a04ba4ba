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
const EXAMPLE = 'e.g. kubectl tracing explain deployment/web';

/**
 * Reads `deployment/web`, or `deployment web`, as kubectl does.
 * @throws InputError
 */
export function parseWorkload(words: readonly string[]): { kind: Kind; name: string } {
  const [first = '', second, ...more] = words;
  const [type = '', name, ...rest] = second === undefined ? first.split('/') : [first, second];
  if (type === '' || more.length + rest.length > 0 || (second !== undefined && first.includes('/')))
    throw new InputError(`one workload is expected, ${EXAMPLE}`);
  if (name === undefined || name === '')
    throw new InputError(`${JSON.stringify(type)} does not say kind and name of a workload, ${EXAMPLE}`);
  const word = type.toLowerCase().replace(/\.(apps|batch|argoproj\.io)$/, '');
  const kind = KINDS.find(({ kind, plural, short }) => [kind.toLowerCase(), plural, ...short].includes(word));
  if (!kind) {
    const names = KINDS.flatMap(({ kind, plural }) => [kind.toLowerCase(), plural]);
    const allowed = KINDS.map(({ kind }) => kind.toLowerCase()).join(', ');
    throw new InputError(
      `${JSON.stringify(type)} is none of ${allowed}.${didYouMean(word, names)} Of a workload of another kind look at one of its pods: kubectl tracing explain pod/NAME`,
    );
  }
  return { kind, name };
}
