import { clusterTracingPolicySpec, GROUP, tracingPolicySpec, VERSION } from '../crds/tracing-policy.ts';
import type { ClusterTracingPolicy, TracingPolicy } from '../crds/tracing-policy.ts';
import { fieldPath, firstIssue, InputError } from './input-error.ts';
import type { ManifestDocument } from './manifest/manifest.ts';
import type { Item } from './manifest/items.ts';
import { itemsOf } from './manifest/items.ts';

export interface WrittenPolicies {
  namespaced: TracingPolicy[];
  cluster: ClusterTracingPolicy[];
}

const KINDS = { TracingPolicy: tracingPolicySpec, ClusterTracingPolicy: clusterTracingPolicySpec };
const EXAMPLE = `e.g. {apiVersion: ${GROUP}/${VERSION}, kind: TracingPolicy, metadata: {name: default}, spec: {sampling: {ratio: 0.1}}}`;

/**
 * The policies among the documents of a file.
 * @param namespace of TracingPolicies that do not say theirs.
 * @param only whether nothing else may be in the file.
 * @throws InputError for a policy that the API server would refuse.
 */
export function policiesOf(documents: readonly ManifestDocument[], namespace: string, only: boolean): WrittenPolicies {
  const policies: WrittenPolicies = { namespaced: [], cluster: [] };
  for (const item of documents.flatMap(itemsOf)) {
    const { kind, apiVersion } = item.object;
    if (!(kind in KINDS) || !String(apiVersion).startsWith(`${GROUP}/`)) {
      if (!only) continue;
      throw new InputError(
        `${item.position(['kind'])}: ${kind} is not a TracingPolicy or ClusterTracingPolicy of ${GROUP}, ${EXAMPLE}`,
      );
    }
    const spec = readSpec(item, kind as keyof typeof KINDS);
    const {
      name,
      creationTimestamp,
      namespace: own,
    } = (item.object['metadata'] ?? {}) as Partial<TracingPolicy['metadata']>;
    if (typeof name !== 'string')
      throw new InputError(`${item.position(['metadata'])}: the policy has no name, ${EXAMPLE}`);
    // Of policies that are not made yet none is older than the others.
    const metadata = { name, uid: '', resourceVersion: '', creationTimestamp: creationTimestamp ?? '' };
    if (kind === 'TracingPolicy')
      policies.namespaced.push({ kind, metadata: { ...metadata, namespace: own ?? namespace }, spec });
    else policies.cluster.push({ kind: 'ClusterTracingPolicy', metadata, spec });
  }
  return policies;
}

function readSpec(item: Item, kind: keyof typeof KINDS) {
  const name = String((item.object['metadata'] as { name?: unknown } | undefined)?.name);
  const given = item.object['spec'] ?? {};
  const result = KINDS[kind].safeParse(given);
  const refuse = (path: PropertyKey[], message: string) => {
    const field = fieldPath(['spec', ...path]);
    return new InputError(`${item.position(['spec', ...path])}: ${kind} ${name}: ${field}: ${message}`);
  };
  const issue = firstIssue(result);
  if (issue) throw refuse(issue.path, `${issue.message}. More: kubectl explain ${explained(kind, issue.path)}`);
  const unknown = unknownField(given, result.data);
  if (unknown) {
    throw refuse(
      unknown,
      `there is no such field. What there is: kubectl explain ${explained(kind, unknown.slice(0, -1))}`,
    );
  }
  return result.data!;
}

/** How kubectl explain names a field. */
function explained(kind: string, path: readonly PropertyKey[]): string {
  return [kind.toLowerCase(), 'spec', ...path.filter((key) => typeof key === 'string')].join('.');
}

/** The path of something given that reading left out. */
function unknownField(given: unknown, read: unknown): PropertyKey[] | undefined {
  if (typeof given !== 'object' || given === null || typeof read !== 'object' || read === null) return undefined;
  for (const [key, child] of Object.entries(given)) {
    const step = Array.isArray(given) ? Number(key) : key;
    if (!(key in read)) return [step];
    const deeper = unknownField(child, (read as Record<string, unknown>)[key]);
    if (deeper) return [step, ...deeper];
  }
  return undefined;
}
