import { addedBy } from './added-by.ts';
import type { Decision } from './decision.ts';
import type { Container, Pod } from './pod.ts';
import type { PolicyDocument } from './policy-document.ts';
import type { Policy, Resolution } from './resolve.ts';
import { OTEL_ANNOTATION, serviceName } from './resource.ts';

/**
 * How a cluster's Linkerd is told of tracing. ControlPlane, from 2.19 on: by values of the control plane, and pods only say
 * who they are. LinkerdJaeger, up to 2.18: by annotations of pods, which the extension linkerd-jaeger reads.
 */
export type LinkerdTracing = 'ControlPlane' | 'LinkerdJaeger';

const PROXY = 'linkerd-proxy';
/** On a namespace or a pod: whether it gets a proxy. */
export const LINKERD_INJECT = 'linkerd.io/inject';
/** https://github.com/linkerd/linkerd2/blob/version-2.18/jaeger/injector/mutator/webhook.go#L20-L26 */
export const LINKERD_JAEGER = {
  collector: 'config.linkerd.io/trace-collector',
  protocol: 'config.linkerd.io/trace-collector-protocol',
  name: 'config.linkerd.io/trace-collector-name',
  serviceAccount: 'config.alpha.linkerd.io/trace-collector-service-account',
} as const;
/** OTLP over gRPC, which is all that Linkerd's proxies speak. */
const OTLP_PORT = 4317;

/** Characters of what an owner wrote: it goes into a warning and an annotation. */
const SHOWN = 200;

/** What can be the name of an annotation, behind the prefix. */
const ANNOTATION_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** What Linkerd's injector copies into YAML, where other characters are none and the pod would start without a proxy. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;
/** What comes out otherwise than it went into linkerd-jaeger, which escapes for HTML what it writes into JSON. */
const MANGLED = /["&'+<>\\]/;

/**
 * What is to be added to a traced pod's annotations so that its Linkerd proxy and its app are one service, and send to one
 * place: where the proxy is in the pod, or Linkerd's injector is to add it and comes after us, which depends on what both are
 * called. What the pod or its namespace says itself stays, and is told of where the policy says otherwise.
 */
export function linkerdAnnotations(
  pod: Pod,
  traced: Container,
  { policy, document }: Pick<Resolution, 'policy' | 'document'>,
  tracing: LinkerdTracing | undefined,
  namespace: { name: string; annotations?: Record<string, string> | undefined },
): { annotations: Record<string, string>; decision?: Decision } {
  const { annotations: own = {} } = pod.metadata ?? {};
  const isMeshed = proxies(pod).length > 0 || asksForProxy({ ...namespace.annotations, ...own });
  if (tracing === undefined || !document || !isMeshed) return { annotations: {} };
  const name = serviceName(pod, traced, document.spec.resource.useLabels === true);
  if (tracing === 'ControlPlane') {
    const attributes = {
      ...document.spec.resource.attributes,
      'service.namespace': namespace.name,
      'service.name': name,
    };
    const wanted = Object.entries(attributes).filter(
      ([key, value]) => ANNOTATION_NAME.test(key) && !UNPRINTABLE.test(value) && !(OTEL_ANNOTATION + key in own),
    );
    const annotations = wanted.map(([key, value]): [string, string] => [OTEL_ANNOTATION + key, value]);
    return { annotations: Object.fromEntries(annotations) };
  }
  const endpoint = linkerdEndpoint(document);
  if (endpoint === undefined) return { annotations: {} };
  const isTaken = !UNPRINTABLE.test(name) && !MANGLED.test(name);
  const wanted: Record<string, string> = {
    ...collectorAnnotations(endpoint, policy),
    ...(isTaken && { [LINKERD_JAEGER.name]: name }),
  };
  const ours = addedBy(namespace.annotations)?.names ?? [];
  const said = Object.fromEntries(Object.entries(namespace.annotations ?? {}).filter(([key]) => !ours.includes(key)));
  const theirs = { ...said, ...own };
  // Another collector has another protocol and account: half of each would be neither's.
  const other = [LINKERD_JAEGER.collector, LINKERD_JAEGER.protocol].find(
    (key) => theirs[key] !== undefined && theirs[key] !== wanted[key],
  );
  if (other !== undefined)
    return {
      annotations: {},
      decision: {
        reason: 'MeshSettings',
        message: `annotation ${other}${other in own ? '' : ' of the namespace'} stays as it is: ${theirs[other]!.slice(0, SHOWN)}, and nothing else is told to linkerd-jaeger. The policy asks for ${wanted[other]}`,
        warn: true,
      },
    };
  if (LINKERD_JAEGER.collector in theirs) return { annotations: {} };
  return { annotations: Object.fromEntries(Object.entries(wanted).filter(([key]) => !(key in theirs))) };
}

/** Whether annotations of a namespace or a pod have Linkerd's injector add a proxy. */
export function asksForProxy(annotations: Readonly<Record<string, string>> = {}): boolean {
  return ['enabled', 'ingress'].includes(annotations[LINKERD_INJECT] ?? '');
}

/** Where proxies of a policy's pods send spans, as linkerd-jaeger reads it of a pod or of its namespace. */
export function collectorAnnotations(endpoint: string, policy: Policy | undefined): Record<string, string> {
  const account = policy?.spec.mesh?.linkerd?.collectorServiceAccount;
  return {
    [LINKERD_JAEGER.collector]: endpoint,
    [LINKERD_JAEGER.protocol]: 'opentelemetry',
    ...(account !== undefined && { [LINKERD_JAEGER.serviceAccount]: account }),
  };
}

/** Attributes of the proxy's spans, a line each; there where the control plane has tracing switched on. */
const ATTRIBUTES = 'LINKERD2_PROXY_TRACE_EXTRA_ATTRIBUTES';

/**
 * Tells a proxy that is in a pod what annotations that were added say. Linkerd's injector turns annotations of a pod into a variable
 * of its proxy, has done so by then, and is not asked again; of two lines with one name the proxy takes the last.
 * https://github.com/linkerd/linkerd2/blob/b24cd4059841f8cee2fb7a9c2ac23a693c583579/pkg/inject/inject.go#L608-L625
 * https://github.com/linkerd/linkerd2/blob/b24cd4059841f8cee2fb7a9c2ac23a693c583579/charts/partials/templates/_proxy.tpl#L170-L174
 * https://github.com/linkerd/linkerd2-proxy/blob/29637b64f6cebedaf15bfbf516818d7a28a4d5a6/linkerd/app/src/env/trace.rs#L36-L76
 */
export function nameProxies(pod: Pod, added: Readonly<Record<string, string>>): void {
  const lines = Object.entries(added).flatMap(([key, value]) =>
    // The kubelet would read a dollar sign as a reference.
    key.startsWith(OTEL_ANNOTATION) ? [`${key.slice(OTEL_ANNOTATION.length)}=${value.replaceAll('$', '$$$$')}`] : [],
  );
  if (lines.length === 0) return;
  for (const proxy of proxies(pod).filter(({ env }) => env))
    proxy.env = proxy.env!.map((entry) =>
      entry.name === ATTRIBUTES && entry.value !== undefined
        ? { ...entry, value: `${entry.value.trimEnd()}\n${lines.join('\n')}\n` }
        : entry,
    );
}

function proxies({ spec: { containers, initContainers = [] } }: Pod): Container[] {
  return [...initContainers, ...containers].filter(({ name }) => name === PROXY);
}

/** Where proxies of Linkerd are to send spans, `HOST:PORT`: to the host of the policy's first exporter, in plain text. */
export function linkerdEndpoint({ spec }: PolicyDocument): string | undefined {
  const [exporter] = spec.exporters;
  if (!exporter?.endpoint.startsWith('http:') || spec.signals?.traces === false) return undefined;
  const { hostname, port } = new URL(exporter.endpoint);
  return `${hostname}:${exporter.protocol === 'grpc' ? port || 80 : OTLP_PORT}`;
}
