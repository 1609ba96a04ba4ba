import { AGENT_ENTRY } from './names.ts';
import type { Container, Pod } from './pod.ts';

type Metadata = Record<string, string>;
type Sign = [tracer: string, says: (annotations: Metadata, labels: Metadata) => string | undefined];

const annotation =
  (name: string, means: (value: string) => boolean = isYes) =>
  (annotations: Metadata) =>
    annotations[name] !== undefined && means(annotations[name]) ? `annotation ${name}` : undefined;
const label =
  (name: string, means: (value: string) => boolean = isYes) =>
  (_annotations: Metadata, labels: Metadata) =>
    labels[name] !== undefined && means(labels[name]) ? `label ${name}` : undefined;

/** Annotation by which opentelemetry-operator is asked for Node.js: `true`, or the name of an Instrumentation. */
export const OTEL_OPERATOR = 'instrumentation.opentelemetry.io/inject-nodejs';

/** How pods ask our peers for a tracer for Node.js, or show that they have one. */
const SIGNS: Sign[] = [
  ['opentelemetry-operator', annotation(OTEL_OPERATOR, asksOtelOperator)],
  ['Datadog', datadog],
  ['Elastic APM', annotation('co.elastic.apm/attach', (value) => /node/i.test(value))],
  ['New Relic', annotation('instrumentation.newrelic.com/inject-nodejs', asksOtelOperator)],
  ['Odigos', label('odigos.io/agents-meta-hash', Boolean)],
  ['Odigos', label('odigos-instrumentation', (value) => value === 'enabled')],
  ['Dash0', label('dash0.com/instrumented')],
  ['Lumigo', label('lumigo.auto-trace')],
  ['Instana', label('instana-autotrace')],
  ['Dynatrace', annotation('oneagent.dynatrace.com/injected')],
  ['Dynatrace', annotation('oneagent.dynatrace.com/inject')],
];

/** Init containers by which peers bring their files. */
const INIT_CONTAINERS: [string, RegExp][] = [
  ['opentelemetry-operator', /^opentelemetry-auto-instrumentation-nodejs/],
  ['Datadog', /^datadog-lib-(js|all)-init/],
  ['Elastic APM', /^elastic-nodejs-agent/],
  ['New Relic', /^(newrelic-instrumentation-nodejs|nri-nodejs-)/],
  ['Dash0', /^dash0-instrumentation/],
  ['Lumigo', /^lumigo-injector/],
  ['Dynatrace', /^(install-oneagent|dynatrace-operator)$/],
];

/** What Node is told to load first: `--require X`, `-r X`, `--import X`, `--loader X`. */
const PRELOAD = /(?:^|[\s"'=;])(?:-r|--require|--import|--(?:experimental-)?loader)[=\s]+["']?([^\s"';]+)/g;
const PACKAGES =
  /(?:^|\/node_modules\/)(dd-trace|newrelic|elastic-apm-node|appdynamics|applicationinsights|skyapm-nodejs|solarwinds-apm|@dynatrace\/oneagent|@instana\/collector|@contrast\/agent|@lumigo\/(?:tracer|opentelemetry)|@splunk\/otel|@elastic\/opentelemetry-node|@opentelemetry\/(?:auto-instrumentations-node|sdk-node))(?:\/|$)/;
const DIRECTORIES =
  /^(?:file:\/\/)?(\/otel-auto-instrumentation-nodejs|\/var\/odigos|\/newrelic-instrumentation|\/nri-nodejs[^/]*|\/elastic\/apm\/agent|\/datadog-lib|\/opt\/datadog[^/]*|\/__otel_auto_instrumentation|\/__dash0__)\//;

/** Says of a pod who else traces it, and by what that shows; undefined where nothing does. */
export function otherTracer({ metadata, spec }: Pod): string | undefined {
  const { annotations = {}, labels = {} } = metadata ?? {};
  for (const [tracer, says] of SIGNS) {
    const sign = says(annotations, labels);
    if (sign) return `${tracer}, by ${sign}`;
  }
  for (const { name } of spec.initContainers ?? [])
    for (const [tracer, pattern] of INIT_CONTAINERS)
      if (pattern.test(name)) return `${tracer}, by init container ${name}`;
  return undefined;
}

/** The tracer that a container loads by its NODE_OPTIONS, command or arguments, as far as they can be read. */
export function preloadedTracer({ command = [], args = [], env = [] }: Container): string | undefined {
  const options = env.filter(({ name }) => name === 'NODE_OPTIONS').map(({ value = '' }) => value);
  for (const [, module] of [...options, ...command, ...args].join(' ').matchAll(PRELOAD)) {
    if (module === AGENT_ENTRY) continue;
    const found = PACKAGES.exec(module!)?.[1] ?? DIRECTORIES.exec(module!)?.[1];
    if (found) return found;
  }
  return undefined;
}

/** `true`, or the name of a resource: anything but an empty value and `false`. */
export function asksOtelOperator(value: string): boolean {
  return value !== '' && value.toLowerCase() !== 'false';
}

function isYes(value: string): boolean {
  return value.toLowerCase() === 'true';
}

function datadog(annotations: Metadata, labels: Metadata): string | undefined {
  if (labels['admission.datadoghq.com/enabled']?.toLowerCase() === 'false') return undefined;
  const name = Object.keys(annotations).find((key) =>
    /^admission\.datadoghq\.com\/(.+\.)?(js|all)-lib\.(version|custom-image)$/.test(key),
  );
  return name && `annotation ${name}`;
}
