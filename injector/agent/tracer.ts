import {
  INVALID_SPAN_CONTEXT,
  SpanKind,
  TraceFlags,
  context,
  createContextKey,
  isSpanContextValid,
  trace,
  type Context,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
  type TracerOptions,
  type TracerProvider,
} from '@opentelemetry/api';
import type { LiveSampler } from './sampler.ts';
import { RecordingSpan, type Scope, type SpanSink } from './span.ts';

// The same key as in @opentelemetry/core: keys of equal description are equal.
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
const NO_SPAN: Span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

/** What all tracers of the process share and the policy changes. */
export interface TracingState {
  on: boolean;
  readonly sampler: LiveSampler;
  readonly sink: SpanSink;
  /** Spans decided about and spans recorded, since the start. Below a span that is not recorded nothing is counted. */
  readonly counts: { started: number; sampled: number };
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

  startSpan(name: string, options?: SpanOptions, ctx: Context = context.active()): Span {
    if (!this.state.on || ctx.getValue(SUPPRESS_TRACING) === true) return NO_SPAN;
    const above = options?.root ? undefined : trace.getSpan(ctx);
    const parent = above?.spanContext();
    const { sampler, counts } = this.state;
    let traceId: string;
    let local: SpanContext | undefined;
    if (parent !== undefined && isSpanContextValid(parent)) {
      const sampled = (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
      // Nothing will be recorded under this parent: its own span stands for all that is below.
      if (!sampler.keeps(parent.traceId, sampled)) {
        if (parent.isRemote) counts.started += 1;
        return above ?? NO_SPAN;
      }
      traceId = parent.traceId;
      local = parent;
    } else {
      traceId = randomHex(16);
      if (!sampler.keeps(traceId, undefined)) {
        counts.started += 1;
        return trace.wrapSpanContext({ traceId, spanId: randomHex(8), traceFlags: TraceFlags.NONE });
      }
    }
    counts.started += 1;
    if (counts.sampled++ === 0) this.state.sink.begun();
    const identity: SpanContext = { traceId, spanId: randomHex(8), traceFlags: TraceFlags.SAMPLED };
    if (local?.traceState) identity.traceState = local.traceState;
    const clock = above instanceof RecordingSpan ? above.clockOffset : Date.now() - performance.now();
    const kind = options?.kind ?? SpanKind.INTERNAL;
    const span = new RecordingSpan(this.state.sink, this.scope, name, kind, identity, local, clock, options?.startTime);
    if (options?.attributes) span.setAttributes(options.attributes);
    if (options?.links) span.addLinks(options.links);
    return span;
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
