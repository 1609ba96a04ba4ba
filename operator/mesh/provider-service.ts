import { SERVICES } from '../integration/services.ts';
import type { Seen, Watched } from '../integration/system.ts';
import type { KubeObject } from '../kube/reflector.ts';

interface ServiceEntry extends KubeObject {
  spec?: { hosts?: string[] };
}

/** Hosts outside of the cluster, as the mesh is told of them. */
export const SERVICE_ENTRIES: Watched = {
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1'],
  resource: 'serviceentries',
  forAll: true,
  prune: ({ metadata: { name, namespace, resourceVersion }, ...rest }): ServiceEntry => ({
    metadata: { name, namespace: namespace!, resourceVersion },
    spec: { hosts: (rest as ServiceEntry).spec?.hosts ?? [] },
  }),
};

/**
 * Why a mesh does not find the Service that a provider sends to, undefined where it does. istiod then makes no spans, and
 * says so in its log alone. A service is `HOST`, or `NAMESPACE/HOST`:
 * https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider-OpenTelemetryTracingProvider
 */
export function missingService(seen: Seen, service: string): string | undefined {
  const [host = '', namespace] = service.split('/').reverse();
  const [name = '', where = '', svc] = host.split('.');
  const isService =
    svc === 'svc' &&
    (namespace ?? where) === where &&
    seen.list(SERVICES, where).some(({ metadata }) => metadata.name === name);
  const entries = seen.list(SERVICE_ENTRIES, namespace) as ServiceEntry[];
  if (isService || entries.some(({ spec }) => spec?.hosts?.includes(host))) return undefined;
  const full = /^[^.]+\.[^.]+$/.test(host) ? `; of a Service it wants the whole name, ${host}.svc.cluster.local` : '';
  return `the mesh knows no host ${service}${full}. While that is so istiod turns tracing off: make the Service, or a ServiceEntry for what is outside of the cluster, or correct the provider in the MeshConfig`;
}
