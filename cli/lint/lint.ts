import type { ClusterTracingPolicySpec, TracingPolicySpec } from '../../crds/tracing-policy.ts';
import { fieldPath, InputError } from '../input-error.ts';
import { itemsOf } from '../manifest/items.ts';
import { parseManifest } from '../manifest/manifest.ts';
import type { PolicyKind } from '../policy-file.ts';
import { checkSpec, EXPECTED, isPolicy, strange, versionProblem } from '../policy-file.ts';
import { didYouMean } from '../suggestion.ts';
import { adviceOn } from './advice.ts';
import { duplicates } from './duplicates.ts';

/** Fields of every object that people write. */
const OBJECT = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];
const METADATA = [
  ...['name', 'namespace', 'labels', 'annotations', 'generateName', 'finalizers', 'ownerReferences', 'uid'],
  ...['resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'],
  ...['managedFields', 'selfLink'],
];

export interface Finding {
  /** `Refused` by the API server; or valid, and to be thought about. */
  level: 'Refused' | 'Advice';
  /** `policy.yaml, document 1, line 14` */
  position: string;
  /** `TracingPolicy default` */
  policy: string;
  /** `spec.sampling.ratio` */
  field: string;
  /** Of advice, one of a closed list; of what is refused `Invalid`. */
  rule: string;
  what: string;
  why?: string;
  example?: string;
}

/** What the API server would refuse in a file's policies, and advice beyond that. @throws InputError for what is no YAML. */
export function lint(text: string, file: string): { policies: number; findings: Finding[] } {
  const all = parseManifest(text, file).flatMap(itemsOf);
  const items = all.filter(isPolicy);
  const [other] = all;
  if (items.length === 0)
    throw new InputError(
      `${file}: there is no policy in it${other ? `; its first object is ${strange(other)}` : ''}. What is expected is ${EXPECTED}, e.g. kubectl get tracingpolicies -o yaml | kubectl tracing lint -f -`,
    );
  const findings = items.flatMap((item): Finding[] => {
    const kind = item.object.kind as PolicyKind;
    const { name } = (item.object['metadata'] ?? {}) as { name?: unknown };
    const place = (path: readonly PropertyKey[]) => ({
      position: item.position(path),
      policy: `${kind} ${typeof name === 'string' ? name : '(without a name)'}`,
      field: fieldPath(path),
    });
    const refuse = (path: readonly PropertyKey[], what: string) => ({
      line: item.line(path),
      finding: { level: 'Refused', ...place(path), rule: 'Invalid', what } satisfies Finding as Finding,
    });
    const unknown = (of: unknown, path: readonly string[], fields: readonly string[]) =>
      Object.keys(of ?? {})
        .filter((key) => !fields.includes(key))
        .map((key) =>
          refuse(
            [...path, key],
            `there is no such field.${didYouMean(key, fields)} What there is: kubectl explain ${[kind.toLowerCase(), ...path].join('.')}`,
          ),
        );
    const given = item.object['spec'];
    const { issues, spec } = checkSpec(given, kind);
    const version = versionProblem(item);
    const refused = [
      ...(version === undefined ? [] : [refuse(['apiVersion'], version)]),
      ...(typeof name === 'string' && name.length > 63
        ? [refuse(['metadata', 'name'], 'the name of a policy has no more than 63 characters, e.g. default')]
        : []),
      ...(given === undefined ? [refuse(['spec'], 'is missing, e.g. spec: {sampling: {ratio: 0.1}}')] : []),
      ...[...issues, ...duplicates(given, kind)].map(({ path, message }) => refuse(['spec', ...path], message)),
      ...unknown(item.object, [], OBJECT),
      ...unknown(item.object['metadata'], ['metadata'], METADATA),
    ];
    return [
      ...refused.sort((a, b) => a.line - b.line).map(({ finding }) => finding),
      // Of what cannot be read there is nothing to advise.
      ...(spec ? adviceOn(spec as TracingPolicySpec & ClusterTracingPolicySpec) : []).map(({ path, ...advice }) => ({
        ...{ level: 'Advice' as const, ...place(['spec', ...path]), ...advice },
      })),
    ];
  });
  return { policies: items.length, findings };
}
