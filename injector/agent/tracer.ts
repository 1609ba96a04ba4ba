import {
  INVALID_SPAN_CONTEXT,
  SpanKind,
  TraceFlags,
  context,
  createContextKey,
  isSpanContextValid,
  trace,
  type Attributes,
  type Context,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
  type TracerOptions,
  type TracerProvider,
} from '@opentelemetry/api';
import type { Fragment, Keeper } from './keep.ts';
import type { Decision, LiveSampler } from './sampler.ts';
import type { SpanStart } from './sampling-rules.ts';
import { NEXT, noteNextRoute } from './http/route.ts';
import type { OpenSpans } from './open-spans.ts';
import { RecordingSpan, type Scope, type SpanSink } from './span.ts';
import { continued, withoutThreshold } from './threshold.ts';

// The same key as in @opentelemetry/core: keys of equal description are equal.
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
const NO_SPAN: Span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
/** The flag that says that a trace id is random: https://www.w3.org/TR/trace-context-2/#random-trace-id-flag */
const RANDOM = 2;
const { SAMPLED } = TraceFlags;

/** What all tracers of the process share and the policy changes. */
export interface TracingState {
  on: boolean;
  readonly sampler: LiveSampler;
  /** There once a policy has asked for it. */
  keeper: Keeper | undefined;
  readonly sink: SpanSink;
  /** Spans decided about and spans recorded, since the start. Below a span that is not recorded nothing is counted. */
  readonly counts: { started: number; sampled: number };
  silence: Silence | undefined;
  readonly open: OpenSpans;
}

/** Libraries whose spans are not wanted. */
export interface Silence {
  /** Whether a scope is one of them. */
  has(scope: string): boolean;
  /** What they get instead of a span below another. */
  standIn(above: RecordingSpan): Span;
}

/** Hands out tracers; there is one per library name and version. */
export class LiveTracerProvider implements TracerProvider {
  private readonly state: TracingState;
  private readonly tracers = new Map<string, LiveTracer>();

  constructor(state: TracingState) {
    this.state = state;
  }

  getTracer(name: string, version?: string, options?: TracerOptions): LiveTracer {
    const key = `${name}@${version ?? ''}:${options?.schemaUrl ?? ''}`;
    let tracer = this.tracers.get(key);
    if (tracer === undefined) {
      const scope: Scope = { name };
      if (version) scope.version = version;
      if (options?.schemaUrl) scope.schemaUrl = options.schemaUrl;
      tracer = new LiveTracer(this.state, scope);
      this.tracers.set(key, tracer);
    }
    return tracer;
  }
}

/** Starts spans; a span that is not kept costs next to nothing, and below it children cost less. */
export class LiveTracer implements Tracer {
  private readonly state: TracingState;
  private readonly scope: Scope;

  constructor(state: TracingState, scope: Scope) {
    this.state = state;
    this.scope = scope;
  }

  /** `start` is what `options` does not say because it is rarely needed. */
  startSpan(name: string, options?: SpanOptions, ctx: Context = context.active(), start?: SpanStart): Span {
    // Of all requests, as metrics want it.
    if (this.scope.name === NEXT && options?.attributes) noteNextRoute(options.attributes, ctx);
    if (!this.state.on || ctx.getValue(SUPPRESS_TRACING) === true) return NO_SPAN;
    const above = options?.root ? undefined : trace.getSpan(ctx);
    const { sampler, counts, silence } = this.state;
    if (silence?.has(this.scope.name))
      return above instanceof RecordingSpan ? silence.standIn(above) : (above ?? NO_SPAN);
    const parent = above?.spanContext();
    const kind = options?.kind ?? SpanKind.INTERNAL;
    const local = parent !== undefined && isSpanContextValid(parent) ? parent : undefined;
    const traceId = local?.traceId ?? randomHex(16);
    const known = sampler.looksAtStart ? (start ?? new OptionsStart(name, kind, options?.attributes)) : undefined;
    const decision = sampler.decide(traceId, local, known);
    const isSampled = decision !== 'unsampled' && decision !== 'dropped';
    let fragment: Fragment | undefined;
    if (isSampled) {
      counts.started += 1;
      if (counts.sampled++ === 0) this.state.sink.begun();
    } else {
      const isLocalRoot = local === undefined || local.isRemote === true;
      if (isLocalRoot) counts.started += 1;
      if (decision === 'unsampled') fragment = this.fragmentFor(above, isLocalRoot);
      if (fragment === undefined) return unrecorded(traceId, above, local);
    }
    const flags = local === undefined ? RANDOM : local.traceFlags & RANDOM;
    const identity: SpanContext = { traceId, spanId: randomHex(8), traceFlags: isSampled ? flags | SAMPLED : flags };
    const state = isSampled ? stateOf(decision, local) : unsampledState(local);
    if (state !== undefined) identity.traceState = state;
    // Of the span above, so that this one never starts before it.
    const clock = (above as Partial<RecordingSpan> | undefined)?.clockOffset ?? Date.now() - performance.now();
    const { sink } = this.state;
    const time = options?.startTime;
    const span = new RecordingSpan(sink, this.scope, name, kind, identity, local, clock, time, fragment);
    if (above instanceof RecordingSpan) span.above = above;
    this.state.open.opened();
    span.root = (above as Partial<RecordingSpan> | undefined)?.root ?? span;
    if (fragment !== undefined) fragment.root ??= span;
    if (decision === 'forced') span.setAttribute('tracing.acme.forced', true);
    if (options?.attributes) span.setAttributes(options.attributes);
    if (options?.links) span.addLinks(options.links);
    return span;
  }

  /** Where a span belongs that is not sampled and may be kept. */
  private fragmentFor(above: Span | undefined, isLocalRoot: boolean): Fragment | undefined {
    const { keeper } = this.state;
    if (!keeper?.isOn) return undefined;
    if (isLocalRoot) return keeper.begin();
    const fragment = above instanceof RecordingSpan ? above.fragment : undefined;
    return fragment?.isOver ? undefined : fragment;
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(name: string, options: SpanOptions, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    options: SpanOptions,
    ctx: Context,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    second: F | SpanOptions,
    third?: F | Context,
    fourth?: F,
  ): ReturnType<F> | undefined {
    const fn = fourth ?? (typeof third === 'function' ? third : second);
    if (typeof fn !== 'function') return undefined;
    const options = typeof second === 'function' ? undefined : second;
    const parent = typeof third === 'object' ? third : context.active();
    const span = this.startSpan(name, options, parent);
    return context.with(trace.setSpan(parent, span), () => fn(span) as ReturnType<F>);
  }
}

/** What the caller of startSpan() says. */
class OptionsStart implements SpanStart {
  readonly name: string;
  readonly kind: SpanKind;
  private readonly attributes: Attributes | undefined;

  constructor(name: string, kind: SpanKind, attributes: Attributes | undefined) {
    this.name = name;
    this.kind = kind;
    this.attributes = attributes;
  }

  attribute(name: string): unknown {
    return this.attributes?.[name];
  }
}

/** The tracestate of a sampled span. */
function stateOf(decision: Exclude<Decision, 'unsampled' | 'dropped'>, parent: SpanContext | undefined) {
  const before = parent?.traceState;
  if (typeof decision === 'object') return decision.stamp(before);
  if (decision === 'admitted' || decision === 'forced') return withoutThreshold(before);
  // Of our own spans it is known to be right.
  return parent?.isRemote ? continued(before, parent.traceId) : before;
}

/** The tracestate of one that is not. */
function unsampledState(parent: SpanContext | undefined) {
  return parent && parent.traceFlags & SAMPLED ? withoutThreshold(parent.traceState) : parent?.traceState;
}

/** Stands for a span that is not recorded. */
function unrecorded(traceId: string, above: Span | undefined, parent: SpanContext | undefined): Span {
  if (parent === undefined) return trace.wrapSpanContext({ traceId, spanId: randomHex(8), traceFlags: RANDOM });
  // What is below goes on under the parent, whose own span must not be ended by whoever ends this one.
  if (!parent.isRemote) return above?.isRecording() ? trace.wrapSpanContext(parent) : (above ?? NO_SPAN);
  // With a request that arrives goes all that is done for it.
  // Flags that nobody knows yet are not passed on.
  const identity: SpanContext = { traceId, spanId: parent.spanId, traceFlags: parent.traceFlags & RANDOM };
  const state = unsampledState(parent);
  return trace.wrapSpanContext(state === undefined ? identity : { ...identity, traceState: state });
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Random lowercase hex, never all zero. */
export function randomHex(bytes: 8 | 16): string {
  let hex = '';
  for (let i = 0; i < bytes; i += 4) {
    // Never zero: an id of zeros is invalid.
    const word = (Math.random() * 0xffffffff + 1) >>> 0;
    hex += HEX[word >>> 24]! + HEX[(word >>> 16) & 255]! + HEX[(word >>> 8) & 255]! + HEX[word & 255]!;
  }
  return hex;
}
