import type { Cluster } from '../cluster.ts';

/** How a proxy samples requests that it takes in by one kind of its listeners. */
export interface ProxySampling {
  /** Percent of requests without a decision. */
  percentage: number;
  /** Envoy's extension; undefined where spans go nowhere. */
  provider: string | undefined;
  /** Envoy's extension by which the provider decides itself; undefined where the percentage does. */
  sampler: string | undefined;
}

interface ConnectionManager {
  stat_prefix: string;
  tracing?: {
    random_sampling?: { value?: number };
    provider?: { name: string; typed_config?: { sampler?: { name: string } } };
  };
}

const CONNECTION_MANAGER = 'http_connection_manager.v3.HttpConnectionManager';

/** What Envoy in a pod of Istio's really runs by, out of its own dump: how requests in each direction are sampled; none where they make no spans. */
export async function proxyTracing(
  cluster: Cluster,
  namespace: string,
  pod: string,
): Promise<{ inbound: ProxySampling[]; outbound: ProxySampling[] }> {
  const managers = connectionManagers(JSON.parse(await askProxy(cluster, namespace, pod, '/config_dump')));
  const of = (isWanted: (prefix: string) => boolean) =>
    distinct(managers.filter(({ stat_prefix: prefix }) => isWanted(prefix)).flatMap(samplingOf));
  // What proxies say of themselves, and its probe, has nothing to do with the app.
  return {
    inbound: of((prefix) => prefix.startsWith('inbound')),
    outbound: of((prefix) => prefix.startsWith('outbound')),
  };
}

/** What the administration interface of a pod's Envoy answers; the pod may be given as `deployment/NAME`. */
export function askProxy(cluster: Cluster, namespace: string, pod: string, path: string): Promise<string> {
  const request = ['pilot-agent', 'request', 'GET', path];
  return cluster.run('kubectl', [
    '--namespace',
    namespace,
    'exec',
    pod,
    '--container',
    'istio-proxy',
    '--',
    ...request,
  ]);
}

function samplingOf({ tracing }: ConnectionManager): ProxySampling[] {
  if (!tracing) return [];
  const { random_sampling: { value = 0 } = {}, provider } = tracing;
  return [{ percentage: value, provider: provider?.name, sampler: provider?.typed_config?.sampler?.name }];
}

function distinct(all: ProxySampling[]): ProxySampling[] {
  return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
}

function connectionManagers(node: unknown): ConnectionManager[] {
  if (typeof node !== 'object' || node === null) return [];
  const type = (node as { '@type'?: unknown })['@type'];
  const own = typeof type === 'string' && type.endsWith(CONNECTION_MANAGER) ? [node as ConnectionManager] : [];
  // What drains takes no new connections, and stays for the better part of a minute.
  const current = Object.entries(node).filter(([key]) => key !== 'draining_state');
  return [...own, ...current.flatMap(([, value]) => connectionManagers(value))];
}
