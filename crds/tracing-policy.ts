import * as z from 'zod';
import { agent } from './agent.ts';
import { batch } from './batch.ts';
import { exporter } from './exporter.ts';
import { instrumentations } from './instrumentation.ts';
import {
  configureControllers,
  gateway,
  INTEGRATION_MESSAGE,
  INTEGRATION_STATES,
  mesh,
  SYSTEMS,
} from './integration.ts';
import type { CelRule } from './rules.ts';
import { cel, listMap } from './rules.ts';
import { resource } from './resource.ts';
import { rollout } from './rollout.ts';
import { sampling } from './sampling.ts';
import { signals } from './signals.ts';

/**
 * The one source of TracingPolicy and ClusterTracingPolicy: types, validation, the CRDs' YAML (crds/generate.ts) and their
 * reference page.
 *
 * Every list, map and string is bounded, because the API server refuses CEL rules whose worst-case cost it cannot bound:
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#resource-use-by-validation-functions
 *
 * Nothing has a default here: a field that is left out takes the chart's `defaultPolicy` (injector/resolve.ts), so that a
 * platform team can set an exporter once and a service team can write `sampling.ratio` alone.
 */
export const GROUP = 'tracing.acme';
export const VERSION = 'v1alpha1';

const labelKey = z.string().min(1).max(317);
const labelValue = z.string().max(63);

const valuesMessage =
  'values go with In and NotIn only, e.g. {key: tier, operator: In, values: [web]} or {key: tier, operator: Exists}';

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
      .refine(
        (expressions) =>
          expressions.every(({ operator, values = [] }) => ['In', 'NotIn'].includes(operator) === values.length > 0),
        valuesMessage,
      )
      .meta({
        description: 'Conditions that a pod must meet, all of them.',
        'x-kubernetes-list-type': 'atomic',
        ...cel({
          rule: "self.all(e, (e.operator in ['In', 'NotIn']) == (has(e.values) && size(e.values) > 0))",
          message: valuesMessage,
        }),
      })
      .optional(),
  })
  .describe('By labels. Left out or empty: all.');

/** A token of RFC 7230: https://www.w3.org/TR/baggage/#key */
const baggageKeyPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const baggageKeyMessage = 'a key of baggage has no spaces, commas or equals signs, e.g. tenant.id';

/** What both kinds have in common. */
const shared = {
  selector: labelSelector
    .describe('Pods this policy applies to, by their labels. Left out or empty: every pod of the namespace.')
    .optional(),
  priority: z
    .int()
    .min(-1000)
    .max(1000)
    .describe(
      'Which of several matching policies of a kind applies: the highest, then the oldest, then the first by name. Left out: 0.',
    )
    .optional(),
  enabled: z
    .boolean()
    .describe('Switched off, it stops tracing in its pods within seconds, without a restart. Left out: true.')
    .optional(),
  injection: z
    .enum(['OptIn', 'All'])
    .describe(
      'OptIn: pods that ask for it by annotation, or by their namespace\'s label, get the agent. All: every new pod that this policy applies to does. The annotation or label tracing.acme/inject: "false" nearest the pod always wins. Left out: OptIn.',
    )
    .meta({ live: false })
    .optional(),
  containers: z
    .array(z.string().min(1).max(63))
    .min(1)
    .max(16)
    .meta({
      description:
        'Names of the containers that get the agent, init containers and native sidecars included. The annotation tracing.acme/containers wins. Left out: all but init containers and mesh sidecars. Takes effect when a pod is created.',
      live: false,
      'x-kubernetes-list-type': 'set',
    })
    .optional(),
  sampling: sampling.optional(),
  signals: signals.optional(),
  exporters: z
    .array(exporter)
    .max(8)
    .meta({
      description:
        'Where spans are sent, over OTLP; each destination gets all of them. An empty list sends them nowhere.',
      ...listMap('name'),
    })
    .optional(),
  batch: batch.optional(),
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
  baggage: z
    .object({
      allow: z
        .array(z.string().min(1).max(256).regex(baggageKeyPattern, baggageKeyMessage))
        .max(64)
        .meta({
          description:
            'Keys of the baggage that processes pass on with requests and messages; others are left out, an empty list passes on none. It makes no attributes of them, and what the app itself reads stays as it came. Left out: all.',
          'x-kubernetes-list-type': 'set',
          ...cel({
            rule: `self.all(key, key.matches(r'''${baggageKeyPattern.source}'''))`,
            message: baggageKeyMessage,
          }),
        })
        .optional(),
    })
    .describe(
      'What travels with a trace by the propagator baggage. Changes reach running pods within seconds, without a restart.',
    )
    .optional(),
  resource: resource.optional(),
  instrumentations: instrumentations.optional(),
  spanNames: z
    .enum(['SemanticConventions', 'ServiceOperation'])
    .describe(
      "How spans are named. SemanticConventions: as OpenTelemetry's conventions say, POST /orders. ServiceOperation: the same behind the service's name and a dot, order.POST /orders. Rules of sampling see names without it. Left out: SemanticConventions.",
    )
    .optional(),
  mesh: mesh.optional(),
  gateway: gateway.optional(),
  rollout: rollout.optional(),
};

/** A policy that is switched off has nothing else to say about what pods do. */
const saysNothingElse = (spec: { enabled?: boolean | undefined; injection?: string | undefined }): boolean =>
  spec.enabled !== false || spec.injection !== 'All';
const offSaysNothingElse: CelRule = {
  rule: "!has(self.enabled) || self.enabled || !has(self.injection) || self.injection != 'All'",
  message:
    'a policy that is switched off cannot inject all pods; leave injection out: {enabled: false}, or switch it on: {enabled: true, injection: All}',
};

export const tracingPolicySpec = z
  .object(shared)
  .refine(saysNothingElse, offSaysNothingElse.message)
  .describe('How the selected pods are traced.')
  .meta(cel(offSaysNothingElse));

const hostPattern = /^([*][.])?[A-Za-z0-9._-]+$/;
const hostMessage =
  'an entry is a host, with *. in front for all below it, e.g. otel-collector.observability or *.example.com';

export const clusterTracingPolicySpec = z
  .object({
    namespaceSelector: labelSelector
      .describe('Namespaces this policy applies to, by their labels. Left out or empty: all of them.')
      .optional(),
    override: z
      .boolean()
      .describe(
        'Applies before what namespaces and pods say, where otherwise it applies after. With enabled: false it switches tracing off in all namespaces it selects, whatever their own policies are. Left out: false.',
      )
      .optional(),
    allowedEndpoints: z
      .array(
        z
          .string()
          .min(1)
          .max(256)
          .refine((host) => hostPattern.test(host), hostMessage),
      )
      .min(1)
      .max(32)
      .meta({
        description:
          'Limits where TracingPolicies of the selected namespaces may send spans: to hosts in this list, e.g. otel-collector.observability or *.example.com. An exporter for another host is left out and reported. Left out: no limit.',
        'x-kubernetes-list-type': 'set',
        ...cel({ rule: `self.all(host, host.matches('${hostPattern.source}'))`, message: hostMessage }),
      })
      .optional(),
    agent: agent.optional(),
    configureControllers: configureControllers.optional(),
    ...shared,
  })
  .refine(saysNothingElse, offSaysNothingElse.message)
  .describe('How pods of the selected namespaces are traced, unless a policy of their own says otherwise.')
  .meta(cel(offSaysNothingElse));

const count = (description: string) => z.int().min(0).describe(description).optional();

/** Why pods of a workload are not as they should be: a closed list. */
export const WORKLOAD_REASONS = [
  'Missing',
  'Outdated',
  'NoAgentReport',
  'ReportsStopped',
  'AgentFailed',
  /** The process cannot do what the policy asks for. */
  'PolicyProblem',
  /** Spans do not arrive. */
  'ExportFailing',
  /** The agent's image keeps its pods from starting: they get none, or hang. */
  'AgentUnavailable',
  /** It crashed again and again with the agent, and has none any more. */
  'RolledBack',
  /** Somebody has put its pod template back as it was before it was restarted. */
  'RestartUndone',
  /** It is not restarted for now, or that did not help. */
  'RestartHeld',
  /** For information: it is being restarted. */
  'Restarting',
  /** For information: libraries that the agent knows and cannot instrument. Nobody need do anything about it. */
  'NotInstrumented',
] as const;

/** Characters. */
export const WORKLOAD_MESSAGE = 512;

/** What both kinds report. Written by the operator alone. */
export const policyStatus = z
  .object({
    observedGeneration: z.int().describe('Generation of the policy that this status is about.').optional(),
    conditions: z
      .array(
        z.object({
          type: z
            .string()
            .max(64)
            .describe(
              'Ready, Degraded, Overlapping, of a policy with agent.canary CanaryHalted, and of one with the annotation tracing.acme/override Overridden.',
            ),
          status: z.enum(['True', 'False', 'Unknown']).describe('Whether the condition holds.'),
          observedGeneration: z.int().describe('Generation of the policy that this condition is about.').optional(),
          lastTransitionTime: z.iso.datetime().max(64).describe('When the status last changed.'),
          reason: z.string().min(1).max(128).describe('Why, in one word for programs.'),
          message: z.string().max(4096).describe('Why, for people, with what to do.'),
        }),
      )
      .max(8)
      .meta({ description: 'What is to be known about the policy as a whole.', ...listMap('type') })
      .optional(),
    pods: z
      .object({
        matched: count('Pods under this policy that ask to be traced.'),
        injected: count('Of those, pods that have the agent, and a process that reports or may still do so.'),
        reporting: count('Pods whose agent has reported lately.'),
        current: count('Reporting pods that act on the newest revision of the policy.'),
        outdated: count('Reporting pods that do not, yet.'),
        missing: count(
          'Pods that ask to be traced and have no agent: they started while the operator, or the agent, was not to be had.',
        ),
        noAgentReport: count('Pods with the agent in which no Node.js process ever reported.'),
        unknown: count('Pods whose agent has stopped reporting, or has had no time to begin.'),
        failed: count('Pods in which the agent says that it does not trace.'),
      })
      .describe('How many pods, by what is known of them.')
      .optional(),
    canary: z
      .object({
        pods: count('Pods that have the new agent.'),
        others: count('Pods that have the other one, agent.image or that of the chart.'),
      })
      .describe('How far the agent of agent.canary has spread.')
      .optional(),
    rollout: z
      .object({
        waiting: count('Workloads that are still to be restarted.'),
        restarting: count('Workloads that are restarted now, and not yet healthy again.'),
        rolledBack: count('Workloads that crashed with the agent and have none any more.'),
      })
      .describe('How far restarts are, where spec.rollout asks for them.')
      .optional(),
    integrations: z
      .array(
        z.object({
          name: z.enum(SYSTEMS).describe('Which system.'),
          state: z
            .enum(INTEGRATION_STATES)
            .describe(
              'Configured: it goes by the policy. Conflict: somebody else has set it. Incomplete: something is missing there. NotInForce: another policy decides. NotUsed: nothing in the namespace uses it. NotAllowed: the chart gives the operator no right to it. NotInstalled: the cluster does not have it. Disabled: by the policy. Of several namespaces the worst.',
            ),
          message: z.string().max(INTEGRATION_MESSAGE).describe('What was set, or why not and what to do.'),
        }),
      )
      .max(8)
      .meta({ description: 'Service meshes and gateways that go by the policy.', ...listMap('name') })
      .optional(),
    workloads: z
      .array(
        z.object({
          namespace: z.string().max(63).describe('Namespace of the workload.'),
          kind: z.string().max(63).describe('Deployment, StatefulSet, …, or Pod where nothing owns it.'),
          name: z.string().max(253).describe('Name of the workload.'),
          reason: z
            .enum(WORKLOAD_REASONS)
            .describe(
              'What is wrong with its pods: Missing: they have no agent. Outdated: they act on an older policy. NoAgentReport, ReportsStopped: nothing is heard of them. AgentFailed: they are not traced. PolicyProblem: they cannot do what the policy asks for. ExportFailing: spans are lost. AgentUnavailable: the agent cannot be had, and they start without it. RolledBack: they crashed with it, and have none any more. RestartUndone, RestartHeld, Restarting: how it stands with spec.rollout. NotInstrumented, for information: libraries that give no spans.',
            ),
          pods: z.int().describe('How many pods it concerns.'),
          message: z.string().max(WORKLOAD_MESSAGE).describe('What the agent said, or what to do.').optional(),
        }),
      )
      .max(20)
      .meta({
        description: 'The first 20 workloads whose pods are not as they should be.',
        'x-kubernetes-list-type': 'atomic',
      })
      .optional(),
  })
  .describe('What the operator knows of the policy. Written by the operator.');

export type PolicyStatus = z.infer<typeof policyStatus>;
export type WorkloadReason = (typeof WORKLOAD_REASONS)[number];
/** The fields that a chart's default may fill in; all that a process acts on. */
export const defaultPolicySpec = z
  .object(shared)
  .pick({
    sampling: true,
    signals: true,
    exporters: true,
    batch: true,
    propagators: true,
    baggage: true,
    resource: true,
    instrumentations: true,
    spanNames: true,
  })
  .strict();

export type DefaultPolicySpec = z.infer<typeof defaultPolicySpec>;
export type TracingPolicySpec = z.infer<typeof tracingPolicySpec>;
export type ClusterTracingPolicySpec = z.infer<typeof clusterTracingPolicySpec>;
export type Propagator = NonNullable<TracingPolicySpec['propagators']>[number];
export type LabelSelector = z.infer<typeof labelSelector>;

interface Metadata {
  name: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  annotations?: Record<string, string>;
}

/** A TracingPolicy as the API server stores it; only the fields we read. */
export interface TracingPolicy {
  kind: 'TracingPolicy';
  metadata: Metadata & { namespace: string };
  spec: TracingPolicySpec;
  status?: PolicyStatus;
}

/** A ClusterTracingPolicy as the API server stores it; only the fields we read. */
export interface ClusterTracingPolicy {
  kind: 'ClusterTracingPolicy';
  metadata: Metadata;
  spec: ClusterTracingPolicySpec;
  status?: PolicyStatus;
}
