import { parseAllDocuments } from 'yaml';
import { lint } from '../../cli/lint/lint.ts';
import { clusterTracingPolicySpec, GROUP, tracingPolicySpec, VERSION } from '../../crds/tracing-policy.ts';
import { unknownValues } from './commands.ts';

const SPECS = { TracingPolicy: tracingPolicySpec, ClusterTracingPolicy: clusterTracingPolicySpec };

/** What is wrong with YAML that a page shows: of policies what the API server would refuse, of others that they are no objects. */
export function manifestProblems(text: string): string[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) return document.errors.map(({ message }) => message);
    const object: unknown = document.toJS();
    if (object === null) return [];
    if (typeof object !== 'object' || Array.isArray(object)) return ['is no object'];
    return objectProblems(object as Record<string, unknown>, document.toString());
  });
}

function objectProblems(object: Record<string, unknown>, text: string): string[] {
  const { apiVersion, kind } = object;
  if (typeof kind === 'string' && kind in SPECS) {
    if (apiVersion !== `${GROUP}/${VERSION}`) return [`${kind} of ${String(apiVersion)}`];
    return refusals(text);
  }
  if (typeof kind === 'string' && typeof apiVersion === 'string')
    return (object['metadata'] as { name?: unknown } | undefined)?.name === undefined ? [`${kind} has no name`] : [];
  // A part of a policy, of either kind, or of values of the chart.
  const spec = 'spec' in object && Object.keys(object).length === 1 ? (object['spec'] as object) : object;
  const kinds = (Object.keys(SPECS) as (keyof typeof SPECS)[]).filter((each) =>
    Object.keys(spec).every((field) => field in SPECS[each].shape),
  );
  if (kinds.length === 0) {
    const unknown = unknownValues(object);
    // Another program's own configuration has nothing of ours.
    const isOurs = Object.keys(object).some((key) => !unknown.includes(key) || FIELDS.has(key));
    return isOurs ? unknown.map((key) => `neither a policy nor the chart has ${key}`) : [];
  }
  const found = kinds.map((each) => refusals(JSON.stringify({ ...HEAD, kind: each, spec })));
  return found.find((problems) => problems.length === 0) ?? found[0]!;
}

const FIELDS = new Set(Object.values(SPECS).flatMap(({ shape }) => Object.keys(shape)));
const HEAD = { apiVersion: `${GROUP}/${VERSION}`, metadata: { name: 'default' } };

function refusals(text: string): string[] {
  const { findings } = lint(text, 'the block');
  return findings.filter(({ level }) => level === 'Refused').map(({ field, what }) => `${field} ${what}`);
}
