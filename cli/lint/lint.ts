import { fieldPath, InputError } from '../input-error.ts';
import { itemsOf } from '../manifest/items.ts';
import { parseManifest } from '../manifest/manifest.ts';
import type { PolicyKind } from '../policy-file.ts';
import { checkSpec, EXPECTED, isPolicy, readable, strange, versionProblem } from '../policy-file.ts';
import { didYouMean } from '../suggestion.ts';
import { adviceOn } from './advice.ts';
import { collectionIssues } from './collections.ts';
import { metadataIssues } from './metadata.ts';

/** Fields of every object that people write. */
const OBJECT = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

const TEMPLATE = {
  why: 'it looks like a template, which has to be rendered first',
  example: 'helm template CHART | kubectl tracing lint -f -',
};

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

export interface Linted {
  policies: number;
  findings: Finding[];
  /** Policies that say nothing of exporters, and so send where the chart's `defaultPolicy` says, if it does. */
  withoutExporters: string[];
}

/** What the API server would refuse in a file's policies, and advice beyond that. @throws InputError for what is no YAML. */
export function lint(text: string, file: string): Linted {
  const all = parseManifest(text, file).flatMap(itemsOf);
  const items = all.filter(isPolicy);
  const [other] = all;
  if (items.length === 0)
    throw new InputError(
      `${file}: there is no policy in it${other ? `; its first object is ${strange(other)}` : ''}. What is expected is ${EXPECTED}, e.g. kubectl get tracingpolicies -o yaml | kubectl tracing lint -f -`,
    );
  const lines = text.split('\n');
  const before = new Map<string, string>();
  const withoutExporters: string[] = [];
  const findings = items.flatMap((item): Finding[] => {
    const kind = item.object.kind as PolicyKind;
    const metadata = item.object['metadata'];
    const { name, namespace } = (metadata ?? {}) as { name?: unknown; namespace?: unknown };
    const policy = `${kind} ${typeof name === 'string' ? name : '(without a name)'}`;
    const place = (path: readonly PropertyKey[]) => ({ position: item.position(path), policy, field: fieldPath(path) });
    const refuse = (path: readonly PropertyKey[], what: string) => {
      const line = item.line(path);
      const finding: Finding = { level: 'Refused', ...place(path), rule: 'Invalid', what };
      return { line, finding: lines[line - 1]?.includes('{{') ? { ...finding, ...TEMPLATE } : finding };
    };
    const given = item.object['spec'];
    const { issues } = checkSpec(given, kind);
    const version = versionProblem(item);
    const refused = [
      ...(version === undefined ? [] : [refuse(['apiVersion'], version)]),
      ...(given === undefined ? [refuse(['spec'], 'is missing, e.g. spec: {sampling: {ratio: 0.1}}')] : []),
      ...[...issues, ...collectionIssues(given, kind)].map(({ path, message }) => refuse(['spec', ...path], message)),
      ...metadataIssues(metadata, kind).map(({ path, message }) => refuse(['metadata', ...path], message)),
      ...Object.keys(item.object)
        .filter((key) => !OBJECT.includes(key))
        .map((key) =>
          refuse(
            [key],
            `there is no such field.${didYouMean(key, OBJECT)} What there is: kubectl explain ${kind.toLowerCase()}`,
          ),
        ),
    ];
    const { exporters, enabled } = (given ?? {}) as { exporters?: unknown; enabled?: unknown };
    if (refused.length === 0 && exporters === undefined && enabled !== false) withoutExporters.push(policy);
    const advice: Finding[] = adviceOn(readable(given, kind)).map(({ path, ...said }) => ({
      ...{ level: 'Advice', ...place(['spec', ...path]), ...said },
    }));
    const identity = JSON.stringify([kind, kind === 'TracingPolicy' ? (namespace ?? '') : '', name]);
    const first = before.get(identity);
    if (first !== undefined)
      advice.push({
        ...{ level: 'Advice', ...place(['metadata', 'name']), rule: 'PolicyTwice' },
        what: `this policy was there before, at ${first}`,
        why: 'kubectl apply takes one after the other, and what the last one says is left; kubectl create refuses it',
        example: 'another name, or one policy of both',
      });
    else if (typeof name === 'string') before.set(identity, item.position(['metadata', 'name']));
    return [...refused.sort((a, b) => a.line - b.line).map(({ finding }) => finding), ...advice];
  });
  return { policies: items.length, findings, withoutExporters };
}
