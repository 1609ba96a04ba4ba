import type { Issue } from '../input-error.ts';
import { fieldPath } from '../input-error.ts';
import type { PolicyKind } from '../policy-file.ts';
import type { Schema } from '../structure.ts';
import { specSchema } from '../structure.ts';

/** What stands twice in a list in which the API server takes each once, and maps of which it takes other sizes. */
export function collectionIssues(spec: unknown, kind: PolicyKind): Issue[] {
  return walk(spec, specSchema(kind), []);
}

function walk(value: unknown, schema: Schema | undefined, path: PropertyKey[]): Issue[] {
  if (typeof value !== 'object' || value === null || !schema) return [];
  if (!Array.isArray(value)) {
    const { minProperties = 0, maxProperties = Infinity } = schema;
    const size = Object.keys(value).length;
    const bound =
      size < minProperties ? `at least ${minProperties}` : size > maxProperties ? `at most ${maxProperties}` : '';
    return [
      ...(bound ? [{ path, message: `has to have ${bound} entries` }] : []),
      ...Object.entries(value).flatMap(([key, child]) => walk(child, schema.properties?.[key], [...path, key])),
    ];
  }
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const isSet = schema['x-kubernetes-list-type'] === 'set';
  // One that lacks a key is wrong by itself.
  const identity = (item: unknown) => {
    if (isSet) return JSON.stringify(item);
    const given = keys.map((key) => (item as Record<string, unknown> | null)?.[key]);
    return keys.length === 0 || given.includes(undefined) ? undefined : JSON.stringify(given);
  };
  const seen = new Map<string, number>();
  return value.flatMap((item: unknown, index) => {
    const own = identity(item);
    const first = own === undefined ? undefined : seen.get(own);
    if (own !== undefined && first === undefined) seen.set(own, index);
    const message = `is the same as ${fieldPath(['spec', ...path, first ?? 0])}${isSet ? '' : `, by its ${keys.join(' and ')}`}: in this list each stands once`;
    return [
      ...(first === undefined ? [] : [{ path: [...path, index], message }]),
      ...walk(item, schema.items, [...path, index]),
    ];
  });
}
