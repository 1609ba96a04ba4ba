import * as z from 'zod';
import { cel } from './rules.ts';

/** Systems beside the app that make spans of the same requests, as status calls them. */
export const SYSTEMS = ['Istio', 'Linkerd', 'Kong', 'IngressNginx'] as const;
export type SystemName = (typeof SYSTEMS)[number];

/**
 * How it stands with a system, the worst first. Conflict: somebody else has set it. Incomplete: something is missing there.
 * NotInForce: another policy decides. NotUsed: it is installed, and not in this namespace. NotAllowed: whoever installed the
 * operator gave it no right to it.
 */
export const INTEGRATION_STATES = [
  'Conflict',
  'Incomplete',
  'Configured',
  'NotInForce',
  'NotUsed',
  'NotAllowed',
  'NotInstalled',
  'Disabled',
] as const;
export type IntegrationState = (typeof INTEGRATION_STATES)[number];

/** Characters. */
export const INTEGRATION_MESSAGE = 2048;

/** Whether a system is configured: the same for each. */
const mode = (system: string) =>
  z
    .enum(['Auto', 'Enabled', 'Disabled'])
    .describe(
      `Auto: ${system} is configured where it is installed. Enabled: the same, and the policy is Degraded where it is not, or cannot be configured. Disabled: nothing is set, and what the operator has set is taken away. Left out: Auto.`,
    )
    .optional();

export type IntegrationMode = NonNullable<z.infer<ReturnType<typeof mode>>>;

const providerPattern = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const providerMessage = "a provider is named as in the mesh's extensionProviders, e.g. otel";

const istio = z
  .object({
    mode: mode('Istio'),
    provider: z
      .string()
      .min(1)
      .max(63)
      .regex(providerPattern, providerMessage)
      .describe(
        "Which of MeshConfig's extensionProviders sidecars and gateways send spans by. Left out: the one that sends to the policy's exporter, then the mesh's default provider for tracing, then the only OpenTelemetry provider.",
      )
      .meta(cel({ rule: `self.matches(r'''${providerPattern.source}''')`, message: providerMessage }))
      .optional(),
  })
  .describe('Sidecars and gateways of Istio.');

const accountPattern = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
const accountMessage = 'a ServiceAccount is named without its namespace, e.g. otel-collector';

const linkerd = z
  .object({
    mode: mode('Linkerd'),
    tracing: z
      .enum(['ControlPlane', 'LinkerdJaeger'])
      .describe(
        'How proxies are told of tracing. ControlPlane: by values of the control plane, from Linkerd 2.19 on. LinkerdJaeger: by annotations of pods, which the extension linkerd-jaeger reads, in 2.17 and 2.18. Left out: by what the ConfigMap linkerd-config says.',
      )
      .meta({ live: false })
      .optional(),
    collectorServiceAccount: z
      .string()
      .min(1)
      .max(253)
      .regex(accountPattern, accountMessage)
      .describe(
        "Name of the ServiceAccount under which the first exporter's collector runs: proxies know a collector in the mesh by it. Left out: for LinkerdJaeger that of linkerd-jaeger's own values, for ControlPlane it is not compared.",
      )
      .meta({ live: false, ...cel({ rule: `self.matches(r'''${accountPattern.source}''')`, message: accountMessage }) })
      .optional(),
  })
  .describe('Proxies of Linkerd.');

/** Service meshes. What is said here counts for a whole namespace, and is nothing that the agent is told. */
export const mesh = z
  .object({ istio: istio.optional(), linkerd: linkerd.optional() })
  .describe(
    "Tracing of service meshes, so that proxies go by the policy's sampling and their spans join the apps'. It counts for a namespace as a whole, and is taken from the policy that applies to pods without labels.",
  );

/** Systems in front of the apps. What is said here counts for a whole namespace, and is nothing that the agent is told. */
export const gateway = z
  .object({
    trustIncoming: z
      .boolean()
      .describe(
        'Whether a request that comes to the edge with the context of a trace goes on with it. false: the edge ignores it and begins a trace of its own, by the ratio of the policy, so that nobody outside decides what is recorded. Left out: true.',
      )
      .optional(),
    kong: z
      .object({ mode: mode('Kong') })
      .describe('Kong, by its ingress controller.')
      .optional(),
    nginx: z
      .object({ mode: mode('ingress-nginx') })
      .describe('The ingress controller ingress-nginx.')
      .optional(),
  })
  .describe(
    "Tracing of gateways and ingress controllers, so that one decision holds from the edge on. Each has to be allowed in the chart's values. It counts for a namespace as a whole, and is taken from the policy that applies to pods without labels.",
  );

/** Controllers of which one serves many namespaces, so that no namespace may set what counts for all of them. */
export const configureControllers = z
  .array(z.enum(['IngressNginx']))
  .max(8)
  .meta({
    description:
      'Controllers whose own settings the policy writes too, where it counts for their namespace as a whole. IngressNginx: collector, sampler and operation name in the ConfigMap that the chart value ingressNginx.configMap names; they count for all Ingresses of the controller. Left out: none.',
    'x-kubernetes-list-type': 'set',
  });
