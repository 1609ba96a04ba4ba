import { millisOf } from '../../crds/duration.ts';
import type { Exporter } from '../../crds/exporter.ts';
import { isSecretHeader } from '../../crds/secret-header.ts';
import type { ClusterTracingPolicySpec, TracingPolicySpec } from '../../crds/tracing-policy.ts';
import type { Readable } from '../policy-file.ts';
import { adviceOnGateways } from './gateways.ts';
import { adviceOnInstrumentations } from './instrumentations.ts';
import { adviceOnSelectors } from './labels.ts';
import { adviceOnRollout } from './rollout.ts';
import { covers, impossible } from './rules.ts';

/** Something that the API server takes and that is most often not what was meant. */
export interface Advice {
  path: PropertyKey[];
  /** A name for it, of a closed list: docs/reference/cli.md. */
  rule: string;
  what: string;
  why: string;
  example: string;
}

type Spec = TracingPolicySpec & Partial<Pick<ClusterTracingPolicySpec, 'override' | 'namespaceSelector'>>;

/** So many exporters that all of everything is dear. */
const MANY = 3;
/** Of the agent, where a policy does not say: injector/agent/export-options.ts. */
const USUAL = {
  maxQueueSize: 2048,
  maxExportBatchSize: 512,
  scheduleDelay: '1s',
  exportTimeout: '30s',
  timeout: '10s',
};
const TRACE_CONTEXT = ['tracecontext', 'b3', 'b3multi', 'jaeger', 'xray'];

/** What is to be thought about in as much of a policy as can be read. Pure. */
export function adviceOn({ spec, unread, exporters }: Readable): Advice[] {
  /** Advice that goes by some fields, where these can be read: else it would go by what is not there. */
  const by = <K extends keyof Spec>(fields: K[], advise: (spec: Pick<Spec, K>) => Advice[]): Advice[] =>
    fields.some((field) => unread.has(field)) ? [] : advise(spec as Spec);
  return [
    ...by(['selector', 'namespaceSelector'], adviceOnSelectors),
    ...by(['sampling', 'exporters', 'enabled'], onSampling),
    ...by(['sampling'], onRules),
    ...by(['batch'], onBatch),
    ...by(['batch', 'signals'], (rest) =>
      exporters.flatMap((exporter, i) => (exporter ? onExporter(exporter, i, rest) : [])),
    ),
    ...by(['exporters', 'enabled', 'signals'], onExporters),
    ...by(['instrumentations'], adviceOnInstrumentations),
    ...by(['propagators', 'baggage'], onContext),
    ...by(['override', 'enabled', 'selector', 'namespaceSelector'], onReach),
    ...by(['selector', 'exporters', 'mesh', 'gateway'], adviceOnGateways),
    ...by(['rollout', 'enabled'], adviceOnRollout),
  ];
}

function onSampling({ sampling = {}, exporters = [], enabled }: Spec): Advice[] {
  const { ratio = 1, keep, rules = [], parentBased } = sampling;
  const found: Advice[] = [];
  if (sampling.ratio === 1 && exporters.length >= MANY)
    found.push({
      path: ['sampling', 'ratio'],
      rule: 'EverythingToMany',
      what: `every trace is recorded, and sent to ${exporters.length} exporters`,
      why: 'each exporter has a queue and a connection of its own in each process, and gets all of it',
      example: 'sampling: {ratio: 0.1}; or one exporter to a Collector that sends on',
    });
  if (
    ratio === 0 &&
    rules.every((rule) => rule.drop || rule.ratio === 0) &&
    !sampling.force &&
    !keep &&
    enabled !== false
  )
    found.push({
      path: ['sampling', 'ratio'],
      rule: 'NothingRecorded',
      what: 'no trace that begins here is recorded, and processes work for it all the same',
      why: 'enabled: false takes the work away too, and the status says SwitchedOff',
      example: 'enabled: false',
    });
  if (keep && ratio === 1 && rules.every((rule) => rule.ratio === 1))
    found.push({
      path: ['sampling', 'keep'],
      rule: 'KeepWithAll',
      what: 'keep finds nothing to keep, as every trace that begins here is recorded',
      why:
        parentBased === false
          ? 'it is for requests that were not sampled'
          : 'it only adds fragments of traces that a caller decided against, and holds spans in memory for that',
      example: 'sampling: {ratio: 0.1, keep: {errors: true}}',
    });
  return found;
}

function onRules({ sampling: { rules = [] } = {} }: Spec): Advice[] {
  return rules.flatMap((rule, index): Advice[] => {
    const path = ['sampling', 'rules', index];
    const why = impossible(rule);
    if (why !== undefined)
      return [
        {
          ...{ path, rule: 'RuleNeverMatches', what: 'this rule matches no span', why },
          example: '{methods: [POST], paths: ["/orders/*"], ratio: 1}',
        },
      ];
    const before = rules.findIndex((earlier, i) => i < index && covers(earlier, rule));
    if (before < 0) return [];
    return [
      {
        path,
        rule: 'RuleNeverReached',
        what: `this rule never decides: rule ${before} matches all that it does`,
        why: 'the first rule that matches decides, so what is special stands before what is general',
        example: `move it before spec.sampling.rules[${before}]`,
      },
    ];
  });
}

function onBatch({ batch }: Spec): Advice[] {
  if (!batch) return [];
  const {
    maxQueueSize = USUAL.maxQueueSize,
    maxExportBatchSize = USUAL.maxExportBatchSize,
    scheduleDelay = USUAL.scheduleDelay,
  } = batch;
  const path = ['batch', batch.maxQueueSize === undefined ? 'maxExportBatchSize' : 'maxQueueSize'];
  const example = 'batch: {maxQueueSize: 2048, maxExportBatchSize: 512}';
  if (maxQueueSize < maxExportBatchSize) {
    const rate = Math.floor((maxQueueSize * 1000) / millisOf(scheduleDelay));
    return [
      {
        ...{ path, rule: 'BatchNeverFull', example },
        what: `a queue of ${maxQueueSize} never holds a batch of ${maxExportBatchSize}, so spans are sent each ${scheduleDelay} alone: a process that records more than ${rate} a second loses some`,
        why: `maxExportBatchSize${batch.maxExportBatchSize === undefined ? ', left out, is 512' : ' is larger'}${batch.maxQueueSize === undefined ? '; maxQueueSize, left out, is 2048' : ''} (the chart may say otherwise)`,
      },
    ];
  }
  if (maxQueueSize < 2 * maxExportBatchSize)
    return [
      {
        ...{ path, rule: 'QueueOfOneBatch', example },
        what: `a queue of ${maxQueueSize} holds less than two batches of ${maxExportBatchSize}`,
        why: 'while one is sent, or tried again, the next spans wait in what is left of the queue, and the oldest are lost when it is full',
      },
    ];
  return [];
}

function onExporter(exporter: Exporter, index: number, { batch, signals = {} }: Spec): Advice[] {
  const { protocol = 'http/protobuf', endpoint, headers = [], retry, timeout } = exporter;
  const at = (...fields: PropertyKey[]) => ['exporters', index, ...fields];
  const url = new URL(endpoint);
  const found: Advice[] = [];
  const [wrong, right] = protocol === 'grpc' ? ['4318', '4317'] : ['4317', '4318'];
  if (url.port === wrong)
    found.push({
      path: at('endpoint'),
      rule: 'PortOfOtherProtocol',
      what: `port ${wrong} is where receivers usually expect ${protocol === 'grpc' ? 'http/protobuf' : 'grpc'}, and this exporter speaks ${protocol}`,
      why: 'a receiver of the other protocol refuses every batch',
      example: `endpoint: ${url.protocol}//${url.hostname}:${right}, or protocol: ${protocol === 'grpc' ? 'http/protobuf' : 'grpc'}`,
    });
  if (protocol === 'grpc' && url.pathname !== '/')
    found.push({
      path: at('endpoint'),
      rule: 'PathWithGrpc',
      what: `the path ${url.pathname} is not used`,
      why: 'gRPC has paths of its own, one for each service',
      example: `endpoint: ${url.protocol}//${url.host}`,
    });
  if (/^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname))
    found.push({
      path: at('endpoint'),
      rule: 'Localhost',
      what: `${url.hostname} is the traced pod itself`,
      why: 'it is right only where every pod has a Collector beside the app',
      example: 'endpoint: http://otel-collector.observability:4318',
    });
  headers.forEach((header, i) => {
    if (header.value !== undefined && looksSecret(header.name, header.value))
      found.push({
        path: at('headers', i, 'value'),
        rule: 'SecretInPlainText',
        what: `the value of ${header.name} looks like a secret`,
        why: "it is copied to the namespace's ConfigMap and to annotations of pods, where many may read it",
        example: `{name: ${header.name}, valueFrom: {secretKeyRef: {name: collector-credentials, key: api-key}}}`,
      });
  });
  const secret = headers.findIndex(({ valueFrom }) => valueFrom);
  if (url.protocol === 'http:' && secret >= 0)
    found.push({
      path: at('headers', secret),
      rule: 'SecretUnencrypted',
      what: `the secret of ${headers[secret]!.name} is sent over plain http`,
      why: 'whoever sees the traffic can read it, unless a mesh encrypts it',
      example: `endpoint: https://${url.host}`,
    });
  const patience = batch?.exportTimeout ?? USUAL.exportTimeout;
  const first = retry?.initialInterval;
  if (retry?.enabled !== false && first !== undefined && millisOf(first) >= millisOf(patience))
    found.push({
      path: at('retry', 'initialInterval'),
      rule: 'RetryTooLate',
      what: `no batch is tried again: after ${patience} it is given up, before the first wait of ${first} is over`,
      why: 'batch.exportTimeout ends all tries',
      example: 'retry: {initialInterval: 1s}',
    });
  if (first !== undefined && retry?.maxInterval !== undefined && millisOf(retry.maxInterval) < millisOf(first))
    found.push({
      path: at('retry', 'maxInterval'),
      rule: 'RetryIntervals',
      what: `the longest wait (${retry.maxInterval}) is shorter than the first (${first})`,
      why: 'waits grow from initialInterval to maxInterval',
      example: 'retry: {initialInterval: 1s, maxInterval: 10s}',
    });
  if (timeout !== undefined && millisOf(timeout) > millisOf(patience))
    found.push({
      path: at('timeout'),
      rule: 'TimeoutNeverReached',
      what: `a request may take ${timeout}, and the whole batch only ${patience}`,
      why: 'batch.exportTimeout ends it before, so that nothing is tried again',
      example: 'timeout: 10s',
    });
  const off = exporter.signals?.filter((signal) => !(signals[signal] ?? signal === 'traces')) ?? [];
  if (off.length > 0)
    found.push({
      path: at('signals'),
      rule: 'SignalIsOff',
      what: `${off.join(' and ')} ${off.length === 1 ? 'is' : 'are'} to be sent, and not on`,
      why: "of what a policy's signals do not switch on there is nothing to send (unless the chart's default does)",
      example: `signals: {${off.map((signal) => `${signal}: true`).join(', ')}}`,
    });
  return found;
}

function looksSecret(name: string, value: string): boolean {
  return (
    isSecretHeader(name) || /^(Bearer|Basic|Token) \S/i.test(value) || /^(eyJ|sk-|glc_|ghp_|xox)\S{8,}/.test(value)
  );
}

function onExporters({ exporters, enabled, signals = {} }: Spec): Advice[] {
  if (exporters === undefined || enabled === false) return [];
  if (exporters.length === 0)
    return [
      {
        path: ['exporters'],
        rule: 'NoExporter',
        what: 'what is recorded is sent nowhere',
        why: "an empty list also takes the place of the chart's exporters",
        example: 'leave exporters out; or enabled: false to switch tracing off',
      },
    ];
  const sends = (exporter: Exporter) => exporter.signals ?? ['traces', 'metrics', 'logs'];
  const found = exporters.flatMap((exporter, index): Advice[] => {
    const same = exporters.findIndex(
      (other, i) =>
        i < index &&
        other.endpoint === exporter.endpoint &&
        sends(other).some((each) => sends(exporter).includes(each)),
    );
    if (same < 0) return [];
    return [
      {
        path: ['exporters', index, 'endpoint'],
        rule: 'SentTwice',
        what: `the same as of ${exporters[same]!.name}: its receiver gets everything twice`,
        why: 'each exporter gets all that is recorded',
        example: 'leave one out, or give each signals of its own: signals: [traces]',
      },
    ];
  });
  if (signals.traces !== false && !exporters.some((exporter) => sends(exporter).includes('traces')))
    found.push({
      path: ['exporters'],
      rule: 'NoTraces',
      what: 'no exporter takes traces, and spans are made all the same',
      why: 'each of them names other signals',
      example: 'signals: {traces: false}; or an exporter with signals: [traces]',
    });
  return found;
}

function onContext({ propagators, baggage }: Spec): Advice[] {
  const found: Advice[] = [];
  if (propagators && !propagators.some((each) => TRACE_CONTEXT.includes(each)))
    found.push({
      path: ['propagators'],
      rule: 'TracesBreak',
      what: 'traces end at every request',
      why: `baggage carries no trace: that takes one of ${TRACE_CONTEXT.join(', ')}`,
      example: 'propagators: [tracecontext, baggage]',
    });
  if (baggage?.allow && propagators && !propagators.includes('baggage'))
    found.push({
      path: ['baggage', 'allow'],
      rule: 'NoBaggage',
      what: 'no baggage is passed on, so nothing is limited by this list',
      why: 'propagators has no baggage',
      example: 'propagators: [tracecontext, baggage]',
    });
  return found;
}

function onReach({ override, enabled, selector, namespaceSelector }: Spec): Advice[] {
  const isEmpty = (each: Spec['selector']) =>
    Object.keys(each?.matchLabels ?? {}).length + (each?.matchExpressions?.length ?? 0) === 0;
  if (!override || enabled === false || !isEmpty(selector) || !isEmpty(namespaceSelector)) return [];
  return [
    {
      path: ['override'],
      rule: 'OverridesAll',
      what: 'this policy takes the place of every TracingPolicy in the cluster',
      why: 'override applies before them, and it selects all namespaces and pods',
      example: 'leave override out; or namespaceSelector: {matchLabels: {team: web}}',
    },
  ];
}
