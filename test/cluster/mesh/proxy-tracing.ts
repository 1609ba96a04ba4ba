import type { Cluster } from '../cluster.ts';

/** How a proxy samples requests that it takes in by one kind of its listeners. */
export interface ProxySampling {
  /** Percent of requests without a decision. */
  percentage: number;
  /** Envoy's extension; undefined where spans go nowhere. */
  provider: string | undefined;
}

interface ConnectionManager {
  stat_prefix: string;
  tracing?: { random_sampling?: { value?: number }; provider?: { name: string } };
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

/** What the administration interface of a pod's Envoy answers. */
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
  return [{ percentage: tracing.random_sampling?.value ?? 0, provider: tracing.provider?.name }];
}

function distinct(all: ProxySampling[]): ProxySampling[] {
  return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
}

function connectionManagers(node: unknown): ConnectionManager[] {
  if (typeof node !== 'object' || node === null) return [];
  const type = (node as { '@type'?: unknown })['@type'];
  const own = typeof type === 'string' && type.endsWith(CONNECTION_MANAGER) ? [node as ConnectionManager] : [];
  return [...own, ...Object.values(node).flatMap(connectionManagers)];
}
