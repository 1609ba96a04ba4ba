import { addedBy } from '../../injector/added-by.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Policy } from '../../injector/resolve.ts';
import { describePolicy } from '../../injector/resolve.ts';
import type { AddedTo, DesiredAddition, Plan, PlanInput, Seen, System } from '../integration/system.ts';
import { nothing, ratioOf } from '../integration/system.ts';
import type { KubeObject } from '../kube/reflector.ts';
import type { Destination } from './exporter.ts';
import { overGrpc } from './exporter.ts';
import type { Route } from './routes.ts';
import { classesOf, INGRESS_CLASSES, INGRESSES, ingressesOf } from './routes.ts';

export interface IngressNginxOptions {
  /** Whether the chart gives the rights to it. */
  enabled: boolean;
  /** Of the controller. */
  namespace: string;
  /** Its ConfigMap, there. */
  configMap: string;
}

type Settings = Record<string, string>;
type Config = KubeObject & { data?: Settings };

const CONTROLLER = 'k8s.io/ingress-nginx';
/** Of Ingresses that say their class by annotation, where no IngressClass is needed. */
const DEFAULT_CLASS = 'nginx';
const PREFIX = 'nginx.ingress.kubernetes.io/';
const ENABLE = `${PREFIX}enable-opentelemetry`;
const TRUST = `${PREFIX}opentelemetry-trust-incoming-span`;
const NAME = `${PREFIX}opentelemetry-operation-name`;

/** https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/configmap/ */
const KEYS = {
  everywhere: 'enable-opentelemetry',
  name: 'opentelemetry-operation-name',
  host: 'otlp-collector-host',
  port: 'otlp-collector-port',
  sampler: 'otel-sampler',
  ratio: 'otel-sampler-ratio',
  parentBased: 'otel-sampler-parent-based',
} as const;

/**
 * ingress-nginx. A controller has one sampler and one collector, which its ConfigMap says: they count for all of its
 * Ingresses, so only a ClusterTracingPolicy that is for them may set them. An Ingress is traced where the controller decides as
 * the policy of its namespace does, and not where it would decide otherwise: then the apps decide (docs/guides/ingress-nginx.md).
 */
export function ingressNginx({ enabled, namespace: home, configMap }: IngressNginxOptions): System {
  const CONFIG: AddedTo = { group: '', versions: ['v1'], resource: 'configmaps', name: configMap, kind: 'ConfigMap' };
  const configOf = (seen: Seen): Config | undefined => seen.list(CONFIG, home)[0];
  const added = [CONFIG, INGRESSES];

  return {
    name: 'IngressNginx',
    watched: enabled ? [INGRESS_CLASSES, ...added] : [],
    owned: [],
    added: enabled ? added : [],
    ...(!enabled && {
      forbidden: 'the chart gives the operator no right to ingress-nginx (Helm value ingressNginx.enabled)',
    }),
    absent: (seen) =>
      classesOf(seen, CONTROLLER).length === 0 ? `the cluster has no IngressClass of ${CONTROLLER}` : undefined,
    plan(input) {
      const { document, seen } = input;
      const where = `ConfigMap ${home}/${configMap}`;
      const config = configOf(seen);
      if (!config)
        return nothing('Incomplete', `there is no ${where} (Helm values ingressNginx.namespace and .configMap)`);
      const to = overGrpc(document, input.namespace.metadata.name);
      const settings = settingsUnder(config, input.policy, wantedSettings(document, to) ?? {});
      const plan = planIngresses(input, settings, where, to);
      const own =
        input.namespace.metadata.name === home && mayConfigure(input) ? wantedSettings(document, to) : undefined;
      if (!own) return plan;
      const forController: DesiredAddition = { to: CONFIG, name: configMap, data: own };
      const standing =
        plan.state === 'NotUsed' ? nothing('Configured', `the controller ${describe(own)}, by ${where}`) : plan;
      return { ...standing, additions: [forController, ...(plan.additions ?? [])] };
    },
  };
}

/**
 * What the controller goes by, or will in a moment: where the policy writes its ConfigMap, what it writes counts at once, so
 * that nothing is taken from Ingresses between a change of the policy and that of the ConfigMap.
 */
function settingsUnder(config: Config, policy: Policy, wanted: Settings): Settings {
  const added = addedBy(config.metadata['annotations'] as Record<string, string> | undefined);
  const names = added?.source === describePolicy(policy) ? added.names : [];
  const soon = Object.entries(wanted).filter(([key]) => names.includes(key));
  return { ...config.data, ...Object.fromEntries(soon) };
}

/** Whether a policy is one for all namespaces of a controller. */
function mayConfigure({ policy }: PlanInput): boolean {
  return policy.kind === 'ClusterTracingPolicy' && (policy.spec.configureControllers ?? []).includes('IngressNginx');
}

function planIngresses(
  { namespace, document, policy, seen }: PlanInput,
  settings: Settings,
  where: string,
  to: Destination<{ host: string; port: string }>,
): Plan {
  const ingresses = ingressesOf(seen, namespace.metadata.name, [...classesOf(seen, CONTROLLER), DEFAULT_CLASS]);
  if (ingresses.length === 0) return nothing('NotUsed', 'no Ingress of the namespace is of ingress-nginx');
  const all = (annotations: (ingress: Route) => Record<string, string>): DesiredAddition[] =>
    ingresses.map((ingress) => ({ to: INGRESSES, name: ingress.metadata.name, annotations: annotations(ingress) }));
  if (isOff(document)) {
    const isOn = settings[KEYS.everywhere] === 'true';
    return {
      ...nothing('Configured', `tracing is switched off: the controller makes no spans for ${count(ingresses)}`),
      additions: isOn ? all(() => ({ [ENABLE]: 'false' })) : [],
    };
  }
  const wanted = wantedSettings(document, to);
  if (!wanted && 'problem' in to) return nothing('Incomplete', `the controller sends no spans: ${to.problem}`);
  const isSame =
    settings[KEYS.host] !== undefined &&
    Math.abs(ratioIn(settings) - ratioOf(document)) < 1e-6 &&
    settings[KEYS.parentBased] !== 'false';
  if (!isSame)
    return nothing(
      'Incomplete',
      `nothing is set, and apps decide: the controller ${describe(settings)}, and the policy asks for ${percent(ratioOf(document))}. Set in the ${where}, or have a ClusterTracingPolicy of its namespace do it (configureControllers):\n${lines(wanted ?? {})}`,
    );
  const trust = policy.spec.gateway?.trustIncoming ?? true;
  return {
    ...nothing(
      'Configured',
      `the controller ${describe(settings)} for ${count(ingresses)}, and ${trust ? 'lets pass what was decided before it' : 'ignores the context that requests come with'}`,
    ),
    additions: all(({ metadata: { name } }) => ({
      [ENABLE]: 'true',
      [TRUST]: String(trust),
      // One of the controller's is for all, and may have variables in it, which an annotation may not.
      ...(settings[KEYS.name] === undefined && { [NAME]: name.replaceAll('.', '-') }),
    })),
  };
}

/** What the controller is to be told; undefined where there is nothing to tell it. */
function wantedSettings(
  document: PolicyDocument,
  to: Destination<{ host: string; port: string }>,
): Settings | undefined {
  if (isOff(document) || 'problem' in to) return undefined;
  return {
    [KEYS.host]: to.host,
    [KEYS.port]: to.port,
    [KEYS.sampler]: 'TraceIdRatioBased',
    [KEYS.ratio]: String(ratioOf(document)),
    [KEYS.parentBased]: 'true',
    [KEYS.name]: '$request_method $location_path',
  };
}

/** The controller's own defaults where it is not told. */
function ratioIn(settings: Settings): number {
  const sampler = settings[KEYS.sampler] ?? 'AlwaysOn';
  if (sampler === 'TraceIdRatioBased') return Number(settings[KEYS.ratio] ?? 0.01);
  return sampler === 'AlwaysOff' ? 0 : 1;
}

function describe(settings: Settings): string {
  const host = settings[KEYS.host];
  if (host === undefined) return 'has no collector';
  const decides = settings[KEYS.parentBased] === 'false' ? ', whatever was decided before it' : '';
  return `begins ${percent(ratioIn(settings))} of traces${decides}, and sends spans to ${host}:${settings[KEYS.port] ?? '4317'}`;
}

function lines(settings: Settings): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}: "${value}"`)
    .join('\n');
}

function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(6))} %`;
}

function count(ingresses: readonly Route[]): string {
  return ingresses.length === 1 ? `Ingress ${ingresses[0]!.metadata.name}` : `${ingresses.length} Ingresses`;
}

function isOff({ spec }: PolicyDocument): boolean {
  return spec.exporters.length === 0 || spec.signals?.traces === false;
}
