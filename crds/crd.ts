import { z } from 'zod';
import { GROUP, VERSION, tracingPolicySpec } from './tracing-policy.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

/**
 * Turns zod's JSON Schema into what the API server calls a structural schema: no `$schema`, no `$ref`, no
 * `additionalProperties: false` (unknown fields are pruned or refused by the API server itself), no `propertyNames`.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 *
 * `pattern` is dropped wherever a CEL rule stands beside it: a refused pattern shows the user a regular expression, a
 * refused rule shows its message.
 */
export function toStructural(schema: z.ZodType): JsonObject {
  const walk = (node: JsonObject): JsonObject => {
    const hasRule = 'x-kubernetes-validations' in node;
    const out: JsonObject = {};
    for (const [key, value] of Object.entries(node)) {
      if (key === '$schema' || key === 'propertyNames') continue;
      if (key === 'pattern' && hasRule) continue;
      if (key === 'additionalProperties') {
        if (isObject(value)) out[key] = walk(value);
      } else if (key === 'properties' && isObject(value)) {
        out[key] = Object.fromEntries(Object.entries(value).map(([name, child]) => [name, walk(child as JsonObject)]));
      } else if (key === 'items' && isObject(value)) {
        out[key] = walk(value);
      } else {
        out[key] = value;
      }
    }
    return out;
  };
  return walk(z.toJSONSchema(schema, { io: 'input', target: 'openapi-3.0', reused: 'inline' }) as JsonObject);
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The CustomResourceDefinition of TracingPolicy, ready to be written as YAML. */
export function tracingPolicyCrd(): JsonObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `tracingpolicies.${GROUP}`,
      // Policies outlive an uninstall: `helm uninstall` must not delete what teams wrote.
      annotations: { 'helm.sh/resource-policy': 'keep' },
    },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: 'TracingPolicy',
        listKind: 'TracingPolicyList',
        plural: 'tracingpolicies',
        singular: 'tracingpolicy',
        shortNames: ['tp'],
        categories: ['tracing'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: [
            { name: 'Ratio', type: 'number', jsonPath: '.spec.sampling.ratio' },
            { name: 'Exporters', type: 'string', jsonPath: '.spec.exporters[*].name' },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description:
                'TracingPolicy says how the Node.js pods of its namespace are traced: how much is sampled and where spans are sent.',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: toStructural(tracingPolicySpec),
              },
            },
          },
        },
      ],
    },
  };
}
