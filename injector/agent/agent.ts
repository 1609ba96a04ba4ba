import type { Attributes, TextMapPropagator } from '@opentelemetry/api';
import { sdkVersion, version } from 'agent:libraries';
import { realpathSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { isApiTaken, registerApi, unregisterApi } from './api-global.ts';
import { findBundled } from './bundled.ts';
import { UNDICI_CREATE, isHttpLoaded, watchBuiltins } from './builtins.ts';
import { LiveContextManager } from './context.ts';
import { count, list, text, type Environment } from './environment.ts';
import type { DescribeCall } from './databases/describe.ts';
import { encodeSpan } from './encode.ts';
import type * as Http from 'node:http';
import type * as Https from 'node:https';
import type * as Os from 'node:os';
import { HttpHooks } from './http/install.ts';
import { watchFastify } from './http/route.ts';
import type { Instrumentations } from './instrumentations.ts';
import type { Keeper, Send } from './keep.ts';
import { Libraries, type LoadPiece } from './libraries.ts';
import { ExitFlush, together } from './lifecycle.ts';
import { Logs } from './logs.ts';
import type { TappedInstrumentation } from './logs/tap.ts';
import { Metrics, type SignalHost } from './metrics.ts';
import { watchLibraries } from './module-hook.ts';
import type { AddOldNames } from './old-names.ts';
import { loadedTracer } from './other-tracers.ts';
import { PolicyDirectory } from './policy.ts';
import { OpenSpans } from './open-spans.ts';
import { Problems } from './problems.ts';
import { LivePropagator } from './propagators.ts';
import { ExportQueues } from './export-queues.ts';
import { batching } from './export-options.ts';
import { Receivers } from './receivers.ts';
import { debugOnce, failed, failureCount, sayOnce } from './report.ts';
import { redactStatement } from './redact.ts';
import { AGENT_BYTES, withTroubles, type ReportBody } from './report-body.ts';
import { Reporter } from './reporter.ts';
import { resourceAttributes } from './resource.ts';
import type { DocumentKeep } from '../policy-document.ts';
import type { SamplingRule } from '../../crds/sampling.ts';
import { unknownField } from './sampling-rules.ts';
import { LiveSampler } from './sampler.ts';
import { carriesSame, describesSame, resolveSettings, type PolicyState, type Settings } from './settings.ts';
import type { RecordingSpan, SpanLimits, SpanSink } from './span.ts';
import { LiveTracerProvider, type TracingState } from './tracer.ts';
import type { Uncaught } from './uncaught.ts';

const POLL_MILLIS = 1000;
/** Instrumentations that have metrics. */
const MEASURING = ['lru-cache', 'node-cache', 'undici'];
/** The start belongs to the app. */
const BUNDLES_MILLIS = 5_000;

/** What the entry hands over. */
export interface Host {
  load: LoadPiece;
  require: NodeJS.Require;
}

/** The agent of one process. */
export class Agent implements SpanSink {
  readonly limits: SpanLimits;
  /** What the policy asks for and this process cannot do: for the operator's status. */
  readonly problems = new Problems(() => this.reporter?.noticed());
  private readonly env: Environment;
  private readonly host: Host;
  private readonly contexts = new LiveContextManager();
  private readonly state: TracingState;
  private readonly provider: LiveTracerProvider;
  private readonly propagator = new LivePropagator();
  private readonly receivers: Receivers;
  private readonly libraries: Libraries;
  private instrumentations: Instrumentations | undefined;
  private readonly queues: ExportQueues;
  private readonly metrics: Metrics;
  private readonly logs: Logs;
  private readonly exitFlush: ExitFlush;
  private settings: Settings | undefined;
  private resourceFacts: Attributes | undefined;
  private servicePrefix: string | undefined;
  private carriers: readonly string[] = [];
  private http: HttpHooks | undefined;
  private stopped: string | undefined;
  private reporter: Reporter | undefined;
  private readonly addOldNames: AddOldNames | undefined;
  private policy: PolicyState | undefined;

  constructor(host: Host, env: Environment) {
    this.host = host;
    this.env = env;
    this.limits = {
      attributes: count(env, 128, 0, 'OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 'OTEL_ATTRIBUTE_COUNT_LIMIT'),
      valueLength: count(
        env,
        Infinity,
        0,
        'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT',
        'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT',
      ),
      events: count(env, 128, 0, 'OTEL_SPAN_EVENT_COUNT_LIMIT'),
      links: count(env, 128, 0, 'OTEL_SPAN_LINK_COUNT_LIMIT'),
    };
    const counts = { started: 0, sampled: 0 };
    const open = new OpenSpans(
      () => this.exitFlush.arm(),
      () => this.libraries.piece('uncaught') as { Uncaught: typeof Uncaught },
    );
    this.state = {
      on: false,
      sampler: new LiveSampler(),
      keeper: undefined,
      silence: undefined,
      sink: this,
      counts,
      open,
    };
    this.provider = new LiveTracerProvider(this.state);
    this.libraries = new Libraries(host.load, host.require, env, {
      isOn: () => this.state.on,
      isMeasuring: () => this.metrics.durations !== undefined,
      onInstrumentation: (name, instrumentation) => this.instrumented(name, instrumentation),
      onTracer: (name) => this.stepAside(`${name} is tracing it`),
      onSeen: () => this.reporter?.noticed(),
    });
    const mounted = text(env, 'TRACING_ACME_CREDENTIALS_DIR');
    this.receivers = new Receivers(this.libraries, this.problems, host.require, mounted);
    const signals: SignalHost = {
      batch: batching(env),
      resource: () => this.resource,
      open: (exporter) => this.receivers.open(exporter),
      listener: { onIdle: () => this.exitFlush.release(), onTrouble: () => this.reporter?.noticed() },
      piece: (name) => this.libraries.piece(name),
      arm: () => {
        this.receivers.prepare();
        this.exitFlush.arm();
      },
    };
    this.queues = new ExportQueues(signals.batch, signals.resource, signals.open, signals.listener);
    this.metrics = new Metrics(signals, count(env, 60_000, 1, 'OTEL_METRIC_EXPORT_INTERVAL'));
    this.logs = new Logs(
      signals,
      version,
      () => this.receivers.muted,
      () => this.checkLogs(),
    );
    this.exitFlush = new ExitFlush(together([this.queues, this.logs, this.metrics]), open);
    const optIn = list(text(env, 'OTEL_SEMCONV_STABILITY_OPT_IN'));
    if (optIn.some((each) => each.endsWith('/dup'))) {
      const { oldNames } = this.libraries.piece('old-names') as { oldNames: (optIn: string[]) => AddOldNames };
      this.addOldNames = oldNames(optIn);
    }
  }

  /** Takes up work: reads the policy, then watches what the app loads. */
  start(): void {
    const path = text(this.env, 'TRACING_ACME_POLICY_DIR');
    const directory = path === undefined ? undefined : new PolicyDirectory(path);
    this.apply(directory?.read());
    if (directory === undefined && this.receivers.list.length === 0) return;
    if (path !== undefined) this.report(path);
    const other = isApiTaken() ? 'an OpenTelemetry SDK' : loadedTracer(Object.keys(this.host.require.cache));
    if (other !== undefined) return this.stepAside(`${other} is tracing it`);
    registerApi(this.provider, this.contexts, this.propagator, () =>
      this.stepAside('its own OpenTelemetry SDK is tracing it'),
    );
    watchLibraries((filename) => this.libraries.patchFor(filename));
    this.libraries.startBuiltins();
    if (process.argv[1] !== undefined) this.libraries.watchModules(resolve(process.argv[1]));
    watchFastify();
    watchBuiltins(
      { http: (request) => this.traceHttp(request), undici: (message) => this.traceUndici(message) },
      isHttpLoaded,
    );
    if (directory !== undefined) this.follow(directory);
    setTimeout(() => this.lookForBundles(), BUNDLES_MILLIS).unref();
  }

  /** Says which libraries are out of reach because they were bundled into the app's own files. */
  private lookForBundles(): void {
    if (this.stopped) return;
    try {
      const files = new Set(Object.keys(this.host.require.cache));
      // An ES module is in no list of loaded files.
      if (process.argv[1] !== undefined) files.add(realpathSync(resolve(process.argv[1])));
      findBundled([...files], (file, packages) => {
        const lost = this.libraries.seen.noteBundled(packages);
        if (lost.length > 0)
          sayOnce(
            `${basename(file)} is a bundle: no spans of ${lost.join(', ')} in it, those of HTTP only. Leave them out of the bundle, e.g. esbuild --packages=external`,
          );
      });
    } catch {
      // The main file is gone or has no path: there is nothing to be said about it.
    }
  }

  private get resource(): Attributes {
    return (this.resourceFacts ??= resourceAttributes(this.env, this.settings ?? { resource: {}, useLabels: false }, {
      name: 'tracing-operator',
      version,
      sdkVersion,
      hostname: () => (this.host.require('node:os') as typeof Os).hostname(),
    }));
  }

  begun(): void {
    this.receivers.prepare();
  }

  finished(span: RecordingSpan): void {
    this.state.open.closed();
    if (span.fragment === undefined) this.export(span);
    else this.state.keeper?.finished(span, span.fragment);
  }

  private export(span: RecordingSpan): void {
    try {
      this.addOldNames?.(span.attributes, span.kind);
      redactStatement(span.attributes);
      if ('db.system.name' in span.attributes) (this.libraries.piece('describe')['describeCall'] as DescribeCall)(span);
      this.instrumentations?.finish(span.instrumentationScope.name, span.attributes);
      if (this.settings?.serviceInNames) {
        this.servicePrefix ??= `${String(this.resource['service.name'])}.`;
        span.name = this.servicePrefix + span.name;
      }
      this.queues.add(encodeSpan(span), span.instrumentationScope);
    } catch (error) {
      return failed('a span could not be encoded', error);
    }
    this.exitFlush.arm();
  }

  private apply(policy: PolicyState | undefined): void {
    if (this.stopped) return;
    this.policy = policy;
    this.reporter?.changed(policy);
    const settings = resolveSettings(this.env, policy);
    const before = this.settings;
    this.settings = settings;
    this.state.sampler.set(settings);
    this.setKeep(settings.on ? settings.keep : undefined);
    this.checkRules(settings.rules, before?.rules);
    if (before === undefined || !carriesSame(before, settings)) this.setPropagators(settings);
    if (before !== undefined && !describesSame(before, settings)) this.resourceFacts = undefined;
    this.servicePrefix = undefined;
    for (const queues of [this.queues, this.metrics.queues, this.logs.queues]) queues.setBatch(settings.batch);
    this.queues.set(settings.exporters);
    this.metrics.set(settings.metrics);
    this.logs.set(settings.logs, settings.on && settings.logCorrelation);
    const { exporters, metrics, logs } = settings;
    this.receivers.set([...exporters, ...metrics, ...logs]);
    if (this.state.counts.sampled + (this.state.keeper?.kept ?? 0) > 0) this.receivers.prepare();
    this.checkLogs();
    this.setInstrumentations(settings.instrumentations);
    this.state.on = settings.on;
    this.contexts.setOn(this.isActive);
    this.http?.set(this.isActive && this.libraries.isEnabled('http'));
  }

  /** Whether requests are of interest. */
  private get isActive(): boolean {
    return this.stopped === undefined && (this.state.on || this.settings!.metrics.length > 0);
  }

  /** Says what of logs is asked for in vain. */
  private checkLogs(): void {
    const { on, logs, logCorrelation } = this.settings!;
    const unsent = [...this.logs.tap.unsent].join(', ');
    if (logs.length > 0 && unsent)
      this.problems.set('signals.logs', `${unsent} cannot be tapped: its lines are not sent`);
    else this.problems.clear('signals.logs');
    if (logCorrelation && !on)
      this.problems.set('signals.logCorrelation', 'traces are off here: there is none to name in log lines');
    else this.problems.clear('signals.logCorrelation');
  }

  private instrumented(name: string, instrumentation: object): void {
    if (MEASURING.includes(name)) this.metrics.attach(instrumentation as Parameters<Metrics['attach']>[0]);
    else if ('tap' in instrumentation) (instrumentation as TappedInstrumentation).tap = this.logs.tap;
  }

  private setKeep(options: DocumentKeep | undefined): void {
    if (options !== undefined && this.state.keeper === undefined) {
      const { createKeeper } = this.libraries.piece('keep') as { createKeeper: (send: Send) => Keeper };
      let isFirst = true;
      this.state.keeper = createKeeper((span) => {
        if (isFirst) this.begun();
        isFirst = false;
        this.export(span);
      });
    }
    this.state.keeper?.set(options);
  }

  private setPropagators({ propagators, baggage }: Settings): void {
    const load = (name: string, keys?: readonly string[]): TextMapPropagator => {
      const { create } = this.libraries.piece('propagators') as {
        create: (name: string, keys?: readonly string[]) => TextMapPropagator;
      };
      return create(name, keys);
    };
    this.propagator.set(propagators, load, baggage);
    this.carriers = this.propagator.fields().map((field) => field.toLowerCase());
  }

  private setInstrumentations(list: Settings['instrumentations']): void {
    if (this.instrumentations === undefined) {
      if (list.length === 0) return;
      const { Instrumentations: Class } = this.libraries.piece('instrumentations') as {
        Instrumentations: typeof Instrumentations;
      };
      this.instrumentations = new Class(this.libraries, this.problems, version);
    }
    this.instrumentations.set(list);
    this.state.silence = this.instrumentations.silence;
  }

  /** Says which rules cannot be followed here. */
  private checkRules(rules: SamplingRule[], before: SamplingRule[] = []): void {
    for (let i = 0; i < Math.max(rules.length, before.length); i++) {
      const unknown = rules[i] && unknownField(rules[i]!);
      const name = `sampling.rules[${i}]`;
      if (unknown === undefined) this.problems.clear(name);
      else this.problems.set(name, `${unknown} is not known to this version of the agent: the rule is left out`);
    }
  }

  /** Ends all tracing by us in this process, for good. */
  private stepAside(reason: string): void {
    if (this.stopped) return;
    this.stopped = reason;
    this.reporter?.changed();
    sayOnce(`not tracing this process: ${reason}`);
    this.state.on = false;
    this.metrics.set([]);
    this.logs.set([], false);
    this.http?.set(false);
    this.contexts.setOn(false);
    this.libraries.stop();
    unregisterApi();
  }

  private traceHttp(request: unknown): void {
    if (this.stopped) return;
    try {
      const tracer = this.provider.getTracer('tracing-operator/http', version);
      const tracing = {
        state: this.state,
        tracer,
        contexts: this.contexts,
        carriers: () => this.carriers,
        metrics: this.metrics,
        options: () => this.instrumentations?.http,
      };
      this.http = new HttpHooks(tracing, () => this.receivers.muted, this.host.require('node:http') as typeof Http);
      const on = this.isActive && this.libraries.isEnabled('http');
      this.http.set(on);
      if (on && request !== undefined) this.http.serve(request);
    } catch (error) {
      failed('HTTP could not be instrumented', error);
    }
  }

  private traceUndici(message: unknown): void {
    if (!this.state.on && this.metrics.durations === undefined) return;
    if (!this.libraries.isEnabled('undici')) return;
    try {
      this.libraries.instrument('undici');
      this.libraries.handler(UNDICI_CREATE)?.(message);
    } catch (error) {
      failed('fetch could not be instrumented', error);
    }
  }

  /** Tells the operator what is in force here, now and then. */
  private report(directory: string): void {
    const { container = '' } =
      /(?:^|,)k8s\.container\.name=(?<container>[^,]*)/.exec(text(this.env, 'TRACING_ACME_RESOURCE') ?? '')?.groups ??
      {};
    this.reporter = new Reporter({
      directory,
      requireHttps: () => this.host.require('node:https') as typeof Https,
      untraced: (work) => this.receivers.untraced(work),
      body: () => ({
        container,
        pid: process.pid,
        key: this.policy?.kind === 'policy' ? this.policy.key : 'none',
        revision: this.policy?.kind === 'policy' ? this.policy.revision : 'none',
        agentVersion: version,
        nodeVersion: process.version,
        ...(this.stopped !== undefined && { failure: `not traced by us: ${this.stopped}` }),
        startedAt: Math.round(performance.timeOrigin),
        counters: {
          ...this.state.counts,
          kept: this.state.keeper?.kept ?? 0,
          heldDropped: this.state.keeper?.dropped ?? 0,
          ...this.queues.totals(),
          exceptions: failureCount(),
        },
        exporters: withTroubles(this.queues.report(), {
          metrics: this.metrics.queues.report(),
          logs: this.logs.queues.report(),
        }),
        ...this.signalReport(),
        ...this.libraries.seen.report(),
        problems: this.problems.list(),
        memory:
          AGENT_BYTES +
          (this.state.keeper?.heldBytes ?? 0) +
          this.queues.memory() +
          this.metrics.queues.memory() +
          this.logs.queues.memory(),
      }),
    });
    this.reporter.start(this.policy);
  }

  private signalReport(): Pick<ReportBody, 'signals'> {
    const metrics = this.metrics.queues.sum();
    const logs = this.logs.queues.sum();
    return metrics || logs ? { signals: { ...(metrics && { metrics }), ...(logs && { logs }) } } : {};
  }

  private follow(directory: PolicyDirectory): void {
    const look = (): void => {
      if (this.stopped) return;
      this.receivers.refresh();
      directory.whenChanged((changed) => {
        if (changed) {
          try {
            this.apply(directory.read());
            debugOnce('the policy has changed');
          } catch (error) {
            failed('a changed policy could not be applied', error);
          }
        }
        setTimeout(look, POLL_MILLIS).unref();
      });
    };
    setTimeout(look, POLL_MILLIS).unref();
  }
}

/** Starts the agent in this process. */
export function start(host: Host): Agent {
  const agent = new Agent(host, process.env);
  agent.start();
  return agent;
}
