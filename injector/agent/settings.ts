import type { Instrumentation } from '../../crds/instrumentation.ts';
import type { SamplingRule } from '../../crds/sampling.ts';
import type { Signal } from '../../crds/signals.ts';
import type { DocumentExporter, DocumentForce, DocumentKeep } from '../policy-document.ts';
import type { DocumentSampling, PolicyDocumentSpec } from '../policy-document.ts';
import type { CredentialFiles } from './credentials.ts';
import { grpcEndpoint, httpEndpoint, withScheme } from './endpoint.ts';
import { batching, sending } from './export-options.ts';
import { count, flag, list, pairs, text, type Environment } from './environment.ts';
import { debugOnce, sayOnce } from './report.ts';
import type { BatchOptions } from './queue.ts';
import type { RetrySettings } from './export/backoff.ts';
import type { ParentRule } from './sampler.ts';

/** Where a signal goes. Two that are equal, field by field, are the same destination. */
export interface ExporterSettings {
  /** As the policy calls it; what the environment sets is called by its kind. */
  name: string;
  signal: Signal;
  protocol: 'http/protobuf' | 'http/json' | 'grpc' | 'console';
  endpoint: string;
  headers: Record<string, string>;
  /** What is to be read before anything is sent; only where the policy names Secrets or ConfigMaps. */
  files?: CredentialFiles;
  gzip: boolean;
  /** Of one try. */
  timeoutMillis: number;
  /** Undefined: a batch is tried once. */
  retry: RetrySettings | undefined;
}

/** Everything about tracing that can change while the process runs. */
export interface Settings {
  on: boolean;
  ratio: number;
  rule: ParentRule;
  rules: SamplingRule[];
  keep?: DocumentKeep | undefined;
  force?: DocumentForce | undefined;
  exporters: ExporterSettings[];
  /** Empty: none are taken. */
  metrics: ExporterSettings[];
  logs: ExporterSettings[];
  /** Whether log lines name the trace that they belong to. */
  logCorrelation: boolean;
  batch: BatchOptions;
  propagators: string[];
  /** Keys of the baggage that is passed on; undefined: all. */
  baggage: string[] | undefined;
  resource: Record<string, string>;
  /** Whether labels of the pod name its service. */
  useLabels: boolean;
  /** Whether spans are named behind the service's name. */
  serviceInNames: boolean;
  instrumentations: Instrumentation[];
}

/** What the mounted policy says: a document, that there is none for this pod, or nothing yet. */
export type PolicyState =
  { kind: 'policy'; key: string; revision: string; spec: PolicyDocumentSpec } | { kind: 'none' } | { kind: 'unknown' };

const BASE_ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const DEFAULT_PROPAGATORS = ['tracecontext', 'baggage'];
/** Of what spans are like, what a process does of itself. */
const NO_SHAPE = { baggage: undefined, resource: {}, useLabels: false, serviceInNames: false, instrumentations: [] };
const OFF: Settings = {
  on: false,
  ratio: 0,
  rule: 'parent',
  rules: [],
  exporters: [],
  ...{ metrics: [], logs: [], logCorrelation: false },
  batch: batching({}),
  propagators: DEFAULT_PROPAGATORS,
  ...NO_SHAPE,
};

/**
 * What a process does, from its environment and, where one is mounted, its policy. With a policy directory the policy
 * rules, but for what the owner of the process set by hand: a sampler, an endpoint, propagators.
 */
export function resolveSettings(env: Environment, policy: PolicyState | undefined): Settings {
  if (flag(env, 'OTEL_SDK_DISABLED')) return OFF;
  if (policy?.kind === 'none') return OFF;
  const own = ownSampling(env);
  const ownEndpoint = ownExporters(env, 'traces', policy !== undefined);
  if (policy === undefined) {
    const exporters = ownEndpoint ?? [];
    return {
      on: exporters.length > 0,
      ...(own ?? { ratio: 1, rule: 'parent', rules: [] }),
      exporters,
      metrics: ownExporters(env, 'metrics', false) ?? [],
      logs: ownExporters(env, 'logs', false) ?? [],
      logCorrelation: true,
      batch: batching(env),
      propagators: ownPropagators(env) ?? DEFAULT_PROPAGATORS,
      ...NO_SHAPE,
    };
  }
  if (own) debugOnce('OTEL_TRACES_SAMPLER is set on this process: the sampling of the policy is not used');
  if (ownEndpoint)
    debugOnce('OTEL_* exporter variables are set on this process: the exporters of the policy are not used');
  if (policy.kind === 'unknown' && !(own && ownEndpoint)) return OFF;
  const spec = policy.kind === 'policy' ? policy.spec : undefined;
  const exporters = spec?.signals?.traces === false ? [] : (ownEndpoint ?? policyExporters(spec, env, 'traces'));
  return {
    on: exporters.length > 0,
    ...(own ?? policySampling(spec)),
    exporters,
    metrics: signalExporters(spec, env, 'metrics'),
    logs: signalExporters(spec, env, 'logs'),
    logCorrelation: spec?.signals?.logCorrelation ?? false,
    batch: batching(env, spec?.batch),
    propagators: ownPropagators(env) ?? spec?.propagators ?? DEFAULT_PROPAGATORS,
    baggage: spec?.baggage?.allow,
    resource: spec?.resource?.attributes ?? {},
    useLabels: spec?.resource?.useLabels ?? false,
    instrumentations: spec?.instrumentations ?? [],
    serviceInNames: spec?.spanNames === 'ServiceOperation',
  };
}

type Sampling = Pick<Settings, 'ratio' | 'rule' | 'rules' | 'keep' | 'force'>;

function policySampling(spec: PolicyDocumentSpec | undefined): Sampling {
  const { ratio = 0, parentBased, rules = [], keep, force }: Partial<DocumentSampling> = spec?.sampling ?? {};
  return { ratio, rule: parentBased === false ? 'ignore-parent' : 'parent', rules, keep, force };
}

function ownSampling(env: Environment): Sampling | undefined {
  const name = text(env, 'OTEL_TRACES_SAMPLER')?.toLowerCase();
  if (name === undefined) return undefined;
  const rule: ParentRule = name.startsWith('parentbased_') ? 'parent' : 'ignore-parent';
  switch (name.replace('parentbased_', '')) {
    case 'always_on':
      return { ratio: 1, rule, rules: [] };
    case 'always_off':
      return { ratio: 0, rule, rules: [] };
    case 'traceidratio': {
      const ratio = count(env, 1, 0, 'OTEL_TRACES_SAMPLER_ARG');
      if (ratio > 1) sayOnce(`OTEL_TRACES_SAMPLER_ARG: "${ratio}" is more than 1: using 1`);
      return { ratio: Math.min(1, ratio), rule, rules: [] };
    }
    default:
      sayOnce(`OTEL_TRACES_SAMPLER: "${name}" is not known here and is not used`);
      return undefined;
  }
}

/** Of metrics and logs the policy says whether they are on, and the owner that they are not, or where they go. */
function signalExporters(spec: PolicyDocumentSpec | undefined, env: Environment, signal: 'metrics' | 'logs') {
  if (spec?.signals?.[signal] !== true) return [];
  return ownExporters(env, signal, true) ?? policyExporters(spec, env, signal);
}

/**
 * What the owner says about exporters: with a policy only when said outright, else with the usual defaults, which are that
 * metrics and logs have none.
 */
function ownExporters(env: Environment, signal: Signal, hasPolicy: boolean): ExporterSettings[] | undefined {
  const variable = `OTEL_${signal.toUpperCase()}_EXPORTER`;
  const kinds = list(text(env, variable));
  const endpoint = ownEndpoint(env, otlp(signal, 'ENDPOINT')) ?? ownEndpoint(env, BASE_ENDPOINT);
  if (hasPolicy && endpoint === undefined && kinds.every((kind) => kind === 'otlp')) return undefined;
  const result: ExporterSettings[] = [];
  for (const kind of kinds.length > 0 ? kinds : signal === 'traces' || hasPolicy ? ['otlp'] : []) {
    if (kind === 'otlp') result.push(ownOtlp(env, signal));
    else if (kind === 'console' && signal === 'traces')
      result.push({ ...sending(env, signal), name: kind, protocol: 'console', endpoint: 'console', headers: {} });
    else if (kind !== 'none') sayOnce(`${variable}: "${kind}" is not known here and is not used`);
  }
  return result;
}

/** The variable of a signal alone. */
function otlp(signal: Signal, name: string): string {
  return `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${name}`;
}

/** An endpoint with its scheme; one that is no URL is said once and counts as not set. */
function ownEndpoint(env: Environment, variable: string): string | undefined {
  const value = text(env, variable);
  if (value === undefined) return undefined;
  const url = withScheme(value);
  if (URL.canParse(url) && /^https?:/i.test(url)) return url;
  sayOnce(`${variable}: "${value}" is no URL and is not used. An example: http://collector:4318`);
  return undefined;
}

function ownOtlp(env: Environment, signal: Signal): ExporterSettings {
  const own = ownEndpoint(env, otlp(signal, 'ENDPOINT'));
  const base = ownEndpoint(env, BASE_ENDPOINT);
  const asked = text(env, otlp(signal, 'PROTOCOL'), 'OTEL_EXPORTER_OTLP_PROTOCOL');
  const headers = {
    ...pairs(text(env, 'OTEL_EXPORTER_OTLP_HEADERS')),
    ...pairs(text(env, otlp(signal, 'HEADERS'))),
  };
  if (asked === 'grpc') {
    return {
      ...sending(env, signal),
      name: 'otlp',
      protocol: 'grpc',
      endpoint: grpcEndpoint(own ?? base ?? 'http://localhost:4317'),
      headers,
    };
  }
  if (asked !== undefined && asked !== 'http/protobuf' && asked !== 'http/json') {
    sayOnce(`OTEL_EXPORTER_OTLP_PROTOCOL: "${asked}" is not known here: using http/protobuf`);
  }
  const protocol = asked === 'http/json' ? 'http/json' : 'http/protobuf';
  const endpoint = own ?? httpEndpoint(base ?? 'http://localhost:4318', signal);
  return { ...sending(env, signal), name: 'otlp', protocol, endpoint, headers };
}

function policyExporters(spec: PolicyDocumentSpec | undefined, env: Environment, signal: Signal): ExporterSettings[] {
  const exporters = (spec?.exporters ?? []).filter(({ signals }) => signals?.includes(signal) ?? true);
  return exporters.map((exporter) => ({
    ...sending(env, signal, exporter),
    name: exporter.name,
    protocol: exporter.protocol ?? 'http/protobuf',
    endpoint: exporter.protocol === 'grpc' ? grpcEndpoint(exporter.endpoint) : httpEndpoint(exporter.endpoint, signal),
    ...credentials(exporter),
  }));
}

/** An operator of an earlier version may leave `headers` out. */
function credentials({ headers = [], tls }: Partial<DocumentExporter>): Pick<ExporterSettings, 'headers' | 'files'> {
  const files: CredentialFiles = { headers: {}, ...tls };
  const values: Record<string, string> = {};
  for (const header of headers) {
    if ('file' in header) files.headers[header.name] = header.file;
    else values[header.name] = header.value;
  }
  const hasFiles = tls !== undefined || Object.keys(files.headers).length > 0;
  return { headers: values, ...(hasFiles && { files }) };
}

function ownPropagators(env: Environment): string[] | undefined {
  const names = list(text(env, 'OTEL_PROPAGATORS'));
  return names.length > 0 ? names : undefined;
}

/** Whether the same goes with requests by both. */
export function carriesSame(before: Settings, now: Settings): boolean {
  return same([before.propagators, before.baggage], [now.propagators, now.baggage]);
}

/** Whether the resource is the same by both. */
export function describesSame(before: Settings, now: Settings): boolean {
  return same([before.resource, before.useLabels], [now.resource, now.useLabels]);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
