import { readFileSync } from 'node:fs';
import { loadAll } from 'js-yaml';
import type { ClusterTracingPolicy, TracingPolicy } from '../crds/tracing-policy.ts';
import type { SystemPlan } from '../operator/integration/plan.ts';
import { planNamespace } from '../operator/integration/plan.ts';
import type { Seen, System, Watched } from '../operator/integration/system.ts';
import { systems } from '../operator/integration/systems.ts';
import type { KubeObject } from '../operator/kube/reflector.ts';
import type { NamespaceMeta, PodMeta } from '../operator/policy/cluster-view.ts';

/** All that the operator configures beside apps, with every right. */
export const SYSTEMS = systems({
  istio: { namespace: 'istio-system', revisions: ['canary'] },
  linkerd: { namespace: 'linkerd', annotateNamespaces: true },
  kong: { enabled: true, samplingStrategy: false },
  ingressNginx: { enabled: true, namespace: 'ingress-nginx', configMap: 'ingress-nginx-controller' },
});

/** What is planned for the one namespace of a cluster, which these YAML documents are all of. */
export function plansFor(text: string, of: readonly System[] = SYSTEMS): SystemPlan[] {
  const objects = loadAll(text) as KubeObject[];
  const ofKind = <T>(kind: string) => objects.filter((object) => object.kind === kind) as unknown as T[];
  const { plans } = planNamespace(of, {
    namespace: ofKind<NamespaceMeta>('Namespace')[0]!,
    policies: {
      namespaced: ofKind<TracingPolicy>('TracingPolicy'),
      cluster: ofKind<ClusterTracingPolicy>('ClusterTracingPolicy'),
      defaults: {},
    },
    pods: ofKind<PodMeta>('Pod'),
    seen: seen(objects),
  });
  return plans;
}

const FIXTURES = new URL('../operator/integration/testdata/', import.meta.url);

/** The objects of these kinds in the cluster of a fixture, when all that is planned for it has been done. */
export function clusterOf(fixture: string, kinds: readonly string[]): KubeObject[] {
  const text = readFileSync(new URL(`${fixture}.yaml`, FIXTURES), 'utf8');
  return carriedOut(text).filter(({ kind = '' }) => kinds.includes(kind));
}

type Annotated = KubeObject & { metadata: { annotations?: Record<string, string> }; data?: Record<string, string> };

function carriedOut(text: string): KubeObject[] {
  const plans = plansFor(text);
  const additions = plans.flatMap((plan) => plan.additions);
  const there = (loadAll(text) as Annotated[]).map((object) => {
    const own = additions.filter(({ to, name }) => to.kind === object.kind && name === object.metadata.name);
    // What is somebody's already stays.
    const annotations = { ...merged(own.map((each) => each.annotations)), ...object.metadata.annotations };
    const data = { ...merged(own.map((each) => each.data)), ...object.data };
    return {
      ...object,
      metadata: { ...object.metadata, annotations },
      ...(Object.keys(data).length > 0 && { data }),
    };
  });
  return [...there, ...plans.flatMap((plan) => plan.objects as unknown as KubeObject[])];
}

function merged(all: readonly (Record<string, string> | undefined)[]): Record<string, string> {
  return Object.assign({}, ...all) as Record<string, string>;
}

/** `Telemetry` is `telemetries`, `Ingress` is `ingresses`. */
const plural = (kind = '') => kind.toLowerCase().replace(/y$/, 'ie').replace(/s$/, 'se') + 's';

/** What a cluster with these objects alone looks like. */
function seen(objects: readonly KubeObject[]): Seen {
  const kinds = (kind: string) => objects.filter((object) => object.kind === kind);
  const version = ({ group, versions, resource, builtIn }: Watched) =>
    group === '' ||
    builtIn ||
    kinds('CustomResourceDefinition').some(({ metadata: { name } }) => name === `${resource}.${group}`)
      ? versions[0]
      : undefined;
  return {
    version,
    list: (watched, namespace) =>
      objects.filter(
        ({ apiVersion = '', kind, metadata }) =>
          version(watched) !== undefined &&
          apiVersion === [watched.group, version(watched)].filter(Boolean).join('/') &&
          plural(kind) === watched.resource &&
          (watched.name === undefined || metadata.name === watched.name) &&
          (namespace === undefined || (watched.isNamespace ? metadata.name : metadata.namespace) === namespace),
      ),
  };
}
