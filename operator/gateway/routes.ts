import type { AddedTo, Seen, Watched } from '../integration/system.ts';
import type { KubeObject } from '../kube/reflector.ts';

/** What ways from a gateway into a namespace are like, as far as it is read here. */
export interface Route extends KubeObject {
  metadata: KubeObject['metadata'] & { annotations?: Record<string, string> };
  spec?: {
    ingressClassName?: string;
    defaultBackend?: IngressBackend;
    rules?: (IngressRule & HttpRouteRule)[];
  };
  status?: { parents?: { controllerName?: string }[] };
}

interface IngressBackend {
  service?: { name: string };
}

interface IngressRule {
  http?: { paths?: { backend: IngressBackend }[] };
}

interface HttpRouteRule {
  backendRefs?: { kind?: string; name: string; namespace?: string }[];
}

const prune = ({ apiVersion, kind, metadata, ...rest }: KubeObject): KubeObject => {
  const { spec, status } = rest as Route;
  const { name, namespace, uid, resourceVersion, annotations } = metadata;
  const pruned: Route = {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind !== undefined && { kind }),
    metadata: { name, namespace: namespace!, uid, resourceVersion, annotations: annotations as Record<string, string> },
    ...(spec && { spec: { ...spec } }),
    ...(status?.parents && { status: { parents: status.parents } }),
  };
  return pruned;
};

export const INGRESSES: AddedTo = {
  group: 'networking.k8s.io',
  versions: ['v1'],
  resource: 'ingresses',
  kind: 'Ingress',
  builtIn: true,
  prune,
};

export const INGRESS_CLASSES: Watched = {
  group: 'networking.k8s.io',
  versions: ['v1'],
  resource: 'ingressclasses',
  builtIn: true,
};

export const HTTP_ROUTES: AddedTo = {
  group: 'gateway.networking.k8s.io',
  versions: ['v1', 'v1beta1'],
  resource: 'httproutes',
  kind: 'HTTPRoute',
  prune,
};

/** Whose class an Ingress said before it had a field for it. */
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

/** Names of the classes that a controller serves. */
export function classesOf(seen: Seen, controller: string): string[] {
  return (seen.list(INGRESS_CLASSES) as (KubeObject & { spec?: { controller?: string } })[])
    .filter(({ spec }) => spec?.controller === controller)
    .map(({ metadata: { name } }) => name);
}

/** The Ingresses of a namespace that are of one of these classes. */
export function ingressesOf(seen: Seen, namespace: string, classes: readonly string[]): Route[] {
  return (seen.list(INGRESSES, namespace) as Route[]).filter(({ metadata, spec }) => {
    const name = spec?.ingressClassName ?? metadata.annotations?.[CLASS_ANNOTATION];
    return name !== undefined && classes.includes(name);
  });
}

/** The Services of its own namespace that a route leads to. */
export function backendsOf({ metadata: { namespace }, spec }: Route): string[] {
  const names = [
    spec?.defaultBackend,
    ...(spec?.rules ?? []).flatMap(({ http }) => (http?.paths ?? []).map(({ backend }) => backend)),
  ]
    .flatMap((backend) => backend?.service?.name ?? [])
    .concat(
      (spec?.rules ?? [])
        .flatMap(({ backendRefs = [] }) => backendRefs)
        .filter((ref) => (ref.kind ?? 'Service') === 'Service' && (ref.namespace ?? namespace) === namespace)
        .map(({ name }) => name),
    );
  return [...new Set(names)];
}
