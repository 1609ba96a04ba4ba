import type { Issue } from '../input-error.ts';
import type { PolicyKind } from '../policy-file.ts';
import { didYouMean } from '../suggestion.ts';
import { isLabelKey, isLabelValue, isName, LABELS } from './labels.ts';

const FIELDS = [
  ...['name', 'namespace', 'labels', 'annotations', 'generateName', 'finalizers', 'ownerReferences', 'uid'],
  ...['resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'],
  ...['managedFields', 'selfLink'],
];
/** As the definitions say: the name becomes part of a key. */
const LONGEST = 63;

/** What the API server would refuse in a policy's metadata. */
export function metadataIssues(given: unknown, kind: PolicyKind): Issue[] {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return [{ path: [], message: 'is missing: what is expected is metadata: {name: default}' }];
  const { name, generateName, namespace, labels } = given as Record<string, unknown>;
  const isNamed = (name !== undefined && name !== '') || generateName !== undefined;
  return [
    ...(isNamed ? [] : [{ path: ['name'], message: 'is missing, e.g. name: default' }]),
    ...(name === undefined || name === '' ? [] : nameIssues(name)),
    ...(kind === 'ClusterTracingPolicy' || namespace === undefined || isNamespace(namespace)
      ? []
      : [{ path: ['namespace'], message: 'is no name of a namespace, e.g. namespace: shop' }]),
    ...Object.entries(labels ?? {})
      .filter(([key, value]) => !isLabelKey(key) || !isLabelValue(value))
      .map(([key]) => ({ path: ['labels', key], message: `cannot be a label: ${LABELS}, e.g. team: web` })),
    ...Object.keys(given)
      .filter((key) => !FIELDS.includes(key))
      .map((key) => ({
        path: [key],
        message: `there is no such field.${didYouMean(key, FIELDS)} What there is: kubectl explain ${kind.toLowerCase()}.metadata`,
      })),
  ];
}

function nameIssues(name: unknown): Issue[] {
  const path = ['name'];
  if (typeof name !== 'string') return [{ path, message: 'has to be a string, e.g. name: default' }];
  if (name.length > LONGEST)
    return [{ path, message: `the name of a policy has no more than ${LONGEST} characters, e.g. default` }];
  if (isName(name)) return [];
  const meant = name.toLowerCase().replace(/[\s_]+/g, '-');
  return [
    {
      path,
      message: `a name has lower-case letters, digits, hyphens and dots, with letters or digits at both ends, e.g. default.${isName(meant) ? ` Did you mean ${meant}?` : ''}`,
    },
  ];
}

function isNamespace(name: unknown): boolean {
  return typeof name === 'string' && name.length <= 63 && isName(name) && !name.includes('.');
}
