import * as z from 'zod';
import { clusterTracingPolicySpec, GROUP, policyStatus, tracingPolicySpec, VERSION } from './tracing-policy.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

/** What only docs/reference/tracingpolicy.md makes use of. */
const FOR_THE_REFERENCE = new Set(['live', 'examples']);

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
      if (key === '$schema' || key === 'propertyNames' || FOR_THE_REFERENCE.has(key)) continue;
      if (key === 'pattern' && hasRule) continue;
      // A rule stands beside it (crds/rules.ts).
      if (key === 'oneOf') continue;
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

interface Kind {
  kind: string;
  plural: string;
  shortName: string;
  scope: 'Namespaced' | 'Cluster';
  description: string;
  spec: z.ZodType;
}

const KINDS: Kind[] = [
  {
    kind: 'TracingPolicy',
    plural: 'tracingpolicies',
    shortName: 'tp',
    scope: 'Namespaced',
    description:
      'TracingPolicy says how the Node.js pods of its namespace are traced: how much is sampled and where spans are sent.',
    spec: tracingPolicySpec,
  },
  {
    kind: 'ClusterTracingPolicy',
    plural: 'clustertracingpolicies',
    shortName: 'ctp',
    scope: 'Cluster',
    description:
      'ClusterTracingPolicy says how the Node.js pods of many namespaces are traced, where those have no TracingPolicy of their own.',
    spec: clusterTracingPolicySpec,
  },
];

/** The CustomResourceDefinitions, ready to be written as YAML, by plural name. */
export function customResourceDefinitions(): Map<string, JsonObject> {
  return new Map(KINDS.map((kind) => [kind.plural, definition(kind)]));
}

function definition({ kind, plural, shortName, scope, description, spec }: Kind): JsonObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${GROUP}`,
      // Policies outlive an uninstall: `helm uninstall` must not delete what teams wrote.
      annotations: { 'helm.sh/resource-policy': 'keep' },
    },
    spec: {
      group: GROUP,
      scope,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ['tracing'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            { name: 'Ratio', type: 'number', jsonPath: '.spec.sampling.ratio' },
            { name: 'Exporters', type: 'string', jsonPath: '.spec.exporters[*].name' },
            { name: 'Matched', type: 'integer', jsonPath: '.status.pods.matched' },
            { name: 'Reporting', type: 'integer', jsonPath: '.status.pods.reporting' },
            { name: 'Outdated', type: 'integer', jsonPath: '.status.pods.outdated' },
            { name: 'Missing', type: 'integer', jsonPath: '.status.pods.missing' },
            { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
            { name: 'Health', type: 'string', jsonPath: '.status.conditions[?(@.type=="Degraded")].reason' },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description,
              required: ['spec'],
              // The name becomes part of a ConfigMap key, which has a bound of its own.
              'x-kubernetes-validations': [
                {
                  rule: 'size(self.metadata.name) <= 63',
                  message: 'the name of a policy has no more than 63 characters, e.g. default',
                },
              ],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: toStructural(spec),
                status: toStructural(policyStatus),
              },
            },
          },
        },
      ],
    },
  };
}
