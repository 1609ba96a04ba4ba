import type { Container, Pod } from './pod.ts';
import type { PolicyDocument } from './policy-document.ts';
import { OTEL_SERVICE_ANNOTATION, serviceName } from './resource.ts';

/**
 * How a cluster's Linkerd is told of tracing. ControlPlane, from 2.19 on: by values of the control plane, and pods only say
 * who they are. LinkerdJaeger, up to 2.18: by annotations of pods, which the extension linkerd-jaeger reads.
 */
export type LinkerdTracing = 'ControlPlane' | 'LinkerdJaeger';

const PROXY = 'linkerd-proxy';
/** https://github.com/linkerd/linkerd2/blob/version-2.18/jaeger/injector/mutator/webhook.go#L20-L26 */
export const LINKERD_JAEGER = {
  collector: 'config.linkerd.io/trace-collector',
  protocol: 'config.linkerd.io/trace-collector-protocol',
  name: 'config.linkerd.io/trace-collector-name',
} as const;
/** OTLP over gRPC, which is all that Linkerd's proxies speak. */
const OTLP_PORT = 4317;

/**
 * What is to be added to a traced pod's annotations so that its Linkerd proxy and its app are one service, and send to one
 * place. Only where the proxy is in the pod already: Linkerd's injector comes before us by its name, and linkerd-jaeger's is
 * asked again after us. What the pod or its namespace says itself stays.
 *
 * @param said annotations of the namespace.
 */
export function linkerdAnnotations(
  pod: Pod,
  traced: Container,
  document: PolicyDocument | undefined,
  tracing: LinkerdTracing | undefined,
  said: Record<string, string> = {},
): Record<string, string> {
  const { containers, initContainers = [] } = pod.spec;
  if (tracing === undefined || !document) return {};
  if (![...containers, ...initContainers].some(({ name }) => name === PROXY)) return {};
  const { annotations: own = {} } = pod.metadata ?? {};
  const name = serviceName(pod, traced, document.spec.resource.useLabels === true);
  if (tracing === 'ControlPlane')
    return own[OTEL_SERVICE_ANNOTATION] === undefined ? { [OTEL_SERVICE_ANNOTATION]: name } : {};
  const endpoint = linkerdEndpoint(document);
  if (endpoint === undefined) return {};
  const wanted = {
    [LINKERD_JAEGER.collector]: endpoint,
    [LINKERD_JAEGER.protocol]: 'opentelemetry',
    [LINKERD_JAEGER.name]: name,
  };
  // Another collector has another protocol: half of each would be neither's.
  if (LINKERD_JAEGER.collector in own || LINKERD_JAEGER.collector in said) return {};
  return Object.fromEntries(Object.entries(wanted).filter(([key]) => !(key in own) && !(key in said)));
}

/** Where proxies of Linkerd are to send spans, `HOST:PORT`: to the host of the policy's first exporter, in plain text. */
export function linkerdEndpoint({ spec }: PolicyDocument): string | undefined {
  const [exporter] = spec.exporters;
  if (!exporter?.endpoint.startsWith('http:') || spec.signals?.traces === false) return undefined;
  const { hostname, port } = new URL(exporter.endpoint);
  return `${hostname}:${exporter.protocol === 'grpc' ? port || 80 : OTLP_PORT}`;
}
