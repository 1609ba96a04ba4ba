import type { SamplingRule } from '../../crds/sampling.ts';
import type { DocumentExporter, DocumentSampling, PolicyDocumentSpec } from '../policy-document.ts';
import type { CredentialFiles } from './credentials.ts';
import { grpcEndpoint, httpEndpoint, withScheme } from './endpoint.ts';
import { count, flag, list, pairs, text, type Environment } from './environment.ts';
import { debugOnce, sayOnce } from './report.ts';
import type { ParentRule } from './sampler.ts';

/** Where spans go. Two that are equal, field by field, are the same destination. */
export interface ExporterSettings {
  /** As the policy calls it; what the environment sets is called by its kind. */
  name: string;
  protocol: 'http/protobuf' | 'http/json' | 'grpc' | 'console';
  endpoint: string;
  headers: Record<string, string>;
  /** What is to be read before anything is sent; only where the policy names Secrets or ConfigMaps. */
  files?: CredentialFiles;
  gzip: boolean;
  timeoutMillis: number;
}

/** Everything about tracing that can change while the process runs. */
export interface Settings {
  on: boolean;
  ratio: number;
  rule: ParentRule;
  rules: SamplingRule[];
  exporters: ExporterSettings[];
  propagators: string[];
  /** Keys of the baggage that is passed on; undefined: all. */
  baggage: string[] | undefined;
  resource: Record<string, string>;
  /** Whether labels of the pod name its service. */
  useLabels: boolean;
  /** Whether spans are named behind the service's name. */
  serviceInNames: boolean;
}

/** What the mounted policy says: a document, that there is none for this pod, or nothing yet. */
export type PolicyState =
  { kind: 'policy'; key: string; revision: string; spec: PolicyDocumentSpec } | { kind: 'none' } | { kind: 'unknown' };

const BASE_ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const DEFAULT_PROPAGATORS = ['tracecontext', 'baggage'];
/** Of what spans are like, what a process does of itself. */
const NO_SHAPE = { baggage: undefined, resource: {}, useLabels: false, serviceInNames: false };
const OFF: Settings = {
  on: false,
  ratio: 0,
  rule: 'parent',
  rules: [],
  exporters: [],
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
  const ownEndpoint = ownExporters(env, policy !== undefined);
  if (policy === undefined) {
    const exporters = ownEndpoint ?? [];
    return {
      on: exporters.length > 0,
      ...(own ?? { ratio: 1, rule: 'parent', rules: [] }),
      exporters,
      propagators: ownPropagators(env) ?? DEFAULT_PROPAGATORS,
      ...NO_SHAPE,
    };
  }
  if (own) debugOnce('OTEL_TRACES_SAMPLER is set on this process: the sampling of the policy is not used');
  if (ownEndpoint)
    debugOnce('OTEL_* exporter variables are set on this process: the exporters of the policy are not used');
  if (policy.kind === 'unknown' && !(own && ownEndpoint)) return OFF;
  const spec = policy.kind === 'policy' ? policy.spec : undefined;
  const exporters = ownEndpoint ?? policyExporters(spec, env);
  return {
    on: exporters.length > 0,
    ...(own ?? policySampling(spec)),
    exporters,
    propagators: ownPropagators(env) ?? spec?.propagators ?? DEFAULT_PROPAGATORS,
    baggage: spec?.baggage?.allow,
    resource: spec?.resource?.attributes ?? {},
    useLabels: spec?.resource?.useLabels ?? false,
    serviceInNames: spec?.spanNames === 'ServiceOperation',
  };
}

type Sampling = Pick<Settings, 'ratio' | 'rule' | 'rules'>;

function policySampling(spec: PolicyDocumentSpec | undefined): Sampling {
  const { ratio = 0, parentBased, rules = [] }: Partial<DocumentSampling> = spec?.sampling ?? {};
  return { ratio, rule: parentBased === false ? 'ignore-parent' : 'parent', rules };
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

/** What the owner says about exporters: with a policy only when said outright, else with the usual defaults. */
function ownExporters(env: Environment, hasPolicy: boolean): ExporterSettings[] | undefined {
  const kinds = list(text(env, 'OTEL_TRACES_EXPORTER'));
  const endpoint = ownEndpoint(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') ?? ownEndpoint(env, BASE_ENDPOINT);
  if (hasPolicy && endpoint === undefined && kinds.length === 0) return undefined;
  if (hasPolicy && endpoint === undefined && kinds.every((kind) => kind === 'otlp')) return undefined;
  const result: ExporterSettings[] = [];
  for (const kind of kinds.length > 0 ? kinds : ['otlp']) {
    if (kind === 'otlp') result.push(ownOtlp(env));
    else if (kind === 'console')
      result.push({ ...transport(env), name: kind, protocol: 'console', endpoint: 'console', headers: {} });
    else if (kind !== 'none') sayOnce(`OTEL_TRACES_EXPORTER: "${kind}" is not known here and is not used`);
  }
  return result;
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

function ownOtlp(env: Environment): ExporterSettings {
  const traces = ownEndpoint(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
  const base = ownEndpoint(env, BASE_ENDPOINT);
  const asked = text(env, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL');
  const headers = {
    ...pairs(text(env, 'OTEL_EXPORTER_OTLP_HEADERS')),
    ...pairs(text(env, 'OTEL_EXPORTER_OTLP_TRACES_HEADERS')),
  };
  if (asked === 'grpc') {
    return {
      ...transport(env),
      name: 'otlp',
      protocol: 'grpc',
      endpoint: grpcEndpoint(traces ?? base ?? 'http://localhost:4317'),
      headers,
    };
  }
  if (asked !== undefined && asked !== 'http/protobuf' && asked !== 'http/json') {
    sayOnce(`OTEL_EXPORTER_OTLP_PROTOCOL: "${asked}" is not known here: using http/protobuf`);
  }
  const protocol = asked === 'http/json' ? 'http/json' : 'http/protobuf';
  const endpoint = traces ?? httpEndpoint(base ?? 'http://localhost:4318');
  return { ...transport(env), name: 'otlp', protocol, endpoint, headers };
}

function policyExporters(spec: PolicyDocumentSpec | undefined, env: Environment): ExporterSettings[] {
  return (spec?.exporters ?? []).map((exporter) => ({
    ...transport(env),
    name: exporter.name,
    protocol: exporter.protocol ?? 'http/protobuf',
    endpoint: exporter.protocol === 'grpc' ? grpcEndpoint(exporter.endpoint) : httpEndpoint(exporter.endpoint),
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

function transport(env: Environment): Pick<ExporterSettings, 'gzip' | 'timeoutMillis'> {
  const compression = text(env, 'OTEL_EXPORTER_OTLP_TRACES_COMPRESSION', 'OTEL_EXPORTER_OTLP_COMPRESSION');
  return {
    gzip: compression === 'gzip',
    timeoutMillis: count(env, 10_000, 1, 'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 'OTEL_EXPORTER_OTLP_TIMEOUT'),
  };
}

function ownPropagators(env: Environment): string[] | undefined {
  const names = list(text(env, 'OTEL_PROPAGATORS'));
  return names.length > 0 ? names : undefined;
}
