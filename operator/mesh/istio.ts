import { PROXY_CONFIG } from '../../injector/istio.ts';
import { INJECTED_LABEL } from '../../injector/names.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Resolution } from '../../injector/resolve.ts';
import { readOnce } from '../integration/read-once.ts';
import { SERVICES } from '../integration/services.ts';
import { modeOf } from '../integration/standing.ts';
import type { DesiredObject, Plan, PlanInput, Seen, Standing, System, Watched } from '../integration/system.ts';
import { nothing, ratioOf } from '../integration/system.ts';
import type { KubeObject } from '../kube/reflector.ts';
import type { MeshConfig } from './mesh-config.ts';
import { chooseProvider, readMeshConfig } from './mesh-config.ts';
import { otherPercentage, tracingByAnnotation } from './sidecar-tracing.ts';
import { missingService, SERVICE_ENTRIES } from './provider-service.ts';

export interface IstioOptions {
  /** Where istiod runs, with the ConfigMap that holds its MeshConfig. */
  namespace: string;
  /** Revisions of istiod besides the default one. */
  revisions: readonly string[];
}

export const TELEMETRIES: Watched = {
  group: 'telemetry.istio.io',
  versions: ['v1', 'v1alpha1'],
  resource: 'telemetries',
};

/** Of the namespace as a whole, and what of it differs for whom. */
const NAME = 'tracing-acme';
const TRACED = `${NAME}-traced`;
const WAYPOINT = `${NAME}-waypoint`;
const GATEWAY = `${NAME}-gateway`;
const GATEWAY_API = `${NAME}-gateway-api`;

/** By its value gateways of Istio's charts and operator are known: `ingressgateway`, or the release's name without `istio-`. */
const GATEWAY_LABEL = 'istio';
/** The Gateway of the Gateway API that a pod was made for. */
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
/** On a namespace or a Service: the waypoint that its requests pass. */
const USED_WAYPOINT = 'istio.io/use-waypoint';
/** On pods that Istio has made for a Gateway: by which of its controllers. */
const MANAGED = 'gateway.istio.io/managed';
const WAYPOINTS = 'istio.io-mesh-controller';
/** On all pods with a proxy of Istio's. */
const CANONICAL_REVISION = 'service.istio.io/canonical-revision';
/** More targets a Telemetry does not take. */
const MAX_TARGETS = 16;

interface TelemetrySpec {
  selector?: { matchLabels?: Record<string, string> };
  targetRef?: unknown;
  targetRefs?: unknown[];
  tracing?: {
    randomSamplingPercentage?: number;
    match?: { mode?: string };
    disableSpanReporting?: boolean;
    providers?: { name?: string }[];
    customTags?: Record<string, { literal: { value: string } }>;
  }[];
}

type TelemetryObject = KubeObject & { spec?: TelemetrySpec };

/**
 * Istio's sidecars and gateways by its Telemetry API. A proxy draws lots with its percentage for every request whose
 * x-request-id does not say that a proxy before it has won, and takes the sampled flag from those that lose: so whoever may
 * begin a trace has the policy's ratio, and whoever stands behind an app that has decided lets all pass
 * (docs/guides/istio.md).
 */
export function istio({ namespace: istiod, revisions }: IstioOptions): System {
  const configs = configMaps(revisions);
  return {
    name: 'Istio',
    watched: [TELEMETRIES, SERVICES, SERVICE_ENTRIES, ...configs],
    owned: [TELEMETRIES],
    absent: (seen) =>
      seen.version(TELEMETRIES) === undefined && !configs.some((config) => seen.list(config, istiod).length > 0)
        ? `the cluster has no CustomResourceDefinition ${TELEMETRIES.resource}.${TELEMETRIES.group}`
        : undefined,
    plan(input) {
      const { namespace, policy, document, pods, seen } = input;
      const { name, labels } = namespace.metadata;
      const config = meshConfig(seen, { namespace: istiod, revisions }, labels);
      if (!config)
        return nothing(
          'Incomplete',
          `Istio's MeshConfig is not to be read: there is no ConfigMap ${istiod}/istio with a key mesh (Helm value istio.namespace)`,
        );
      const isRoot = name === config.rootNamespace;
      const gateways = gatewaysOf(pods);
      const waypoints = forWaypoints(waypointsOf(input));
      if (isRoot && [...gateways.byLabel, ...gateways.byName, ...waypoints.told].length === 0)
        return nothing(
          'NotUsed',
          `the mesh's root namespace: a Telemetry of its own would count for the whole mesh, and no pod is an ingress gateway (label ${GATEWAY_LABEL}: ingress…, or one of the Gateway API)`,
        );
      if (!isRoot && !isInMesh(input))
        return nothing('NotUsed', 'no pod of the namespace has a sidecar, and it is not labeled for injection');
      if (seen.version(TELEMETRIES) === undefined) return byAnnotation(config, document);
      const foreign = isRoot ? undefined : foreignTelemetry(seen, name);
      if (foreign) return nothing('Conflict', describeForeign(foreign, document));
      const provider = chooseProvider(config, policy.spec.mesh?.istio?.provider, document.spec.exporters);
      if ('problem' in provider) return nothing('Incomplete', provider.problem);
      const by = provider.name === undefined ? "the mesh's default provider" : `provider ${provider.name}`;
      if (provider.sampler !== undefined)
        return nothing(
          'Incomplete',
          `${by} has a ${provider.sampler}, by which Istio goes instead of any percentage: nothing is set. Name another provider in spec.mesh.istio.provider`,
        );
      const missing = provider.service === undefined ? undefined : missingService(seen, provider.service);
      if (missing !== undefined) return nothing('Incomplete', `${by}: ${missing}`);
      const percent = percentage(document);
      const whole = {
        tracing: [
          {
            ...(provider.name !== undefined && { providers: [{ name: provider.name }] }),
            randomSamplingPercentage: percent,
            ...tagsOf(document),
          },
        ],
      };
      const telemetry = telemetryOf(seen);
      const sends = `spans go by ${by} to ${provider.to}`;
      const behind = waypoints.told.length === 0 ? [] : [telemetry(WAYPOINT, behindApps(waypoints.told))];
      if (isRoot) {
        const { specs, told, left } = forGateways(gateways);
        const begin = `ingress gateways (${told.join(', ')}) begin ${percent} % of traces; ${sends}`;
        const apart = `not so ${left.join(', ')}: give those a namespace of their own that the policy is for`;
        return {
          state: left.length > 0 ? 'Incomplete' : waypoints.state,
          message: [told.length > 0 && begin, left.length > 0 && apart, waypoints.message].filter(Boolean).join('; '),
          objects: [...specs.map(([each, whom]) => telemetry(each, { ...whom, ...whole })), ...behind],
        };
      }
      // Once it is there it stays: pods of a CronJob come and go.
      const isTraced =
        pods.some(({ metadata }) => metadata.labels?.[INJECTED_LABEL] === 'true') ||
        seen.list(TELEMETRIES, name).some(({ metadata }) => metadata.name === TRACED);
      const begin = isOff(document)
        ? 'proxies begin no traces, as tracing is switched off'
        : `proxies begin ${percent} % of traces, and let pass what traced apps have decided; ${sends}`;
      return {
        state: waypoints.state,
        message: [begin, waypoints.message].filter(Boolean).join('; '),
        objects: [
          telemetry(NAME, whole),
          ...(isTraced && !isOff(document) ? [telemetry(TRACED, traced(document))] : []),
          ...behind,
        ],
      };
    },
  };
}

/** What sidecars of pods under a policy are told by annotation: in a mesh without Telemetries, and one that is not left alone. */
export function sidecarTracing(
  seen: Seen,
  options: IstioOptions,
  { policy, document }: Pick<Resolution, 'policy' | 'document'>,
  namespaceLabels: Record<string, string>,
): object | undefined {
  if (!policy || !document || modeOf('Istio', policy) === 'Disabled' || isOff(document)) return undefined;
  if (seen.version(TELEMETRIES) !== undefined) return undefined;
  const config = meshConfig(seen, options, namespaceLabels);
  const told = config && tracingByAnnotation(config, document);
  return told && 'tracing' in told ? told.tracing : undefined;
}

function configMaps(revisions: readonly string[]): Watched[] {
  const names = ['istio', ...revisions.map((revision) => `istio-${revision}`)];
  return names.map((name) => ({ group: '', versions: ['v1'], resource: 'configmaps', name }));
}

/** The MeshConfig that counts for a namespace. */
function meshConfig(
  seen: Seen,
  { namespace, revisions }: IstioOptions,
  labels: Record<string, string> | undefined,
): MeshConfig | undefined {
  const revision = labels?.['istio.io/rev'];
  const found = configMaps(revisions).flatMap((watched) => seen.list(watched, namespace) as ConfigMap[]);
  const own = found.find(({ metadata: { name } }) => name === `istio-${revision}`) ?? found[0];
  return own && meshConfigOf(own);
}

type ConfigMap = KubeObject & { data?: Record<string, string> };

const meshConfigOf = readOnce(({ data }: ConfigMap) => readMeshConfig(data));

function byAnnotation(config: MeshConfig, document: PolicyDocument): Plan {
  const without = `there is no CustomResourceDefinition ${TELEMETRIES.resource}.${TELEMETRIES.group}`;
  if (isOff(document))
    return nothing('Configured', `tracing is switched off, and as ${without} proxies go by the MeshConfig alone`);
  const told = tracingByAnnotation(config, document);
  if ('problem' in told) return nothing('Incomplete', `${without}, and no pod is told anything: ${told.problem}`);
  const other = otherPercentage(config, percentage(document));
  const message = `${without}: sidecars of new traced pods are told by the annotation ${PROXY_CONFIG} to let pass what others have decided, and begin a trace for each request that comes without one`;
  return other === undefined ? nothing('Configured', message) : nothing('Incomplete', `${message}; ${other}`);
}

function telemetryOf(seen: Seen): (name: string, spec: TelemetrySpec) => DesiredObject {
  const apiVersion = `${TELEMETRIES.group}/${seen.version(TELEMETRIES)}`;
  return (name, spec) => ({ apiVersion, kind: 'Telemetry', metadata: { name }, spec });
}

/**
 * What the policy says of who sends spans: proxies' own resource is fixed, so that it goes into their spans. Envoy refuses
 * empty texts. https://istio.io/latest/docs/reference/config/telemetry/#Tracing-CustomTag
 */
function tagsOf({
  spec: { resource },
}: PolicyDocument): Pick<NonNullable<TelemetrySpec['tracing']>[number], 'customTags'> {
  const said = Object.entries(resource.attributes).filter(([, value]) => value !== '');
  if (said.length === 0) return {};
  return { customTags: Object.fromEntries(said.map(([key, value]) => [key, { literal: { value } }])) };
}

/**
 * Sidecars of pods with the agent. Calls that leave the app carry its decision: all of them pass. Where a policy samples by
 * more than one ratio the app is to decide by itself what comes in, so that its own sidecar keeps out of it.
 */
function traced({ spec: { sampling } }: PolicyDocument): TelemetrySpec {
  const isFiner = sampling.rules?.some(({ drop }) => !drop) || sampling.force !== undefined;
  return {
    selector: { matchLabels: { [INJECTED_LABEL]: 'true' } },
    tracing: [
      { match: { mode: 'CLIENT' }, randomSamplingPercentage: 100 },
      ...(isFiner ? [{ match: { mode: 'SERVER' }, disableSpanReporting: true }] : []),
    ],
  };
}

/**
 * A waypoint stands behind apps that have decided, with no sidecar of theirs to say so, and before calls of nobody's: it can
 * do right by both only where it keeps out.
 */
function behindApps(waypoints: readonly string[]): TelemetrySpec {
  return {
    targetRefs: waypoints.map(targetOf),
    tracing: [{ disableSpanReporting: true }],
  };
}

/** Waypoints as far as one Telemetry takes them, and what there is to be said. */
function forWaypoints(waypoints: readonly string[]): Standing & { told: string[] } {
  const told = waypoints.slice(0, MAX_TARGETS);
  const left = waypoints.slice(MAX_TARGETS);
  const silent = told.length === 0 ? '' : `waypoints (${told.join(', ')}) make no spans`;
  if (left.length === 0) return { state: 'Configured', message: silent, told };
  const apart = `and cut traces with the percentage of all others: a namespace may have no more than ${MAX_TARGETS}`;
  return { state: 'Incomplete', message: `${silent}; ${left.join(', ')} do ${apart}`, told };
}

/** Ingress gateways among pods: values of their label, and names of their Gateways. */
interface Gateways {
  byLabel: string[];
  byName: string[];
}

function gatewaysOf(pods: PlanInput['pods']): Gateways {
  const all = pods.map(({ metadata: { labels = {} } }) => labels);
  const unique = (values: string[]) => [...new Set(values)].sort();
  const isOfGatewayApi = (labels: Record<string, string>) =>
    labels[GATEWAY_NAME] !== undefined && labels[CANONICAL_REVISION] !== undefined && labels[MANAGED] !== WAYPOINTS;
  return {
    byLabel: unique(all.map((labels) => labels[GATEWAY_LABEL] ?? '').filter((value) => value.startsWith('ingress'))),
    byName: unique(all.filter(isOfGatewayApi).map((labels) => labels[GATEWAY_NAME]!)),
  };
}

/** Whom Telemetries of the root namespace are for; there are as many as the chart gives rights to. */
function forGateways({ byLabel, byName }: Gateways): {
  specs: [name: string, whom: TelemetrySpec][];
  told: string[];
  left: string[];
} {
  const label = byLabel.includes('ingressgateway') ? 'ingressgateway' : byLabel[0];
  const targets = byName.slice(0, MAX_TARGETS);
  const labeled = (value: string) => `${GATEWAY_LABEL}: ${value}`;
  const named = (name: string) => `Gateway ${name}`;
  return {
    specs: [
      ...(label === undefined
        ? []
        : [[GATEWAY, { selector: { matchLabels: { [GATEWAY_LABEL]: label } } }] satisfies [string, TelemetrySpec]]),
      ...(targets.length === 0
        ? []
        : [[GATEWAY_API, { targetRefs: targets.map(targetOf) }] satisfies [string, TelemetrySpec]]),
    ],
    told: [...(label === undefined ? [] : [labeled(label)]), ...targets.map(named)],
    left: [...byLabel.filter((each) => each !== label).map(labeled), ...byName.slice(MAX_TARGETS).map(named)],
  };
}

function targetOf(gateway: string): object {
  return { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: gateway };
}

/** The namespace's waypoints: the one that its label names, before it is there, and those that others name. */
function waypointsOf({ namespace: { metadata }, pods }: PlanInput): string[] {
  const { labels = {}, name } = metadata;
  const { [USED_WAYPOINT]: used, [`${USED_WAYPOINT}-namespace`]: where = name } = labels;
  const isOwn = labels['istio.io/dataplane-mode'] === 'ambient' && used !== 'none' && where === name;
  const there = pods.map(({ metadata: pod }) =>
    pod.labels?.[MANAGED] === WAYPOINTS ? pod.labels[GATEWAY_NAME] : undefined,
  );
  const all = [isOwn ? used : undefined, ...there].filter((each) => each !== undefined);
  return [...new Set(all)].sort();
}

/** Whether proxies of the mesh are in the namespace, or will be in its new pods. */
function isInMesh({ namespace: { metadata }, pods }: PlanInput): boolean {
  const { labels = {} } = metadata;
  const injection = labels['istio-injection'];
  if (injection === 'enabled' || labels['istio.io/dataplane-mode'] === 'ambient') return true;
  if (injection !== 'disabled' && labels['istio.io/rev'] !== undefined) return true;
  // What Istio's injector leaves on sidecars' pods and on gateways.
  return pods.some(
    ({ metadata: pod }) =>
      pod.labels?.['security.istio.io/tlsMode'] === 'istio' || pod.labels?.[CANONICAL_REVISION] !== undefined,
  );
}

/** Somebody else's Telemetry for the namespace as a whole: istiod takes one of them alone, the oldest. */
function foreignTelemetry(seen: Seen, namespace: string): TelemetryObject | undefined {
  const all = (seen.list(TELEMETRIES, namespace) as TelemetryObject[]).filter(
    ({ metadata, spec = {} }) =>
      metadata.name !== NAME &&
      Object.keys(spec.selector?.matchLabels ?? {}).length === 0 &&
      spec.targetRef === undefined &&
      (spec.targetRefs ?? []).length === 0,
  );
  const age = ({ metadata: { creationTimestamp = '', name } }: TelemetryObject) =>
    `${String(creationTimestamp)} ${name}`;
  return all.sort((a, b) => (age(a) < age(b) ? -1 : 1))[0];
}

function describeForeign({ metadata, spec }: TelemetryObject, document: PolicyDocument): string {
  const theirs = spec?.tracing?.find(({ randomSamplingPercentage }) => randomSamplingPercentage !== undefined);
  const said = theirs ? `begins ${theirs.randomSamplingPercentage} % of traces` : 'says nothing of sampling';
  return `Telemetry ${metadata.name} counts for the whole namespace and ${said}, the policy asks for ${percentage(document)} %: nothing is set, as Istio goes by one such Telemetry alone, the older. Set randomSamplingPercentage there, or remove it`;
}

/** In hundredths of a percent, which is all that Envoy tells apart; of what is more than nothing at least one. */
function percentage(document: PolicyDocument): number {
  return Math.ceil(Math.round(ratioOf(document) * 1e9) / 1e5) / 100;
}

function isOff({ spec }: PolicyDocument): boolean {
  return spec.exporters.length === 0 || spec.signals?.traces === false;
}
