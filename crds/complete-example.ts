import { load } from 'js-yaml';
import type * as z from 'zod';

/** A node of a JSON Schema as zod makes it, as far as it is read here. */
export interface SchemaNode {
  type?: string;
  description?: string;
  enum?: unknown[];
  properties?: Record<string, SchemaNode>;
  required?: string[];
  items?: SchemaNode;
  additionalProperties?: SchemaNode | boolean;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number | boolean;
  exclusiveMaximum?: number | boolean;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  examples?: unknown[];
  /** False: only for pods that are made from then on. Text: what is live and what is not. Left out: true. */
  live?: boolean | string;
  'x-kubernetes-validations'?: { message: string }[];
  'x-kubernetes-list-type'?: string;
}

/**
 * An example with every field in it: the one that was written by hand, and for each field that it lacks a value by its schema,
 * where the whole is valid with it. Fields stand in the order of the schema.
 */
export function completeExample(node: SchemaNode, written: unknown, spec: z.ZodType): unknown {
  let whole: unknown = inOrder(node, written);
  const fill = (at: SchemaNode, path: (string | number)[]): void => {
    const value = valueAt(whole, path);
    if (Array.isArray(value) && at.items) value.forEach((_item, i) => fill(at.items!, [...path, i]));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    for (const [name, child] of Object.entries(at.properties ?? {})) {
      // One item of a list that has the field is enough.
      const field = [...path, name].map((step) => (typeof step === 'number' ? '[]' : step));
      if (exampleAt(whole, field) === undefined)
        for (const candidate of candidates(child)) {
          const changed = withValue(whole, [...path, name], candidate);
          if (!spec.safeParse(changed).success) continue;
          whole = changed;
          break;
        }
      fill(child, [...path, name]);
    }
  };
  fill(node, []);
  return inOrder(node, whole);
}

/** Values that a field may have, by its schema, the best first. */
function candidates(node: SchemaNode): unknown[] {
  const said = (node['x-kubernetes-validations'] ?? []).flatMap(({ message }) => exampleIn(message));
  return [...(node.examples ?? []), ...said, ...byType(node)];
}

function byType(node: SchemaNode): unknown[] {
  if (node.enum) return node.enum;
  switch (node.type ?? '') {
    case 'boolean':
      return [true];
    case 'integer':
    case 'number':
      return [1, node.minimum, node.maximum].filter((value) => value !== undefined);
    case 'string':
      return ['example', '1s'];
    case 'array':
      return candidates(node.items ?? {}).map((item) => [item]);
    case 'object': {
      if (typeof node.additionalProperties === 'object')
        return candidates(node.additionalProperties).map((value) => ({ example: value }));
      const children = Object.entries(node.properties ?? {}).map(([name, child]) => [name, candidates(child)[0]]);
      const all = Object.fromEntries(children.filter(([, value]) => value !== undefined)) as object;
      return [all, {}];
    }
    default:
      return [];
  }
}

/** What a message shows as correct: `…, e.g. {a: 1} or {b: 2}`. */
function exampleIn(message: string): unknown[] {
  const shown = /\be\.g\. (.*?)(?: or .*)?$/.exec(message)?.[1];
  if (shown === undefined) return [];
  try {
    return [load(shown)];
  } catch {
    return [];
  }
}

/** The first value that the example has for a field, at a path like `['exporters', '[]', 'name']`. */
export function exampleAt(example: unknown, path: readonly string[]): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return example;
  if (step === '[]') {
    const found = Array.isArray(example) ? example.map((item) => exampleAt(item, rest)) : [];
    return found.find((value) => value !== undefined);
  }
  return exampleAt((example as Record<string, unknown> | undefined)?.[step], rest);
}

function valueAt(whole: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<string | number, unknown> | undefined)?.[step], whole);
}

function withValue(whole: unknown, [step, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (step === undefined) return value;
  if (Array.isArray(whole))
    return whole.map((item, i) => (i === step ? withValue(item, rest, value) : (item as unknown)));
  const object = whole as Record<string, unknown>;
  return { ...object, [step]: withValue(object[step], rest, value) };
}

function inOrder(node: SchemaNode, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => inOrder(node.items ?? {}, item));
  if (typeof value !== 'object' || value === null || !node.properties) return value;
  const object = value as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(node.properties)
      .filter(([name]) => name in object)
      .map(([name, child]) => [name, inOrder(child, object[name])]),
  );
}
