import { customResourceDefinitions } from '../crds/crd.ts';
import type { PolicyKind } from './policy-file.ts';
import type { Issue } from './input-error.ts';
import { fieldPath } from './input-error.ts';
import { didYouMean } from './suggestion.ts';

/** A structural schema, as far as it is looked at here. */
export interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: Schema;
  items?: Schema;
  minProperties?: number;
  maxProperties?: number;
  'x-kubernetes-list-type'?: string;
  'x-kubernetes-list-map-keys'?: string[];
}

interface Definition {
  spec: { names: { kind: string }; versions: { schema: { openAPIV3Schema: Schema } }[] };
}

/** Of what people write at the wrong depth, in how many places it may be for these to be named. */
const FEW = 2;

const specs = new Map<PolicyKind, Schema>();

/** What the API server knows of a policy's spec. */
export function specSchema(kind: PolicyKind): Schema {
  let schema = specs.get(kind);
  if (!schema) {
    const definitions = [...customResourceDefinitions().values()] as unknown as Definition[];
    const { versions } = definitions.find((each) => each.spec.names.kind === kind)!.spec;
    schema = versions[0]!.schema.openAPIV3Schema.properties!['spec']!;
    specs.set(kind, schema);
  }
  return schema;
}

/** Fields of a spec that there are not, whatever else may be wrong with it. */
export function unknownFields(spec: unknown, kind: PolicyKind): Issue[] {
  const root = specSchema(kind);
  const walk = (value: unknown, schema: Schema | undefined, path: PropertyKey[]): Issue[] => {
    if (typeof value !== 'object' || value === null || !schema) return [];
    if (Array.isArray(value))
      return value.flatMap((item: unknown, index) => walk(item, schema.items, [...path, index]));
    const { properties, additionalProperties } = schema;
    return Object.entries(value).flatMap(([key, child]) => {
      const known = properties?.[key] ?? additionalProperties;
      if (known || !properties) return walk(child, known, [...path, key]);
      const near = didYouMean(key, Object.keys(properties)) || elsewhere(key, root);
      return [{ path: [...path, key], message: `there is no such field.${near}` }];
    });
  };
  return walk(spec, root, []);
}

/** ` Did you mean spec.sampling.ratio?`, where a field is known at another depth. */
function elsewhere(name: string, root: Schema): string {
  const places = (schema: Schema, path: PropertyKey[]): string[] => [
    ...Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
      const at = [...path, key];
      return [...(key === name ? [fieldPath(at)] : []), ...places(child, at)];
    }),
    ...(schema.items ? places(schema.items, path) : []),
  ];
  const found = places(root, ['spec']);
  return found.length > 0 && found.length <= FEW ? ` Did you mean ${found.join(' or ')}?` : '';
}
