import { load } from 'js-yaml';
import * as z from 'zod';
import type { LinkerdTracing } from '../../injector/linkerd.ts';
import { linkerdEndpoint } from '../../injector/linkerd.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Policy } from '../../injector/resolve.ts';
import { modeOf } from '../integration/standing.ts';
import type { Plan, Seen, System, Watched } from '../integration/system.ts';
import type { KubeObject } from '../kube/reflector.ts';

export interface LinkerdOptions {
  /** Of its control plane. */
  namespace: string;
}

/** The values with which the control plane was installed. */
const CONFIG: Watched = { group: '', versions: ['v1'], resource: 'configmaps', name: 'linkerd-config' };

/**
 * What is read of them.
 * https://github.com/linkerd/linkerd2/blob/b24cd4059841f8cee2fb7a9c2ac23a693c583579/charts/linkerd-control-plane/values.yaml#L284-L308
 */
const values = z.object({
  proxy: z
    .object({
      tracing: z
        .object({
          enabled: z.boolean().default(false),
          collector: z
            .object({
              endpoint: z.string().default(''),
              meshIdentity: z.object({ serviceAccountName: z.string().default('') }).prefault({}),
            })
            .prefault({}),
        })
        .optional(),
    })
    .prefault({}),
});

type Values = z.infer<typeof values>;

/** Label that Linkerd's injector leaves on pods. */
const INJECTED = 'linkerd.io/control-plane-ns';

/**
 * Linkerd's proxies. They begin no traces and draw no lots: a request that is sampled gets their spans. So all there is to
 * be set is where spans go, and who they are from, which pods say in annotations that they get when they are made
 * (injector/linkerd.ts).
 */
export function linkerd({ namespace: controlPlane }: LinkerdOptions): System {
  return {
    name: 'Linkerd',
    watched: [CONFIG],
    owned: [],
    absent: (seen) =>
      config(seen, controlPlane)
        ? undefined
        : `there is no ConfigMap ${controlPlane}/${CONFIG.name} (Helm value linkerd.namespace)`,
    plan(input) {
      const { pods, policy, document, seen } = input;
      if (!pods.some(({ metadata }) => metadata.labels?.[INJECTED] !== undefined))
        return standing('NotUsed', "no pod of the namespace has Linkerd's proxy");
      const known = config(seen, controlPlane);
      if (document.spec.exporters.length === 0)
        return standing('Configured', 'tracing is switched off: what is not sampled has no spans of proxies');
      const endpoint = linkerdEndpoint(document);
      if (endpoint === undefined)
        return standing(
          'Incomplete',
          `Linkerd's proxies send OTLP over gRPC in plain text, and the policy's exporter ${document.spec.exporters[0]!.endpoint} wants TLS: name a collector in the cluster first`,
        );
      const problem = propagation(document);
      if (tracingOf(policy, known) === 'LinkerdJaeger')
        return told(
          `traced pods send their proxies' spans to ${endpoint}, by annotations that linkerd-jaeger reads; pods that are there already need a restart`,
          problem,
        );
      const tracing = known?.proxy.tracing;
      const account = policy.spec.mesh?.linkerd?.collectorServiceAccount;
      const different = difference(tracing, endpoint, account);
      if (tracing === undefined || different !== undefined)
        return standing(
          'Incomplete',
          `${different}. Helm values to set for linkerd-control-plane:\n${toSet(endpoint, account)}`,
        );
      return told(
        `proxies send spans of sampled requests to ${tracing.collector.endpoint}; new traced pods name their proxy's service as their own`,
        problem,
      );
    },
  };
}

/** How Linkerd is told of tracing for pods of a policy; undefined where it is left alone or not there. */
export function linkerdTracing(
  seen: Seen,
  { namespace }: LinkerdOptions,
  policy: Policy | undefined,
): LinkerdTracing | undefined {
  const known = config(seen, namespace);
  if (!policy || !known || modeOf('Linkerd', policy) === 'Disabled') return undefined;
  return tracingOf(policy, known);
}

function tracingOf({ spec }: Policy, known: Values | undefined): LinkerdTracing {
  return spec.mesh?.linkerd?.tracing ?? (known?.proxy.tracing ? 'ControlPlane' : 'LinkerdJaeger');
}

function config(seen: Seen, controlPlane: string): Values | undefined {
  const [found] = seen.list(CONFIG, controlPlane) as (KubeObject & { data?: Record<string, string> })[];
  if (!found) return undefined;
  try {
    return values.safeParse(load(found.data?.['values'] ?? '') ?? {}).data;
  } catch {
    return undefined;
  }
}

function standing(state: Plan['state'], message: string): Plan {
  return { state, message, objects: [] };
}

function told(message: string, problem: string | undefined): Plan {
  return problem === undefined ? standing('Configured', message) : standing('Incomplete', `${message}; ${problem}`);
}

/** They join a trace by traceparent, or by B3 in several headers where there is none. */
function propagation({ spec: { propagators } }: PolicyDocument): string | undefined {
  if (propagators.includes('tracecontext') || propagators.includes('b3multi')) return undefined;
  return `its proxies read traceparent or X-B3 headers, and the policy writes ${propagators.join(', ')} alone: add tracecontext to spec.propagators`;
}

/** What the control plane says that is not the policy's; undefined where they agree. */
function difference(
  tracing: Values['proxy']['tracing'],
  endpoint: string,
  account: string | undefined,
): string | undefined {
  if (!tracing?.enabled) return `its proxies send no spans, and the policy's apps send to the host of ${endpoint}`;
  const { endpoint: theirs, meshIdentity } = tracing.collector;
  if (host(theirs) !== host(endpoint))
    return `its proxies send spans to ${theirs}, and the policy's apps send to the host of ${endpoint}`;
  if (account !== undefined && meshIdentity.serviceAccountName !== account)
    return `its proxies take the collector for ServiceAccount ${meshIdentity.serviceAccountName || '(none)'}, and the policy says ${account}`;
  return undefined;
}

function toSet(endpoint: string, account = 'default'): string {
  return [
    'proxy:',
    '  tracing:',
    '    enabled: true',
    '    collector:',
    `      endpoint: ${endpoint}`,
    `      meshIdentity: {serviceAccountName: ${account}, namespace: ${endpoint.split('.')[1]?.split(':')[0] ?? 'default'}}`,
  ].join('\n');
}

/** A Service by its shortest name that says its namespace. */
function host(endpoint: string): string {
  return endpoint.replace(/:\d+$/, '').replace(/\.svc(\.cluster\.local)?\.?$/, '');
}
