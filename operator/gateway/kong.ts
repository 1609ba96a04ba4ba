import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Propagator } from '../../crds/tracing-policy.ts';
import { SERVICES } from '../integration/services.ts';
import type { AddedTo, DesiredAddition, DesiredObject, Seen, System, Watched } from '../integration/system.ts';
import { nothing, ratioOf } from '../integration/system.ts';
import type { KubeObject } from '../kube/reflector.ts';
import type { HttpDestination } from './exporter.ts';
import { overHttp } from './exporter.ts';
import type { Route } from './routes.ts';
import { backendsOf, classesOf, HTTP_ROUTES, INGRESS_CLASSES, INGRESSES, ingressesOf } from './routes.ts';

export interface KongOptions {
  /** Whether the chart gives the rights to it. */
  enabled: boolean;
  /** Whether the gateway's plug-in has `config.sampling_strategy`: Kong Gateway Enterprise has, the one of open source has not. */
  samplingStrategy: boolean;
}

const GROUP = 'configuration.konghq.com';
const PLUGINS: Watched = { group: GROUP, versions: ['v1'], resource: 'kongplugins' };
const CLUSTER_PLUGINS: Watched = { group: GROUP, versions: ['v1'], resource: 'kongclusterplugins' };
const ADDED_TO: readonly AddedTo[] = [INGRESSES, HTTP_ROUTES, SERVICES];

interface Plugin extends KubeObject {
  plugin?: string;
  config?: { sampling_rate?: number };
  status?: { conditions?: { type: string; status: string; message?: string }[] };
}

/** By name, with commas between. */
const LIST = 'konghq.com/plugins';
const NAME = 'tracing-acme';
const KIND = 'opentelemetry';
const INGRESS_CONTROLLER = 'ingress-controllers.konghq.com/kong';
const GATEWAY_CONTROLLER = 'konghq.com/kic-gateway-controller';
/** Of Ingresses that say their class by annotation, where no IngressClass is needed. */
const DEFAULT_CLASS = 'kong';

/**
 * Kong's plug-in opentelemetry, on all ways of a namespace that are Kong's. It draws for each request that does not come with
 * an unsampled context, and those behind follow it (docs/guides/kong.md).
 */
export function kong({ enabled, samplingStrategy }: KongOptions): System {
  return {
    name: 'Kong',
    watched: enabled ? [PLUGINS, CLUSTER_PLUGINS, INGRESS_CLASSES, ...ADDED_TO] : [],
    owned: enabled ? [PLUGINS] : [],
    added: enabled ? ADDED_TO : [],
    ...(!enabled && { forbidden: 'the chart gives the operator no right to Kong (Helm value kong.enabled)' }),
    absent: (seen) =>
      seen.version(PLUGINS) === undefined
        ? `the cluster has no CustomResourceDefinition ${PLUGINS.resource}.${GROUP}`
        : undefined,
    plan(input) {
      const { document, policy, seen } = input;
      const namespace = input.namespace.metadata.name;
      const routes = routesOf(seen, namespace);
      if (routes.length === 0) return nothing('NotUsed', "no Ingress or HTTPRoute of the namespace is Kong's");
      if (document.spec.exporters.length === 0 || document.spec.signals?.traces === false)
        return nothing('Configured', 'tracing is switched off: Kong has no plug-in of ours');
      const to = overHttp(document, namespace);
      if ('problem' in to) return nothing('Incomplete', `Kong sends no spans: ${to.problem}`);
      const trust = policy.spec.gateway?.trustIncoming ?? true;
      const placed = place(routes, seen, namespace, document);
      const object = plugin(document, to, { trust, samplingStrategy });
      const refused = refusedBy(seen, namespace);
      const said = [
        `Kong begins ${percent(document)} % of traces on ${describe(placed.additions)}, and ${comesIn(trust, samplingStrategy)}; spans go to ${to.url}`,
        ...(refused === undefined ? [] : [`Kong does not take KongPlugin ${NAME}: ${refused}`]),
        ...placed.conflicts,
      ];
      const state = placed.conflicts.length > 0 ? 'Conflict' : refused === undefined ? 'Configured' : 'Incomplete';
      return { state, message: said.join('; '), objects: [object], additions: placed.additions };
    },
  };
}

interface OnRoute {
  to: AddedTo;
  route: Route;
}

function routesOf(seen: Seen, namespace: string): OnRoute[] {
  const classes = [...classesOf(seen, INGRESS_CONTROLLER), DEFAULT_CLASS];
  const ingresses = ingressesOf(seen, namespace, classes).map((route) => ({ to: INGRESSES, route }));
  // A route is Kong's where Kong's controller says so.
  const httpRoutes = (seen.list(HTTP_ROUTES, namespace) as Route[])
    .filter(({ status }) => status?.parents?.some(({ controllerName }) => controllerName === GATEWAY_CONTROLLER))
    .map((route) => ({ to: HTTP_ROUTES, route }));
  return [...ingresses, ...httpRoutes];
}

interface Placed {
  additions: DesiredAddition[];
  /** Why it is not on a route, with both values. */
  conflicts: string[];
}

/**
 * Where the plug-in is listed. A list is one string: where a route's owner has one, it stays as it is and the route's
 * Services list the plug-in, which is as good to Kong; where they have lists too, their owner is asked.
 */
function place(routes: readonly OnRoute[], seen: Seen, namespace: string, document: PolicyDocument): Placed {
  const additions = new Map<string, DesiredAddition>();
  const conflicts: string[] = [];
  const add = (to: AddedTo, name: string) =>
    additions.set(`${to.kind} ${name}`, { to, name, annotations: { [LIST]: NAME } });
  for (const { to, route } of routes) {
    const list = listOf(route);
    const named = `${to.kind} ${route.metadata.name}`;
    const theirs = tracingOf(list, seen, namespace);
    if (theirs)
      conflicts.push(
        `${named}: its plug-in ${theirs.metadata.name} samples ${theirs.config?.sampling_rate ?? "by Kong's own tracing_sampling_rate"}, and the policy asks for ${ratioOf(document)}: nothing is added`,
      );
    else if (isOurs(list)) add(to, route.metadata.name);
    else if (!list.includes(NAME)) {
      const services = (seen.list(SERVICES, namespace) as Route[]).filter(({ metadata: { name } }) =>
        backendsOf(route).includes(name),
      );
      const free = services.filter((service) => isOurs(listOf(service)));
      for (const { metadata } of free) add(SERVICES, metadata.name);
      const taken = services.filter((service) => !free.includes(service) && !listOf(service).includes(NAME));
      if (services.length === 0 || taken.length > 0)
        conflicts.push(
          `${[named, ...taken.map(({ metadata }) => `Service ${metadata.name}`)].join(' and ')}: ${LIST} is ${list.join(',')}, and the policy asks for ${[...list, NAME].join(',')}: set that on the ${to.kind}`,
        );
    }
  }
  return { additions: [...additions.values()], conflicts };
}

function listOf({ metadata: { annotations } }: Route): string[] {
  return (annotations?.[LIST] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
}

function isOurs(list: readonly string[]): boolean {
  return list.every((name) => name === NAME);
}

/** A plug-in for tracing that somebody else lists. */
function tracingOf(list: readonly string[], seen: Seen, namespace: string): Plugin | undefined {
  const known = [...seen.list(PLUGINS, namespace), ...seen.list(CLUSTER_PLUGINS)] as Plugin[];
  const first = (name: string) => known.find(({ metadata }) => metadata.name === name);
  return list
    .filter((name) => name !== NAME)
    .flatMap((name) => first(name) ?? [])
    .find(({ plugin: kind }) => kind === KIND);
}

/** Why Kong's controller does not take the plug-in that is there. */
function refusedBy(seen: Seen, namespace: string): string | undefined {
  const own = (seen.list(PLUGINS, namespace) as Plugin[]).find(({ metadata }) => metadata.name === NAME);
  const programmed = own?.status?.conditions?.find(({ type }) => type === 'Programmed');
  return programmed?.status === 'False' ? (programmed.message ?? 'it does not say why') : undefined;
}

/** How Kong calls them: https://github.com/Kong/kong/blob/3.9.0/kong/observability/tracing/propagation/utils.lua */
const FORMATS: Record<Propagator, { extract?: string; inject?: string }> = {
  tracecontext: { extract: 'w3c', inject: 'w3c' },
  b3: { extract: 'b3', inject: 'b3-single' },
  b3multi: { extract: 'b3', inject: 'b3' },
  jaeger: { extract: 'jaeger', inject: 'jaeger' },
  xray: { extract: 'aws', inject: 'aws' },
  baggage: {},
};

/** All by which a request may carry a context, whatever the policy's apps read. */
const CONTEXT_HEADERS = [
  ...['traceparent', 'tracestate', 'baggage', 'uber-trace-id', 'x-amzn-trace-id'],
  ...['b3', 'x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-flags'],
];

/** https://github.com/Kong/kong/blob/3.9.0/kong/plugins/opentelemetry/schema.lua */
function plugin(
  document: PolicyDocument,
  { url, headers }: HttpDestination,
  { trust, samplingStrategy }: { trust: boolean; samplingStrategy: boolean },
): DesiredObject {
  const { propagators, resource } = document.spec;
  const formats = propagators.map((each) => FORMATS[each]);
  const some = (field: 'extract' | 'inject') => [...new Set(formats.flatMap((each) => each[field] ?? []))];
  const attributes = Object.entries(resource.attributes).filter(([, value]) => value !== '');
  return {
    apiVersion: `${GROUP}/v1`,
    kind: 'KongPlugin',
    metadata: { name: NAME },
    plugin: KIND,
    config: {
      traces_endpoint: url,
      ...(Object.keys(headers).length > 0 && { headers }),
      sampling_rate: ratioOf(document),
      ...(trust && samplingStrategy && { sampling_strategy: 'parent_probability_fallback' }),
      propagation: {
        // Without it nothing is read of what comes in.
        ...(trust ? { extract: some('extract') } : { clear: CONTEXT_HEADERS }),
        inject: some('inject'),
        default_format: 'w3c',
      },
      ...(attributes.length > 0 && { resource_attributes: Object.fromEntries(attributes) }),
    },
  };
}

function comesIn(trust: boolean, samplingStrategy: boolean): string {
  if (!trust) return 'ignores the context that requests come with';
  return samplingStrategy
    ? 'lets pass what was decided before it'
    : 'lets unsampled requests pass and draws again for sampled ones';
}

function percent(document: PolicyDocument): number {
  return Number((ratioOf(document) * 100).toPrecision(6));
}

const SHOWN = 3;

function describe(additions: readonly DesiredAddition[]): string {
  if (additions.length === 0) return `what lists ${NAME} by itself`;
  const shown = additions.slice(0, SHOWN).map(({ to, name }) => `${to.kind} ${name}`);
  const more = additions.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
