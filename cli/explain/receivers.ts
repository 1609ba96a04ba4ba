import { distance } from '../../injector/distance.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Policy } from '../../injector/resolve.ts';
import { ApiError } from '../../operator/kube/client.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { List, Read } from '../reading.ts';
import { readAll } from '../reading.ts';
import type { Facts } from './facts.ts';

interface Service {
  metadata: { name: string; namespace: string };
  spec?: {
    type?: string;
    clusterIP?: string;
    selector?: Record<string, string>;
    ports?: { name?: string; port: number }[];
  };
}

/** What can be seen of the Services that may take spans. */
export interface Receivers {
  services: Service[];
  /** Namespaces of which all Services were seen; undefined: all there are. */
  namespaces?: string[];
  /** Of those that an endpoint names, `NAMESPACE/NAME`, how many of their pods are ready. */
  ready: Map<string, number>;
}

/** An endpoint that names a Service of the cluster. */
interface InCluster {
  name: string;
  namespace: string;
  port: number;
}

/** What an exporter's words about a receiver come to: more of it than they say, and what to do. */
export interface Diagnosis {
  why?: string;
  next: string;
}

/** Ends of hosts that are names of the internet and no namespaces. */
const INTERNET = /\.(com|org|net|io|dev|cloud|app|co|ai|eu)$/;
/** The ports of OTLP: grpc, http. */
const OTLP = new Map([
  [4317, 'grpc'],
  [4318, 'http/protobuf'],
]);

/**
 * Reads which Services there are: of all namespaces, or where that is not allowed of those that matter. What may not be read is
 * nothing that anybody misses, so it is not remembered as such.
 */
export async function findReceivers(
  client: Pick<KubeClient, 'request'>,
  own: string,
  endpoints: readonly string[],
): Promise<Receivers> {
  const read: Read = async (path, _leavesOpen, query = {}) => {
    try {
      return await client.request('GET', path, { query });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return undefined;
    }
  };
  const named = endpoints.flatMap((endpoint) => inCluster(endpoint, own) ?? []);
  const all = await readAll<Service>(read, '/api/v1/services', '');
  const wanted = [...new Set([own, ...named.map(({ namespace }) => namespace)])];
  const lists = all
    ? []
    : await Promise.all(
        wanted.map(async (namespace) => ({
          namespace,
          services: await readAll<Service>(read, `/api/v1/namespaces/${namespace}/services`, ''),
        })),
      );
  const services = all ?? lists.flatMap(({ services }) => services ?? []);
  const ready = new Map<string, number>();
  for (const { name, namespace } of named) {
    if (!services.some(({ metadata }) => metadata.name === name && metadata.namespace === namespace)) continue;
    const slices = await read<List<{ endpoints?: { conditions?: { ready?: boolean } }[] | null }>>(
      `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
      '',
      { labelSelector: `kubernetes.io/service-name=${name}` },
    );
    const found = slices?.items?.flatMap(({ endpoints }) => endpoints ?? []);
    if (found) ready.set(`${namespace}/${name}`, found.filter(({ conditions }) => conditions?.ready !== false).length);
  }
  const seen = lists.filter((each) => each.services).map(({ namespace }) => namespace);
  return { services, ready, ...(!all && { namespaces: seen }) };
}

/** A receiver that a first policy may send to, by its ports; that of the own namespace first. @param own undefined: of any. */
export function likelyReceiver(
  { services }: Receivers,
  own: string | undefined,
): { endpoint: string; protocol?: 'grpc' } | undefined {
  const found = services.flatMap(({ metadata, spec }) => {
    const ports = (spec?.ports ?? []).map(({ port }) => port).filter((port) => OTLP.has(port));
    // What has both is mostly the receiver itself.
    return ports.length > 0
      ? [{ ...metadata, port: ports.includes(4318) ? 4318 : ports[0]!, both: ports.length > 1 }]
      : [];
  });
  const [best] = found.sort(
    (a, b) =>
      Number(b.namespace === own) - Number(a.namespace === own) ||
      Number(b.both) - Number(a.both) ||
      (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1),
  );
  if (!best) return undefined;
  const host = best.namespace === own ? best.name : `${best.name}.${best.namespace}`;
  return { endpoint: `http://${host}:${best.port}`, ...(best.port === 4317 && { protocol: 'grpc' as const }) };
}

/** The trouble of an exporter, `exporter NAME: …`, with the exporter; undefined where the document has none of that name. */
export function exporterOf(trouble: string, document: PolicyDocument | undefined) {
  const [, name] = /^exporter ([^:]+): /.exec(trouble) ?? [];
  return document?.spec.exporters.find((each) => each.name === name);
}

/**
 * What is behind the trouble of an exporter, and what to do. Pure.
 * @param target as kubectl names the workload.
 */
export function diagnose(
  trouble: string,
  { receivers, namespace, installation }: Pick<Facts, 'receivers' | 'namespace' | 'installation'>,
  document: PolicyDocument | undefined,
  policy: Policy | undefined,
  target: string,
): Diagnosis {
  const kubectl = `kubectl -n ${namespace}`;
  const [, key, kind, object, why] =
    /it needs key (\S+) of (Secret|ConfigMap) (\S+), which (is not there|this pod was made without)/.exec(trouble) ??
    [];
  if (why === 'this pod was made without') return { next: `${kubectl} rollout restart ${target}` };
  if (why !== undefined)
    return {
      next: `${kubectl} create ${kind === 'Secret' ? 'secret generic' : 'configmap'} ${object} --from-literal=${key}=VALUE # or add the key to it; pods take it up within a minute or two`,
    };
  const exporter = exporterOf(trouble, document);
  const logs = `${kubectl} logs ${target} | grep tracing-operator:`;
  if (!exporter) return { next: logs };
  const edit = (to: string) =>
    policy?.spec.exporters
      ? `${policy.kind === 'TracingPolicy' ? `kubectl -n ${policy.metadata.namespace}` : 'kubectl'} edit ${policy.kind.toLowerCase()} ${policy.metadata.name} # ${to}`
      : `helm get values ${typeof installation === 'object' ? `${installation.name} -n ${installation.namespace}` : 'tracing-operator -n tracing-system'} # defaultPolicy.exporters: ${to}`;
  const field = `the exporter ${exporter.name}: endpoint ${exporter.endpoint}`;
  if (/HTTP 40[13]|UNAUTHENTICATED|PERMISSION_DENIED/.test(trouble))
    return { next: edit(`the exporter ${exporter.name}: headers, by which ${exporter.endpoint} knows who sends`) };
  if (/: the queue was full/.test(trouble)) return { next: edit('sampling.ratio lower, or batch.maxQueueSize higher') };
  const asked = inCluster(exporter.endpoint, namespace);
  const isLookUp = /ENOTFOUND|EAI_AGAIN/.test(trouble);
  if (
    !asked ||
    !receivers ||
    !(isLookUp || /ECONN|ETIMEDOUT|EHOSTUNREACH|timeout|timed out|no answer|hang up/i.test(trouble))
  )
    return { next: edit(field) };
  const { name, port } = asked;
  const id = `${asked.namespace}/${name}`;
  if (receivers.namespaces && !receivers.namespaces.includes(asked.namespace))
    return {
      why: `whether there is a Service ${name} in namespace ${asked.namespace} you may not see`,
      next: edit(`${field}; or ask who runs it`),
    };
  const service = receivers.services.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === id);
  if (!service) {
    const near = nearTo(asked, receivers.services);
    return {
      why: `there is no Service ${name} in namespace ${asked.namespace}${near ? `, but ${near.name} in ${near.namespace}` : ''}`,
      next: edit(near ? `the exporter ${exporter.name}: endpoint ${endpointOf(exporter.endpoint, near)}` : field),
    };
  }
  // Another name for something outside of which nobody here knows more.
  if (service.spec?.type === 'ExternalName') return { next: edit(field) };
  const ports = service.spec?.ports ?? [];
  // A headless one is its pods' addresses, whatever their ports.
  if (service.spec?.clusterIP !== 'None' && !ports.some((each) => each.port === port)) {
    const there = ports.map((each) => each.port).join(', ');
    const right =
      ports.find((each) => OTLP.get(each.port) === exporter.protocol) ?? ports.find(({ port }) => OTLP.has(port));
    return {
      why: `Service ${name} in namespace ${asked.namespace} has no port ${port}, but ${there || 'none'}`,
      next: edit(right ? `the exporter ${exporter.name}: endpoint ${withPort(exporter.endpoint, right.port)}` : field),
    };
  }
  const theirs = `kubectl -n ${asked.namespace}`;
  if (receivers.ready.get(id) === 0) {
    const selector = Object.entries(service.spec?.selector ?? {});
    return {
      why: `Service ${name} in namespace ${asked.namespace} has no pod that is ready`,
      next:
        selector.length > 0
          ? `${theirs} get pods -l ${selector.map(([label, value]) => `${label}=${value}`).join(',')}`
          : `${theirs} describe service ${name}`,
    };
  }
  return {
    why: `Service ${name} in namespace ${asked.namespace} is there, and has pods that are ready`,
    next: `${theirs} describe service ${name} # its targetPort: do its pods listen there, and does a NetworkPolicy keep others from them?`,
  };
}

/** Undefined for an address, or a host that is plainly none of the cluster's. */
function inCluster(endpoint: string, own: string): InCluster | undefined {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    return undefined;
  }
  const { hostname, protocol } = url;
  const port = Number(url.port) || (protocol === 'https:' ? 443 : 80);
  const [name = '', namespace = own, ...rest] = hostname.split('.');
  const isOurs = rest.length === 0 || (rest[0] === 'svc' && ['svc', 'svc.cluster.local'].includes(rest.join('.')));
  if (!isOurs || hostname.startsWith('[') || name === 'localhost' || INTERNET.test(hostname)) return undefined;
  return { name, namespace, port };
}

/** What is called almost so, or so in another namespace. */
function nearTo({ name, namespace }: InCluster, services: readonly Service[]): Service['metadata'] | undefined {
  const others = services.map(({ metadata }) => metadata);
  return (
    others.find((each) => each.namespace === namespace && distance(each.name, name) <= 2) ??
    others.find((each) => each.name === name)
  );
}

function endpointOf(endpoint: string, { name, namespace }: Service['metadata']): string {
  const { protocol, port, pathname } = new URL(endpoint);
  return `${protocol}//${name}.${namespace}${port && `:${port}`}${pathname === '/' ? '' : pathname}`;
}

function withPort(endpoint: string, port: number): string {
  const url = new URL(endpoint);
  return `${url.protocol}//${url.hostname}:${port}${url.pathname === '/' ? '' : url.pathname}`;
}
