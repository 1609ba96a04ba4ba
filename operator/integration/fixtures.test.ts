import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { dump, loadAll } from 'js-yaml';
import type { ClusterTracingPolicy, TracingPolicy } from '../../crds/tracing-policy.ts';
import type { KubeObject } from '../kube/reflector.ts';
import type { NamespaceMeta, PodMeta } from '../policy/cluster-view.ts';
import { planNamespace } from './plan.ts';
import type { Seen, Watched } from './system.ts';
import { systems } from './systems.ts';

/**
 * Every `testdata/NAME.yaml`, a namespace with its policies, pods and whatever else is in the cluster, with what must be
 * planned for it in `NAME.yaml.planned`: the objects, and what status says as comments. A CustomResourceDefinition in the
 * file says what is installed. `UPDATE_FIXTURES=1 npm run unit -- operator/integration` writes them anew; read the
 * difference before you commit it.
 */
const DIRECTORY = new URL('testdata/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, DIRECTORY), 'utf8');
const names = readdirSync(DIRECTORY).filter((name) => name.endsWith('.yaml'));
const all = systems({
  istio: { namespace: 'istio-system', revisions: ['canary'] },
  linkerd: { namespace: 'linkerd' },
  kong: { enabled: true, samplingStrategy: false },
  ingressNginx: { enabled: true, namespace: 'ingress-nginx', configMap: 'ingress-nginx-controller' },
});

const GATEWAYS = ['Kong', 'IngressNginx'];
/** Meshes, or in files that are named after one gateways. */
const systemsOf = (file: string) =>
  all.filter((system) => GATEWAYS.includes(system.name) === /^(kong|ingress-nginx)-/.test(file));

/** `Telemetry` is `telemetries`, `Ingress` is `ingresses`. */
const plural = (kind = '') => kind.toLowerCase().replace(/y$/, 'ie').replace(/s$/, 'se') + 's';

/** What a cluster with these objects alone looks like. */
function seen(objects: KubeObject[]): Seen {
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
          (namespace === undefined || metadata.namespace === namespace),
      ),
  };
}

/** Jest's objects are of another realm, which js-yaml does not take for plain ones. */
const yaml = (object: unknown) => dump(JSON.parse(JSON.stringify(object)), { noRefs: true });

function planned(name: string, text: string): string {
  const objects = loadAll(text) as KubeObject[];
  const of = <T>(kind: string) => objects.filter((object) => object.kind === kind) as unknown as T[];
  const { plans } = planNamespace(systemsOf(name), {
    namespace: of<NamespaceMeta>('Namespace')[0]!,
    policies: {
      namespaced: of<TracingPolicy>('TracingPolicy'),
      cluster: of<ClusterTracingPolicy>('ClusterTracingPolicy'),
      defaults: {},
    },
    pods: of<PodMeta>('Pod'),
    seen: seen(objects),
  });
  return plans
    .map(({ system, state, message, objects: wanted, additions }) => {
      const said = `# ${system.name} ${state}: ${message.replaceAll('\n', '\n#   ')}\n`;
      const added = additions.map(({ to, name, ...fields }) => `# added to ${to.kind} ${name}\n${yaml(fields)}`);
      return said + [...wanted.map(yaml), ...added].join('---\n');
    })
    .join('---\n');
}

describe.each(names)('%s', (name) => {
  it('is planned as its .planned file says', () => {
    const result = planned(name, read(name));
    if (process.env.UPDATE_FIXTURES) writeFileSync(new URL(`${name}.planned`, DIRECTORY), result);
    expect(result).toBe(read(`${name}.planned`));
  });
});

it('every plan belongs to a fixture', () => {
  const plans = readdirSync(DIRECTORY).filter((name) => name.endsWith('.planned'));
  expect(plans).toEqual(names.map((name) => `${name}.planned`));
});
