import type * as z from 'zod';
import type { Exporter } from '../crds/exporter.ts';
import { exporter } from '../crds/exporter.ts';
import { clusterTracingPolicySpec, GROUP, tracingPolicySpec, VERSION } from '../crds/tracing-policy.ts';
import type {
  ClusterTracingPolicy,
  ClusterTracingPolicySpec,
  TracingPolicy,
  TracingPolicySpec,
} from '../crds/tracing-policy.ts';
import type { Issue } from './input-error.ts';
import { fieldPath, InputError, issues } from './input-error.ts';
import type { ManifestDocument } from './manifest/manifest.ts';
import { didYouMean } from './suggestion.ts';
import { unknownFields } from './structure.ts';
import type { Item } from './manifest/items.ts';
import { itemsOf } from './manifest/items.ts';

export interface WrittenPolicies {
  namespaced: TracingPolicy[];
  cluster: ClusterTracingPolicy[];
}

type PolicySpec = TracingPolicySpec | ClusterTracingPolicySpec;
export type PolicyKind = keyof typeof KINDS;

const KINDS = { TracingPolicy: tracingPolicySpec, ClusterTracingPolicy: clusterTracingPolicySpec };
/** What is meant where a policy is asked for. */
export const EXPECTED = `a TracingPolicy or ClusterTracingPolicy of ${GROUP}`;
const EXAMPLE = `e.g. {apiVersion: ${GROUP}/${VERSION}, kind: TracingPolicy, metadata: {name: default}, spec: {sampling: {ratio: 0.1}}}`;

/**
 * The policies among the documents of a file.
 * @param namespace of TracingPolicies that do not say theirs.
 * @param only of a file that is to have policies, and nothing else: its name.
 * @throws InputError for a policy that the API server would refuse.
 */
export function policiesOf(documents: readonly ManifestDocument[], namespace: string, only?: string): WrittenPolicies {
  const policies: WrittenPolicies = { namespaced: [], cluster: [] };
  for (const item of documents.flatMap(itemsOf)) {
    const { kind } = item.object;
    if (!isPolicy(item)) {
      if (only === undefined) continue;
      throw new InputError(`${item.position(['kind'])}: ${strange(item)} is not ${EXPECTED}, ${EXAMPLE}`);
    }
    const problem = versionProblem(item);
    if (problem !== undefined) throw new InputError(`${item.position(['apiVersion'])}: apiVersion ${problem}`);
    const spec = readSpec(item, kind as PolicyKind);
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
  if (only !== undefined && policies.namespaced.length + policies.cluster.length === 0)
    throw new InputError(`${only}: there is no policy in it. What is expected is ${EXPECTED}, ${EXAMPLE}`);
  return policies;
}

/** What an object is that is no policy, and which one may have been meant. */
export function strange({ object: { kind, apiVersion } }: Item): string {
  const isOurs = String(apiVersion).startsWith(`${GROUP}/`);
  return `${kind} ${apiVersion === undefined ? 'without apiVersion' : `of ${apiVersion}`}${isOurs ? ` (${didYouMean(kind, Object.keys(KINDS)).trim() || `there is no such kind`})` : ''}`;
}

/** Whether an object is a policy of ours. */
export function isPolicy({ object: { kind, apiVersion } }: Item): boolean {
  return kind in KINDS && String(apiVersion).startsWith(`${GROUP}/`);
}

/** What is wrong with a policy's version; undefined where the API server serves it. */
export function versionProblem({ object: { kind, apiVersion } }: Item): string | undefined {
  if (apiVersion === `${GROUP}/${VERSION}`) return undefined;
  return `${String(apiVersion)} is not served: ${String(kind)} is of ${GROUP}/${VERSION}, ${EXAMPLE}`;
}

function readSpec(item: Item, kind: PolicyKind) {
  const name = String((item.object['metadata'] as { name?: unknown } | undefined)?.name);
  const { issues, spec } = checkSpec(item.object['spec'], kind);
  const [issue, ...others] = issues;
  if (!issue) return spec!;
  const path = ['spec', ...issue.path];
  const more = others.length > 0 ? `\nThat is the first of ${issues.length}. All: kubectl tracing lint -f FILE` : '';
  throw new InputError(`${item.position(path)}: ${kind} ${name}: ${fieldPath(path)}: ${issue.message}${more}`);
}

/** What the API server would refuse in a policy's spec, or drop; and the spec, where its schema can read all of it. */
export function checkSpec(given: unknown = {}, kind: PolicyKind): { issues: Issue[]; spec?: PolicySpec } {
  const result = KINDS[kind].safeParse(given);
  const refused = issues(result, given).map(({ path, message }) => ({
    path,
    message: `${message}${message.endsWith('?') ? '' : '.'} More: kubectl explain ${explained(kind, path)}`,
  }));
  const unknown = unknownFields(given, kind).map(({ path, message }) => ({
    path,
    message: `${message} What there is: kubectl explain ${explained(kind, path.slice(0, -1))}`,
  }));
  return { issues: [...refused, ...unknown], ...(result.success && { spec: result.data }) };
}

/** As much of a spec as can be read, whatever is wrong with the rest. */
export interface Readable {
  /** The fields that can be read as a whole. */
  spec: Partial<PolicySpec>;
  /** Names of those that cannot. */
  unread: ReadonlySet<string>;
  /** Each by itself. */
  exporters: (Exporter | undefined)[];
}

/** What there is of a spec in which something may be refused. */
export function readable(given: unknown, kind: PolicyKind): Readable {
  const spec: Record<string, unknown> = {};
  const unread = new Set<string>();
  const fields = (typeof given === 'object' && given !== null ? given : {}) as Record<string, unknown>;
  for (const [field, schema] of Object.entries<z.ZodType>(KINDS[kind].shape)) {
    const result = schema.safeParse(fields[field]);
    if (!result.success) unread.add(field);
    else if (result.data !== undefined) spec[field] = result.data;
  }
  const exporters = Array.isArray(fields['exporters']) ? fields['exporters'] : [];
  return { spec, unread, exporters: exporters.map((each) => exporter.safeParse(each).data) };
}

/** How kubectl explain names a field. */
function explained(kind: string, path: readonly PropertyKey[]): string {
  return [kind.toLowerCase(), 'spec', ...path.filter((key) => typeof key === 'string')].join('.');
}
