import { z } from 'zod';

/**
 * The one source of the TracingPolicy kind: types, validation, the CRD's YAML (crds/generate.ts) and its reference page.
 *
 * Every list, map and string is bounded, because the API server refuses CEL rules whose worst-case cost it cannot bound:
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#resource-use-by-validation-functions
 *
 * Nothing has a default here: a field that is left out takes the chart's `defaultPolicy` (injector/resolve.ts), so that a
 * platform team can set an exporter once and a service team can write `sampling.ratio` alone.
 */
export const GROUP = 'tracing.acme';
export const VERSION = 'v1alpha1';

/** A CEL rule as the API server wants it, and the words a user reads when it refuses. */
interface CelRule {
  rule: string;
  message: string;
}
const cel = (...rules: CelRule[]) => ({ 'x-kubernetes-validations': rules });
const listMap = (...keys: string[]) => ({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys });

const labelKey = z.string().min(1).max(317);
const labelValue = z.string().max(63);

const labelSelector = z
  .object({
    matchLabels: z
      .record(labelKey, labelValue)
      .meta({ maxProperties: 16, description: 'Labels that a pod must carry, all of them.' })
      .optional(),
    matchExpressions: z
      .array(
        z.object({
          key: labelKey.describe('Label key.'),
          operator: z
            .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
            .describe('In and NotIn compare with values; Exists and DoesNotExist look at the key alone.'),
          values: z.array(labelValue).max(32).describe('Values for In and NotIn; empty for the other two.').optional(),
        }),
      )
      .max(16)
      .meta({
        description: 'Conditions that a pod must meet, all of them.',
        'x-kubernetes-list-type': 'atomic',
        ...cel({
          rule: "self.all(e, (e.operator in ['In', 'NotIn']) == (has(e.values) && size(e.values) > 0))",
          message:
            'values go with In and NotIn only, e.g. {key: tier, operator: In, values: [web]} or {key: tier, operator: Exists}',
        }),
      })
      .optional(),
  })
  .describe('Pods this policy applies to, by their labels. Left out or empty: every pod of the namespace.');

const endpointPattern =
  /^https?:\/\/[A-Za-z0-9._~%-]+(:[0-9]{1,5})?(\/[^\s?#]*)?$|^https?:\/\/\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?(\/[^\s?#]*)?$/;
const endpointMessage =
  'endpoint must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH], without query or fragment, e.g. http://otel-collector.observability:4318';

const headerNamePattern = /^[A-Za-z0-9!#$%&'*+.^_|~-]+$/;
const headerNameMessage = 'a header name is letters, digits and hyphens, e.g. x-api-key';

const header = z.object({
  name: z
    .string()
    .min(1)
    .max(128)
    .regex(headerNamePattern, headerNameMessage)
    .describe('Header name; compared without regard to case.')
    .meta(cel({ rule: `self.matches(r'''${headerNamePattern.source}''')`, message: headerNameMessage })),
  value: z
    .string()
    .max(4096)
    .refine((value) => !/[\r\n]/.test(value), 'a header value is one line')
    .describe('Header value, in plain text: readable by whoever may read the policy. Do not put secrets here.')
    .meta(cel({ rule: "!self.contains('\\n') && !self.contains('\\r')", message: 'a header value is one line' })),
});

const exporter = z.object({
  name: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'a name is lower-case letters, digits and hyphens, e.g. default')
    .describe('Name of this destination, unique within the policy; used in metrics and status.')
    .meta(
      cel({
        rule: "self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
        message: 'a name is lower-case letters, digits and hyphens, e.g. default',
      }),
    ),
  protocol: z
    .enum(['http/protobuf', 'grpc'])
    .describe('OTLP transport. The usual ports are 4318 for http/protobuf and 4317 for grpc. Left out: http/protobuf.')
    .optional(),
  endpoint: z
    .string()
    .min(8)
    .max(512)
    .regex(endpointPattern, endpointMessage)
    .describe(
      'URL of the OTLP receiver. For http/protobuf /v1/traces is appended, as for OTEL_EXPORTER_OTLP_ENDPOINT. For grpc http:// means plain text and https:// means TLS.',
    )
    .meta(cel({ rule: `self.matches(r'''${endpointPattern.source}''')`, message: endpointMessage })),
  headers: z
    .array(header)
    .max(16)
    .meta({ description: 'Headers (grpc: metadata) sent with each export.', ...listMap('name') })
    .optional(),
});

const attributeName = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^\s,=]+$/, 'an attribute name has no spaces, commas or equals signs, e.g. deployment.environment.name');

export const tracingPolicySpec = z
  .object({
    selector: labelSelector.optional(),
    sampling: z
      .object({
        ratio: z
          .number()
          .min(0)
          .max(1)
          .describe(
            'Share of new traces that are recorded, from 0 (none) to 1 (all); 0.1 is one in ten. Decided once, by the trace id, where a trace starts; a request that arrives with a sampling decision keeps it.',
          )
          .optional(),
      })
      .describe('Which traces are recorded. Changes reach running pods within seconds, without a restart.')
      .optional(),
    exporters: z
      .array(exporter)
      .max(8)
      .meta({
        description:
          'Where spans are sent, over OTLP; each destination gets all of them. An empty list sends them nowhere.',
        ...listMap('name'),
      })
      .optional(),
    propagators: z
      .array(z.enum(['tracecontext', 'baggage', 'b3', 'b3multi', 'jaeger', 'xray']))
      .min(1)
      .max(6)
      .meta({
        description:
          'Formats in which the context of a trace is read from and written to requests. Left out: tracecontext and baggage.',
        'x-kubernetes-list-type': 'set',
      })
      .optional(),
    resource: z
      .object({
        attributes: z
          .record(attributeName, z.string().max(1024))
          .meta({
            maxProperties: 32,
            description:
              'Attributes added to every span of these pods, e.g. deployment.environment.name. What a pod sets itself in OTEL_RESOURCE_ATTRIBUTES wins. Read when a process starts.',
            ...cel({
              rule: "self.all(name, name.matches('^[^\\\\s,=]{1,128}$'))",
              message: 'an attribute name has no spaces, commas or equals signs, e.g. deployment.environment.name',
            }),
          })
          .optional(),
      })
      .describe('What describes the process that makes the spans.')
      .optional(),
  })
  .describe('How the selected pods are traced.');

export type TracingPolicySpec = z.infer<typeof tracingPolicySpec>;
export type Exporter = z.infer<typeof exporter>;
export type Propagator = NonNullable<TracingPolicySpec['propagators']>[number];
export type LabelSelector = z.infer<typeof labelSelector>;

/** A TracingPolicy as the API server stores it; only the fields we read. */
export interface TracingPolicy {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    generation?: number;
    creationTimestamp: string;
  };
  spec: TracingPolicySpec;
}
