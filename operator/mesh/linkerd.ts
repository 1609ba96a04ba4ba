import { load } from 'js-yaml';
import * as z from 'zod';
import { addedBy } from '../../injector/added-by.ts';
import type { LinkerdTracing } from '../../injector/linkerd.ts';
import { asksForProxy, collectorAnnotations, linkerdEndpoint } from '../../injector/linkerd.ts';
import { ADDED_BY } from '../../injector/names.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Policy } from '../../injector/resolve.ts';
import { NAMESPACES } from '../integration/namespaces.ts';
import { modeOf } from '../integration/standing.ts';
import { readOnce } from '../integration/read-once.ts';
import type { Plan, Seen, System, Watched } from '../integration/system.ts';
import { nothing } from '../integration/system.ts';
import type { KubeObject } from '../kube/reflector.ts';
import type { NamespaceMeta } from '../policy/cluster-view.ts';

export interface LinkerdOptions {
  /** Of its control plane. */
  namespace: string;
  /** Whether the chart gives the right to add to annotations of namespaces. */
  annotateNamespaces: boolean;
}

/** The values with which the control plane was installed. */
const CONFIG: Watched = { group: '', versions: ['v1'], resource: 'configmaps', name: 'linkerd-config' };

/**
 * What is read of them.
 * https://github.com/linkerd/linkerd2/blob/b24cd4059841f8cee2fb7a9c2ac23a693c583579/charts/linkerd-control-plane/values.yaml#L284-L308
 */
const values = z.object({
  linkerdVersion: z.string().default(''),
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
export function linkerd({ namespace: controlPlane, annotateNamespaces }: LinkerdOptions): System {
  return {
    name: 'Linkerd',
    watched: [CONFIG, ...(annotateNamespaces ? [NAMESPACES] : [])],
    owned: [],
    added: annotateNamespaces ? [NAMESPACES] : [],
    absent: (seen) =>
      config(seen, controlPlane)
        ? undefined
        : `there is no ConfigMap ${controlPlane}/${CONFIG.name} (Helm value linkerd.namespace)`,
    ...(!annotateNamespaces && { left: leftBehind }),
    plan(input) {
      const { namespace, pods, policy, document, seen } = input;
      const watched = seen.list(NAMESPACES, namespace.metadata.name)[0]?.metadata['annotations'] as Said;
      const said = watched ?? namespace.metadata.annotations;
      if (!asksForProxy(said) && !pods.some(({ metadata }) => metadata.labels?.[INJECTED] !== undefined))
        return nothing('NotUsed', "no pod of the namespace has Linkerd's proxy");
      const known = config(seen, controlPlane);
      if (document.spec.exporters.length === 0)
        return nothing('Configured', 'tracing is switched off: what is not sampled has no spans of proxies');
      const endpoint = linkerdEndpoint(document);
      if (endpoint === undefined)
        return nothing(
          'Incomplete',
          `Linkerd's proxies send OTLP over gRPC in plain text, and the policy's exporter ${document.spec.exporters[0]!.endpoint} wants TLS: name a collector in the cluster first`,
        );
      const problem = propagation(document);
      const how = tracingOf(policy, known);
      if (how === undefined)
        return nothing(
          'Incomplete',
          `proxies of Linkerd ${known?.linkerdVersion} speak OpenCensus, and the policy's exporter takes OTLP: nothing is set, and they send their spans where linkerd-jaeger's values say. From 2.17 on (edge-24.10.1) they speak OTLP`,
        );
      if (how === 'LinkerdJaeger')
        return byJaeger(namespace.metadata.name, endpoint, policy, said, annotateNamespaces, problem);
      const tracing = known?.proxy.tracing;
      const account = policy.spec.mesh?.linkerd?.collectorServiceAccount;
      const different = difference(tracing, endpoint, account);
      if (tracing === undefined || different !== undefined)
        return nothing(
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

type Said = Record<string, string> | undefined;

const RESTART = 'pods that are there already need a restart';

/**
 * Annotations that linkerd-jaeger reads. Traced pods have theirs from the webhook, with their own name. The namespace's are for
 * those that the webhook does not look at, whose proxies add to the same traces: so it gets no name, which would be that of all.
 */
function byJaeger(
  namespace: string,
  endpoint: string,
  policy: Policy,
  said: Said,
  annotateNamespaces: boolean,
  problem: string | undefined,
): Plan {
  const annotations = collectorAnnotations(endpoint, policy);
  const ours = addedBy(said)?.names ?? [];
  const theirs = Object.entries(annotations).filter(
    ([key, value]) => said?.[key] !== undefined && said[key] !== value && !ours.includes(key),
  );
  // Another collector has another protocol and account: half of each would be neither's.
  if (theirs.length > 0)
    return nothing(
      'Conflict',
      `the namespace says otherwise, and nothing is added to it: ${theirs.map(([key, value]) => `${key} is ${said![key]}, and the policy asks for ${value}`).join('; ')}`,
    );
  if (!annotateNamespaces)
    return told(
      `traced pods send their proxies' spans to ${endpoint}, by annotations that linkerd-jaeger reads, and other pods where its own values say (Helm value linkerd.annotateNamespaces); ${RESTART}`,
      problem,
    );
  const plan = told(
    `proxies send their spans to ${endpoint}, by annotations of the namespace and of traced pods that linkerd-jaeger reads; ${RESTART}`,
    problem,
  );
  return { ...plan, additions: [{ to: NAMESPACES, name: namespace, annotations }] };
}

/** What was added while the chart allowed it: with its value the right to take it away has gone. */
function leftBehind({ metadata: { name, annotations } }: NamespaceMeta): string | undefined {
  const added = addedBy(annotations);
  if (!added) return undefined;
  const names = [...added.names, ADDED_BY].map((each) => `${each}-`).join(' ');
  return `the namespace still has what was added to it for ${added.source}, which the operator has no right to take away since the Helm value linkerd.annotateNamespaces is off. Either set it again until this is gone, or: kubectl annotate namespace ${name} ${names}`;
}

/** How Linkerd is told of tracing for pods of a policy; undefined where it is left alone or not there. */
export function linkerdTracing(
  seen: Seen,
  { namespace }: Pick<LinkerdOptions, 'namespace'>,
  policy: Policy | undefined,
): LinkerdTracing | undefined {
  const known = config(seen, namespace);
  if (!policy || !known || modeOf('Linkerd', policy) === 'Disabled') return undefined;
  return tracingOf(policy, known);
}

/** Undefined where proxies would not be understood at the policy's collector. */
function tracingOf({ spec }: Policy, known: Values | undefined): LinkerdTracing | undefined {
  const said = spec.mesh?.linkerd?.tracing;
  if (said || known?.proxy.tracing) return said ?? 'ControlPlane';
  return speaksOtlp(known?.linkerdVersion ?? '') ? 'LinkerdJaeger' : undefined;
}

/**
 * Whether proxies can be told to speak OTLP, as `edge-24.10.1`, `stable-2.17.0` and later can; of what is called otherwise it is assumed.
 * https://github.com/linkerd/linkerd2/pull/13099, https://github.com/linkerd/linkerd2/pull/13130
 */
function speaksOtlp(version: string): boolean {
  const [, channel, major, minor] = /^(?:([a-z]+)-)?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) return true;
  const first = channel === 'edge' ? [24, 10] : [2, 17];
  return Number(major) > first[0]! || (Number(major) === first[0] && Number(minor) >= first[1]!);
}

function config(seen: Seen, controlPlane: string): Values | undefined {
  const [found] = seen.list(CONFIG, controlPlane) as ConfigMap[];
  return found && valuesOf(found);
}

type ConfigMap = KubeObject & { data?: Record<string, string> };

const valuesOf = readOnce(({ data }: ConfigMap): Values | undefined => {
  try {
    return values.safeParse(load(data?.['values'] ?? '') ?? {}).data;
  } catch {
    return undefined;
  }
});

function told(message: string, problem: string | undefined): Plan {
  return problem === undefined ? nothing('Configured', message) : nothing('Incomplete', `${message}; ${problem}`);
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
