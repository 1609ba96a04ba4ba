import type { Cluster } from '../cluster/cluster.ts';
import { ISTIO_NAMESPACE } from '../cluster/mesh/installation.ts';
import type { Images } from '../demo/prepare.ts';
import { service, servicePod } from './mesh-scene.ts';

/** Gateways of the Gateway API, as istiod deploys them. */
export const DOOR = {
  namespace: ISTIO_NAMESPACE,
  pod: 'deployment/door-istio',
  url: `http://door-istio.${ISTIO_NAMESPACE}`,
};
const SILENT = 'silent';
export const WAYPOINT = 'waypoint';

const API = 'gateway.networking.k8s.io';

/**
 * An ambient namespace with a traced service, `order`, behind a waypoint, to which two gateways send requests: `door` of the
 * mesh's root namespace, and `silent` of the namespace itself, which its owner has make no spans, so that it passes on what
 * comes as apps do that have no sidecar. All proxies are istiod's own making.
 * @returns the URL of the gateway `silent`.
 */
export async function deployWaypoint(
  cluster: Cluster,
  images: Pick<Images, 'shop'>,
  namespace: string,
): Promise<string> {
  const parents = [{ name: SILENT }, { name: 'door', namespace: ISTIO_NAMESPACE }];
  const silence = {
    targetRefs: [{ group: API, kind: 'Gateway', name: SILENT }],
    tracing: [{ disableSpanReporting: true }],
  };
  const items = [
    gateway(namespace, WAYPOINT, 'istio-waypoint', { name: 'mesh', port: 15008, protocol: 'HBONE' }),
    gateway(namespace, SILENT, 'istio', { name: 'http', port: 80, protocol: 'HTTP' }),
    gateway(ISTIO_NAMESPACE, 'door', 'istio', {
      ...{ name: 'http', port: 80, protocol: 'HTTP' },
      allowedRoutes: { namespaces: { from: 'All' } },
    }),
    {
      ...{ apiVersion: 'telemetry.istio.io/v1', kind: 'Telemetry', metadata: { name: SILENT, namespace } },
      spec: silence,
    },
    {
      ...{ apiVersion: `${API}/v1`, kind: 'HTTPRoute', metadata: { name: 'order', namespace } },
      spec: { parentRefs: parents, rules: [{ backendRefs: [{ name: 'order', port: 8080 }] }] },
    },
    servicePod(images, 'order', { traced: true }),
    service('order', 'http', 8080, { 'istio.io/ingress-use-waypoint': 'true' }),
  ];
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: items.map((item) => within(item, namespace)) });
  await cluster.run('kubectl', ['apply', '-f', '-'], { input });
  const ready = (where: string, what: string, condition: string) =>
    cluster.run('kubectl', ['--namespace', where, 'wait', what, `--for=condition=${condition}`, '--timeout=120s']);
  // Its Deployment is there by then.
  await ready(namespace, `gateway/${WAYPOINT}`, 'Programmed');
  await ready(namespace, `gateway/${SILENT}`, 'Programmed');
  await ready(ISTIO_NAMESPACE, 'gateway/door', 'Programmed');
  await ready(namespace, `deployment/${WAYPOINT}`, 'Available');
  await ready(namespace, `deployment/${SILENT}-istio`, 'Available');
  await ready(ISTIO_NAMESPACE, 'deployment/door-istio', 'Available');
  await ready(namespace, 'pod/order', 'Ready');
  return `http://${SILENT}-istio.${namespace}`;
}

function gateway(namespace: string, name: string, gatewayClassName: string, listener: object): object {
  const annotations = { 'networking.istio.io/service-type': 'ClusterIP' };
  return {
    ...{ apiVersion: `${API}/v1`, kind: 'Gateway', metadata: { name, namespace, annotations } },
    spec: { gatewayClassName, listeners: [listener] },
  };
}

function within(item: object, namespace: string): object {
  const { metadata } = item as { metadata: object };
  return { ...item, metadata: { namespace, ...metadata } };
}
