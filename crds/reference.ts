import { dump } from 'js-yaml';
import * as z from 'zod';
import type { SchemaNode } from './complete-example.ts';
import { completeExample, exampleAt } from './complete-example.ts';
import { clusterTracingPolicyExample, tracingPolicyExample } from './example.ts';
import { clusterTracingPolicySpec, GROUP, tracingPolicySpec, VERSION } from './tracing-policy.ts';

/** A policy with every field in it, as somebody could apply it. */
export interface CompleteExample {
  apiVersion: string;
  kind: 'TracingPolicy' | 'ClusterTracingPolicy';
  metadata: { name: string; namespace?: string };
  spec: unknown;
}

interface Field {
  /** `['exporters', '[]', 'name']` */
  path: string[];
  node: SchemaNode;
  required: boolean;
  live: boolean | string;
}

const schemaOf = (spec: z.ZodType) =>
  z.toJSONSchema(spec, { io: 'input', target: 'openapi-3.0', reused: 'inline' }) as SchemaNode;
const NAMESPACED = schemaOf(tracingPolicySpec);
const CLUSTER = schemaOf(clusterTracingPolicySpec);
/** What is said of TracingPolicies counts for these fields of a ClusterTracingPolicy as well. */
const ONLY_CLUSTER: SchemaNode = {
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(CLUSTER.properties ?? {}).filter(([name]) => !(name in (NAMESPACED.properties ?? {}))),
  ),
};

/** The two policies that stand at the top of the reference. */
export function completeExamples(): [CompleteExample, CompleteExample] {
  const apiVersion = `${GROUP}/${VERSION}`;
  const spec = completeExample(NAMESPACED, tracingPolicyExample, tracingPolicySpec);
  const own = completeExample(ONLY_CLUSTER, clusterTracingPolicyExample, clusterTracingPolicySpec) as object;
  return [
    { apiVersion, kind: 'TracingPolicy', metadata: { name: 'order', namespace: 'shop' }, spec },
    {
      apiVersion,
      kind: 'ClusterTracingPolicy',
      metadata: { name: 'platform' },
      spec: { ...own, exporters: clusterTracingPolicyExample.exporters },
    },
  ];
}

/** Fields that the page shows without an example: none, unless the rules of a new one cannot be met by guessing. */
export function fieldsWithoutExample(): string[] {
  const [namespaced, cluster] = completeExamples();
  const seen = new Set<string>();
  const missing = (fields: Field[], spec: unknown): string[] =>
    fields.flatMap((field) => {
      const inner = objectOf(field);
      if (!inner) return exampleAt(spec, field.path) === undefined ? [nameOf(field.path)] : [];
      const like = likeness(inner.node);
      if (seen.has(like)) return [];
      seen.add(like);
      return missing(children(inner.node, inner.path, true), spec);
    });
  return [
    ...missing(children(NAMESPACED, [], true), namespaced.spec),
    ...missing(children(ONLY_CLUSTER, [], true), cluster.spec),
  ];
}

/** docs/reference/tracingpolicy.md */
export function reference(): string {
  const [namespaced, cluster] = completeExamples();
  const seen = new Map<string, string>();
  return `<!-- Generated from crds/tracing-policy.ts by "make generate". Do not edit. -->

# TracingPolicy and ClusterTracingPolicy

A \`TracingPolicy\` says how the Node.js pods of its namespace are traced. A \`ClusterTracingPolicy\` says the same for many
namespaces, where those have no policy of their own, and a few things more. Both are \`${GROUP}/${VERSION}\`. Which of several
policies applies to a pod: [design.md](../design.md#policies). What a policy's status says: [status.md](status.md).

Every field may be left out, unless it says *required*. A field that is left out is taken from the chart's \`defaultPolicy\`, where
that has it; what holds otherwise is said here as *left out*. Changes of a field reach running pods within seconds, without a
restart; a field marked **new pods** counts for pods that are created from then on.

Both examples have every field in them. They show how each is written, and are no advice to use them all: most policies are as
short as those in the [README](../../README.md#use-it-three-commands).

${example(namespaced)}
${example(cluster)}
## TracingPolicy

${levels(NAMESPACED, namespaced.spec, seen)}
## ClusterTracingPolicy

It has all fields of a TracingPolicy, and these.

${levels(ONLY_CLUSTER, cluster.spec, seen)}`;
}

function example(policy: CompleteExample): string {
  return `\`\`\`yaml\n${dump(policy, { lineWidth: 100, noRefs: true, flowLevel: -1 })}\`\`\`\n`;
}

/**
 * A heading and a table for each object, the outer ones first.
 * @param seen where objects of the same fields have been described.
 */
function levels(root: SchemaNode, spec: unknown, seen: Map<string, string>): string {
  const sections: string[] = [];
  const section = (path: string[], node: SchemaNode, live: boolean | string): void => {
    const fields = children(node, path, live);
    const rows = fields.map((field) => row(field, spec, seen));
    // What an object is for stands in the table before; what an item of a list is does not.
    const item = path.at(-1) === '[]' && node.description ? [node.description, ''] : [];
    const rules = messages(node).flatMap((message) => [rule(message), '']);
    sections.push(
      [`### ${nameOf(path)}`, '', ...item, ...rules, '| Field | | |', '|---|---|---|', ...rows, ''].join('\n'),
    );
    for (const field of fields) {
      const inner = objectOf(field);
      if (inner && seen.get(likeness(inner.node)) === nameOf(inner.path)) section(inner.path, inner.node, field.live);
    }
  };
  section([], root, true);
  return sections.join('\n');
}

function row(field: Field, spec: unknown, seen: Map<string, string>): string {
  const { path, node, required, live } = field;
  const inner = objectOf(field);
  const { text, leftOut } = splitDefault(node.description ?? '');
  const facts = [typeOf(node)];
  if (required) facts.push('*required*');
  else if (leftOut !== undefined) facts.push(`left out: ${leftOut}`);
  if (live === false) facts.push('**new pods**');
  else if (typeof live === 'string') facts.push(`**${live}**`);
  const says = [text];
  if (inner) {
    const like = likeness(inner.node);
    const title = seen.get(like) ?? nameOf(inner.path);
    seen.set(like, title);
    says.push(`See [${title}](#${anchor(title)}).`);
  } else {
    says.push(...messages(node).map(rule));
    const value = exampleAt(spec, path);
    if (value !== undefined) says.push(`Example: \`${flow(value)}\``);
  }
  return `| \`${path.at(-1)}\` | ${cell(facts.join('<br>'))} | ${cell(says.filter(Boolean).join('<br>'))} |`;
}

function children(node: SchemaNode, path: string[], live: boolean | string): Field[] {
  return Object.entries(node.properties ?? {}).map(([name, child]) => ({
    path: [...path, name],
    node: child,
    required: node.required?.includes(name) ?? false,
    // What is in an object that only new pods take up is not live either.
    live: live === false ? false : (child.live ?? true),
  }));
}

/** The object that a field is, or that its items are. */
function objectOf({ node, path }: Field): { node: SchemaNode; path: string[] } | undefined {
  if (node.properties) return { node, path };
  if (node.items?.properties) return { node: node.items, path: [...path, '[]'] };
  return undefined;
}

/** Objects of the same fields are described once. */
function likeness({ properties }: SchemaNode): string {
  return JSON.stringify(properties);
}

function nameOf(path: readonly string[]): string {
  return ['spec', ...path].join('.').replaceAll('.[]', '[]');
}

/** As GitHub makes it of a heading. */
function anchor(title: string): string {
  return title.toLowerCase().replaceAll(/[^a-z0-9-]/g, '');
}

/** Takes what holds where a field is left out from its description: it has a place of its own. */
function splitDefault(description: string): { text: string; leftOut?: string } {
  const found = /\s*Left out( or empty)?: ((?:[^.]|\.(?!\s|$))*)\.(?=\s|$)/.exec(description);
  if (!found) return { text: description };
  const text = description.replace(found[0], '').trim();
  return { text, leftOut: found[2]! };
}

function rule(message: string): string {
  return `*Rule:* ${message}.`;
}

function messages(node: SchemaNode): string[] {
  return (node['x-kubernetes-validations'] ?? []).map(({ message }) => message);
}

function typeOf(node: SchemaNode): string {
  if (node.enum) return node.enum.map((value) => `\`${String(value)}\``).join(', ');
  switch (node.type ?? '') {
    case 'array':
      return `list of ${plural(node.items)}${between(node.minItems, node.maxItems, 'items')}`;
    case 'object': {
      const { additionalProperties: values } = node;
      if (typeof values !== 'object') return 'object';
      return `map of ${plural(values)}${between(node.minProperties, node.maxProperties, 'entries')}`;
    }
    case 'string':
      return `string${between(node.minLength, node.maxLength, 'characters')}`;
    default:
      return `${node.type ?? 'any'}${range(node)}`;
  }
}

function plural(node: SchemaNode = {}): string {
  if (node.enum) return node.enum.map((value) => `\`${String(value)}\``).join(', ');
  return typeOf(node).replace(/^(\w+)(?:, (.*))?$/, (_all, type, bounds) => `${type}s${bounds ? ` (${bounds})` : ''}`);
}

function between(min: number | undefined, max: number | undefined, of: string): string {
  if (min && max !== undefined) return min === max ? `, ${min} ${of}` : `, ${min} to ${max} ${of}`;
  return max === undefined ? '' : `, at most ${max} ${of}`;
}

function range({ minimum, maximum, exclusiveMinimum }: SchemaNode): string {
  // OpenAPI 3.0 says it by a flag beside the bound.
  const low = exclusiveMinimum === true ? `more than ${minimum}` : minimum;
  if (low !== undefined && maximum !== undefined) return `, ${low} to ${maximum}`;
  if (low !== undefined) return `, ${exclusiveMinimum === true ? low : `at least ${low}`}`;
  return maximum === undefined ? '' : `, at most ${maximum}`;
}

function flow(value: unknown): string {
  return dump(value, { flowLevel: 0, lineWidth: -1, noRefs: true }).trim();
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
