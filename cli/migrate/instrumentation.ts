import { exporter as exporterSchema } from '../../crds/exporter.ts';
import type { Exporter } from '../../crds/exporter.ts';
import { OF_THE_POD } from '../../crds/resource.ts';
import { SIGNALS } from '../../crds/signals.ts';
import type { Propagator, TracingPolicySpec } from '../../crds/tracing-policy.ts';
import { GROUP, tracingPolicySpec, VERSION } from '../../crds/tracing-policy.ts';
import { firstIssue } from '../input-error.ts';
import type { ManifestObject } from '../manifest/manifest.ts';
import type { Note } from './note.ts';
import { converted, kept, unneeded } from './note.ts';

interface EnvEntry {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef?: { name?: string; key?: string } };
}

/** An Instrumentation of opentelemetry-operator, as far as it concerns Node.js: apis/v1alpha1/instrumentation_types.go there. */
interface InstrumentationSpec {
  exporter?: {
    endpoint?: string;
    tls?: { secretName?: string; configMapName?: string; ca_file?: string; cert_file?: string; key_file?: string };
  };
  resource?: { resourceAttributes?: Record<string, string>; addK8sUIDAttributes?: boolean };
  propagators?: string[];
  sampler?: { type?: string; argument?: string };
  defaults?: { useLabelsForResourceAttributes?: boolean };
  env?: EnvEntry[];
  nodejs?: { env?: EnvEntry[]; [key: string]: unknown };
  [key: string]: unknown;
}

type Tls = NonNullable<Exporter['tls']>;

const PROPAGATORS: Propagator[] = ['tracecontext', 'baggage', 'b3', 'b3multi', 'jaeger', 'xray'];
const PROTOCOLS = exporterSchema.shape.protocol.unwrap().options;
const LANGUAGES = ['java', 'python', 'dotnet', 'go', 'apacheHttpd', 'nginx'];
/** Fields that have no counterpart, and why. */
const WITHOUT: Record<string, (path: Note['path']) => Note> = {
  image: (path) => kept(path, "the agent comes with the operator; another one is a ClusterTracingPolicy's agent.image"),
  volumeClaimTemplate: (path) => unneeded(path, "the agent's files take an emptyDir of at most 32Mi"),
  volumeLimitSize: (path) => unneeded(path, "the agent's files take an emptyDir of at most 32Mi"),
  resourceRequirements: (path) => unneeded(path, "the init container asks for what the app's containers ask for"),
  imagePullPolicy: (path) =>
    kept(path, "a ClusterTracingPolicy's agent.imagePullPolicy, or the chart's agent.image.pullPolicy"),
  initContainerSecurityContext: (path) =>
    unneeded(path, 'the init container fits the restricted Pod Security Standard'),
};
const unknown = (path: Note['path']) => kept(path, 'this field is not known');
const IN_CONTAINER = 'set it in the env of the container itself: the agent reads it there';

/** Makes a TracingPolicy of an Instrumentation; each of its fields gets a note. */
export function convertInstrumentation({ metadata, spec: given }: ManifestObject): { policy: object; notes: Note[] } {
  const notes: Note[] = [
    converted(
      ['metadata', 'name'],
      'a TracingPolicy: it applies to every pod of its namespace that gets the agent, where an Instrumentation applied to those that named it; spec.selector narrows it',
    ),
  ];
  const spec = (given ?? {}) as InstrumentationSpec;
  const env = environment(spec);
  const result: TracingPolicySpec = {
    ...sampling(spec, env, notes),
    ...exporters(spec, env, notes),
    ...propagators(spec, env, notes),
    ...attributes(spec, env, notes),
    ...signals(env, notes),
    ...instrumentations(env, notes),
  };
  for (const { entry, path } of env.values())
    if (!READ.has(entry.name)) notes.push(kept(path, `${entry.name}: ${IN_CONTAINER}`));
  for (const field of Object.keys(spec.nodejs ?? {}))
    if (field !== 'env') notes.push((WITHOUT[field] ?? unknown)(['spec', 'nodejs', field]));
  for (const field of Object.keys(spec)) {
    if (field in WITHOUT) notes.push(WITHOUT[field]!(['spec', field]));
    else if (LANGUAGES.includes(field))
      notes.push(
        unneeded(['spec', field], 'it is not about Node.js: keep the Instrumentation for the pods that use it'),
      );
    else if (!['exporter', 'resource', 'propagators', 'sampler', 'defaults', 'env', 'nodejs'].includes(field))
      notes.push(unknown(['spec', field]));
  }
  const { name, namespace, labels } = (metadata ?? {}) as { name?: string; namespace?: string; labels?: object };
  const policy = {
    apiVersion: `${GROUP}/${VERSION}`,
    kind: 'TracingPolicy',
    metadata: {
      ...(name !== undefined && { name }),
      ...(namespace !== undefined && { namespace }),
      ...(labels && { labels }),
    },
    spec: result,
  };
  return { policy, notes };
}

/** Variables that have a counterpart in a policy. */
const READ = new Set([
  ...['OTEL_TRACES_SAMPLER', 'OTEL_TRACES_SAMPLER_ARG', 'OTEL_PROPAGATORS', 'OTEL_RESOURCE_ATTRIBUTES'],
  ...['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'],
  ...['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'],
  ...['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS'],
  ...['OTEL_TRACES_EXPORTER', 'OTEL_METRICS_EXPORTER', 'OTEL_LOGS_EXPORTER'],
  ...['OTEL_NODE_ENABLED_INSTRUMENTATIONS', 'OTEL_NODE_DISABLED_INSTRUMENTATIONS'],
]);

type Environment = Map<string, { entry: EnvEntry; path: Note['path'] }>;

/** Variables by name; of one name those for Node.js win over those for all. */
function environment({ env = [], nodejs }: InstrumentationSpec): Environment {
  const found: Environment = new Map();
  for (const [i, entry] of env.entries()) found.set(entry.name, { entry, path: ['spec', 'env', i] });
  for (const [i, entry] of (nodejs?.env ?? []).entries())
    found.set(entry.name, { entry, path: ['spec', 'nodejs', 'env', i] });
  return found;
}

/** The first of these variables that is set in plain text; what is not is noted. */
function variable(env: Environment, names: string[], notes: Note[]): { value: string; path: Note['path'] } | undefined {
  for (const name of names) {
    const found = env.get(name);
    if (!found) continue;
    const { entry, path } = found;
    if (entry.value !== undefined && !entry.valueFrom && !entry.value.includes('$('))
      return { value: entry.value, path };
    notes.push(kept(path, `${name}: its value is only known in the pod: ${IN_CONTAINER}`));
  }
  return undefined;
}

function sampling(
  { sampler }: InstrumentationSpec,
  env: Environment,
  notes: Note[],
): Pick<TracingPolicySpec, 'sampling'> {
  const byEnv = variable(env, ['OTEL_TRACES_SAMPLER'], notes);
  const argumentByEnv = variable(env, ['OTEL_TRACES_SAMPLER_ARG'], notes);
  const type = byEnv?.value ?? sampler?.type;
  const path = byEnv?.path ?? ['spec', 'sampler'];
  if (type === undefined) {
    if (sampler || argumentByEnv)
      notes.push(kept(argumentByEnv?.path ?? path, 'it says no type of sampler, so that its argument says nothing'));
    return {};
  }
  const argument = argumentByEnv?.value ?? sampler?.argument;
  const ratio = /^(parentbased_)?(always_on|always_off|traceidratio)$/.exec(type)?.[2];
  const value = ratio === 'always_on' ? 1 : ratio === 'always_off' ? 0 : Number(argument ?? 1);
  if (ratio === undefined || !(value >= 0 && value <= 1)) {
    const what =
      ratio === undefined ? `there is no sampler ${type}` : `${JSON.stringify(argument)} is no ratio from 0 to 1`;
    notes.push(kept(path, `${what}; say sampling.ratio, e.g. 0.1`));
    return {};
  }
  const isParentBased = type.startsWith('parentbased_');
  notes.push(converted(path, `sampling.ratio: ${value}${isParentBased ? '' : ', sampling.parentBased: false'}`));
  return { sampling: { ratio: value, ...(!isParentBased && { parentBased: false }) } };
}

/** A receiver's usual port for gRPC, without a path, which only HTTP has. */
const PORT_OF_GRPC = /:4317\/?$/;
/**
 * No Instrumentation says its protocol but by variables. Its Node.js image spoke gRPC where nothing was said, up to
 * @opentelemetry/auto-instrumentations-node 0.53 (autoinstrumentation.ts before
 * https://github.com/open-telemetry/opentelemetry-operator/pull/3570), and http/protobuf since, the default of that package
 * (https://github.com/open-telemetry/opentelemetry-operator/blob/main/docs/rfcs/instrumentation-v1beta1.md); the operator's own
 * example kept http://otel-collector:4317. At that port the Collector takes gRPC alone, so that it is what was meant.
 */
const WHY_GRPC =
  "as 4317 is gRPC's port; opentelemetry-operator's newer images for Node.js sent http/protobuf there, so if yours did and spans came, take protocol out again";

function exporters(spec: InstrumentationSpec, env: Environment, notes: Note[]): Pick<TracingPolicySpec, 'exporters'> {
  const byEnv = variable(env, ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'], notes);
  const given = byEnv?.value ?? spec.exporter?.endpoint;
  const path = byEnv?.path ?? ['spec', 'exporter', 'endpoint'];
  const protocol = protocolOf(env, notes);
  const headers = headersOf(env, notes);
  if (given === undefined) {
    if (spec.exporter || headers || protocol)
      notes.push(
        kept(['spec', 'exporter'], "it says no endpoint; write one, or leave it to the chart's defaultPolicy"),
      );
    return {};
  }
  // A policy's endpoint is the one for all signals: the agent appends the path.
  const endpoint = given.replace(/\/v1\/traces\/?$/, '');
  const isPortOfGrpc = protocol === undefined && PORT_OF_GRPC.test(given);
  const tls = endpoint.startsWith('https://') ? tlsOf(spec.exporter?.tls, notes) : undefined;
  if (spec.exporter?.tls && !endpoint.startsWith('https://'))
    notes.push(kept(['spec', 'exporter', 'tls'], 'tls goes with https endpoints only'));
  const made = {
    name: 'default',
    ...(protocol && { protocol }),
    ...(isPortOfGrpc && { protocol: 'grpc' }),
    endpoint,
    ...(headers && { headers }),
    ...(tls && { tls }),
  };
  const checked = exporterSchema.safeParse(made);
  if (!checked.success) {
    notes.push(kept(path, `${JSON.stringify(given)}: ${firstIssue(checked)?.message}`));
    return {};
  }
  notes.push(
    converted(path, `exporters[0].endpoint: ${endpoint}`),
    ...(isPortOfGrpc ? [converted(path, `exporters[0].protocol: grpc, ${WHY_GRPC}`)] : []),
  );
  return { exporters: [checked.data] };
}

function protocolOf(env: Environment, notes: Note[]): Exporter['protocol'] {
  const found = variable(env, ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'], notes);
  if (!found) return undefined;
  const { value, path } = found;
  const known = PROTOCOLS.find((protocol) => protocol === value);
  notes.push(
    known
      ? converted(path, `exporters[0].protocol: ${known}`)
      : kept(path, `there is no protocol ${value}; there are ${PROTOCOLS.join(', ')}`),
  );
  return known;
}

/** https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables */
function headersOf(env: Environment, notes: Note[]): Exporter['headers'] {
  const names = ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS'];
  const found = names.map((name) => env.get(name)).find((each) => each !== undefined);
  if (!found) return undefined;
  const { entry, path } = found;
  if (entry.value === undefined || entry.valueFrom || entry.value.includes('$(')) {
    const { name = 'collector-credentials' } = entry.valueFrom?.secretKeyRef ?? {};
    notes.push(
      kept(
        path,
        `${entry.name}: the Secret has names and values in one; give each value a key of its own and write e.g. headers: [{name: x-api-key, valueFrom: {secretKeyRef: {name: ${name}, key: api-key}}}]`,
      ),
    );
    return undefined;
  }
  const headers = entry.value.split(',').flatMap((pair) => {
    const [name = '', ...value] = pair.split('=');
    return name.trim() === '' ? [] : [{ name: name.trim(), value: decode(value.join('=').trim()) }];
  });
  notes.push(converted(path, `exporters[0].headers: ${headers.map(({ name }) => name).join(', ')}`));
  return headers;
}

function tlsOf(tls: NonNullable<InstrumentationSpec['exporter']>['tls'], notes: Note[]): Tls | undefined {
  if (!tls) return undefined;
  const path = ['spec', 'exporter', 'tls'];
  const { secretName, configMapName, ca_file: ca, cert_file: cert, key_file: key } = tls;
  const made: Tls = {};
  const usable = (field: string, file: string | undefined, from: string | undefined): file is string => {
    if (file === undefined) return false;
    if (!file.startsWith('/') && from !== undefined) return true;
    notes.push(
      kept(
        [...path, field],
        `${file} is not a key of a Secret or ConfigMap; put it into one, e.g. {secretKeyRef: {name: collector-tls, key: ${file.split('/').at(-1)}}}`,
      ),
    );
    return false;
  };
  if (usable('ca_file', ca, configMapName ?? secretName))
    made.ca =
      configMapName !== undefined
        ? { configMapKeyRef: { name: configMapName, key: ca } }
        : { secretKeyRef: { name: secretName!, key: ca } };
  const [hasCert, hasKey] = [usable('cert_file', cert, secretName), usable('key_file', key, secretName)];
  if (hasCert && hasKey && cert !== undefined && key !== undefined) {
    made.cert = { secretKeyRef: { name: secretName!, key: cert } };
    made.key = { secretKeyRef: { name: secretName!, key } };
  } else if (hasCert || hasKey) notes.push(kept(path, 'a client certificate needs its key and a key its certificate'));
  if (Object.keys(made).length === 0) return undefined;
  notes.push(converted(path, `exporters[0].tls: ${Object.keys(made).join(', ')}`));
  return made;
}

function propagators(
  spec: InstrumentationSpec,
  env: Environment,
  notes: Note[],
): Pick<TracingPolicySpec, 'propagators'> {
  const byEnv = variable(env, ['OTEL_PROPAGATORS'], notes);
  const given = byEnv ? byEnv.value.split(',').map((name) => name.trim()) : spec.propagators;
  if (!given || given.length === 0) return {};
  const path = byEnv?.path ?? ['spec', 'propagators'];
  const known = PROPAGATORS.filter((name) => given.includes(name));
  for (const name of given)
    if (!known.includes(name as Propagator))
      notes.push(kept(path, `there is no propagator ${name}; there are ${PROPAGATORS.join(', ')}`));
  if (known.length === 0) return {};
  // In their order, which is that in which they are read.
  const list = [...new Set(given)].filter((name): name is Propagator => known.includes(name as Propagator));
  notes.push(converted(path, `propagators: ${list.join(', ')}`));
  return { propagators: list };
}

function attributes(
  { resource, defaults }: InstrumentationSpec,
  env: Environment,
  notes: Note[],
): Pick<TracingPolicySpec, 'resource'> {
  const byEnv = variable(env, ['OTEL_RESOURCE_ATTRIBUTES'], notes);
  const fromEnv = (byEnv?.value ?? '').split(',').flatMap((pair): [string, string][] => {
    const [name = '', ...value] = pair.split('=');
    return name.trim() === '' ? [] : [[name.trim(), decode(value.join('=').trim())]];
  });
  const path = ['spec', 'resource', 'resourceAttributes'];
  const made: Record<string, string> = {};
  for (const [name, value, at] of [
    ...Object.entries(resource?.resourceAttributes ?? {}).map(
      ([name, value]) => [name, value, [...path, name]] as const,
    ),
    ...fromEnv.map(([name, value]) => [name, value, byEnv!.path] as const),
  ]) {
    if (OF_THE_POD.includes(name)) {
      // There it has no effect either.
      notes.push(
        kept([...at], `${name} comes from each pod: annotate the pod template, resource.opentelemetry.io/${name}`),
      );
      continue;
    }
    const checked = tracingPolicySpec.safeParse({ resource: { attributes: { [name]: value } } });
    if (checked.success) made[name] = value;
    notes.push(
      checked.success
        ? converted([...at], `resource.attributes: ${name}`)
        : kept([...at], `${name}: ${firstIssue(checked)?.message}`),
    );
  }
  if (resource?.addK8sUIDAttributes)
    notes.push(
      kept(
        ['spec', 'resource', 'addK8sUIDAttributes'],
        'k8s.pod.uid is always there; UIDs of what owns the pod are not',
      ),
    );
  const useLabels = defaults?.useLabelsForResourceAttributes === true;
  if (useLabels)
    notes.push(converted(['spec', 'defaults', 'useLabelsForResourceAttributes'], 'resource.useLabels: true'));
  const hasAttributes = Object.keys(made).length > 0;
  if (!hasAttributes && !useLabels) return {};
  return { resource: { ...(hasAttributes && { attributes: made }), ...(useLabels && { useLabels }) } };
}

function signals(env: Environment, notes: Note[]): Pick<TracingPolicySpec, 'signals'> {
  const made: NonNullable<TracingPolicySpec['signals']> = {};
  for (const signal of SIGNALS) {
    const name = `OTEL_${signal.toUpperCase()}_EXPORTER`;
    const found = variable(env, [name], notes);
    if (!found) continue;
    const { value, path } = found;
    const isOn = value === 'otlp';
    if (!isOn && value !== 'none')
      notes.push(
        kept(path, `${name}: there is no exporter ${value}; signals.${signal}: true sends to the policy's exporters`),
      );
    else if (isOn === (signal === 'traces'))
      notes.push(
        unneeded(path, `${name}: ${signal} are ${isOn ? 'sent' : 'not sent'} where a policy says nothing of them`),
      );
    else {
      made[signal] = isOn;
      notes.push(converted(path, `signals.${signal}: ${isOn}`));
    }
  }
  return Object.keys(made).length > 0 ? { signals: made } : {};
}

function instrumentations(env: Environment, notes: Note[]): Pick<TracingPolicySpec, 'instrumentations'> {
  const only = variable(env, ['OTEL_NODE_ENABLED_INSTRUMENTATIONS'], notes);
  if (only)
    notes.push(
      kept(
        only.path,
        `it switches all others off, which a policy does by name, e.g. instrumentations: [{name: express, enabled: false}]; or ${IN_CONTAINER}`,
      ),
    );
  const never = variable(env, ['OTEL_NODE_DISABLED_INSTRUMENTATIONS'], notes);
  if (!never) return {};
  const listed = never.value.split(',').map((name) => name.trim());
  const made = [...new Set(listed)].filter(Boolean).map((name) => ({ name, enabled: false }));
  const checked = tracingPolicySpec.safeParse({ instrumentations: made });
  if (!checked.success) {
    notes.push(kept(never.path, `${JSON.stringify(never.value)}: ${firstIssue(checked)?.message}`));
    return {};
  }
  if (made.length === 0) return {};
  notes.push(
    converted(never.path, `instrumentations, with enabled: false: ${made.map(({ name }) => name).join(', ')}`),
  );
  return { instrumentations: made };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
