import {
  SpanStatusCode,
  type Attributes,
  type AttributeValue,
  type Exception,
  type HrTime,
  type Link,
  type Span,
  type SpanContext,
  type SpanKind,
  type SpanStatus,
  type TimeInput,
  type TraceState,
} from '@opentelemetry/api';
import type { Fragment } from './keep.ts';

/** Limits of OTEL_SPAN_* and OTEL_ATTRIBUTE_*. */
export interface SpanLimits {
  attributes: number;
  valueLength: number;
  events: number;
  links: number;
}

/** The tracer that made a span, as exporters show it. */
export interface Scope {
  name: string;
  version?: string;
  schemaUrl?: string;
}

/** What happened at a point in time within a span. */
export interface TimedEvent {
  time: HrTime;
  name: string;
  attributes?: Attributes;
  droppedAttributesCount?: number;
}

/** Scopes of instrumentations. An app's own spans stay as it made them. */
export const INSTRUMENTATION = /^(@opentelemetry\/instrumentation-|tracing-operator\/)/;

/** Where a finished span goes. */
export interface SpanSink {
  limits: SpanLimits;
  /** The first of the process is about to start. */
  begun(): void;
  finished(span: RecordingSpan): void;
}

/**
 * A span that is recorded. Times are milliseconds on the clock of the trace's first span here (wall clock once, then
 * the monotonic clock), so that children never start before their parents; they become HrTime only when exported.
 */
export class RecordingSpan implements Span {
  name: string;
  readonly kind: SpanKind;
  readonly parentSpanContext: SpanContext | undefined;
  readonly instrumentationScope: Scope;
  readonly attributes: Attributes = {};
  readonly events: TimedEvent[] = [];
  readonly links: Link[] = [];
  status: SpanStatus = { code: SpanStatusCode.UNSET };
  ended = false;
  droppedAttributesCount = 0;
  droppedEventsCount = 0;
  droppedLinksCount = 0;
  /** Add to performance.now() for wall clock milliseconds. */
  readonly clockOffset: number;
  private readonly sink: SpanSink;
  private readonly identity: SpanContext;
  readonly startMillis: number;
  endMillis = 0;
  /** The span around this one in this process, as long as this one is open: a chain of ended ones must not stay in memory. */
  above: RecordingSpan | undefined;
  /** Of a span that was not sampled and may be kept all the same. */
  readonly fragment: Fragment | undefined;
  exportedState: TraceState | undefined;
  /** The first span of this process above it, or itself: the request's. */
  root: RecordingSpan = this;
  /** Numbers that grow while it lasts and become attributes when it ends. */
  counted: Record<string, number> | undefined;
  /** Of a root: what its own and the spans below it have recorded. */
  private told: WeakSet<object> | undefined;
  private attributeCount = 0;

  constructor(
    sink: SpanSink,
    scope: Scope,
    name: string,
    kind: SpanKind,
    identity: SpanContext,
    parent: SpanContext | undefined,
    clockOffset: number,
    startTime: TimeInput | undefined,
    fragment?: Fragment,
  ) {
    this.sink = sink;
    this.fragment = fragment;
    this.instrumentationScope = scope;
    this.name = name;
    this.kind = kind;
    this.identity = identity;
    this.parentSpanContext = parent;
    this.clockOffset = clockOffset;
    this.startMillis = startTime === undefined ? performance.now() + clockOffset : this.millis(startTime);
  }

  spanContext(): SpanContext {
    return this.identity;
  }

  isRecording(): boolean {
    return !this.ended;
  }

  setAttribute(key: string, value: AttributeValue): this {
    if (this.ended || value === undefined || value === null || key === '') return this;
    const clean = cleanValue(value, this.sink.limits.valueLength);
    if (clean === undefined) return this;
    if (!Object.hasOwn(this.attributes, key)) {
      if (this.attributeCount >= this.sink.limits.attributes) {
        this.droppedAttributesCount += 1;
        return this;
      }
      this.attributeCount += 1;
    }
    this.attributes[key] = clean;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    for (const key in attributes) if (Object.hasOwn(attributes, key)) this.setAttribute(key, attributes[key]);
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    if (this.ended) return this;
    const hasTime = isTime(attributesOrTime);
    const at = hasTime ? attributesOrTime : time;
    const attributes = hasTime ? undefined : attributesOrTime;
    if (this.events.length >= this.sink.limits.events) {
      this.droppedEventsCount += 1;
      if (this.events.shift() === undefined) return this;
    }
    this.events.push({
      name,
      time: toHrTime(at === undefined ? this.now() : this.millis(at)),
      ...this.clean(attributes),
    });
    return this;
  }

  addLink(link: Link): this {
    if (this.ended) return this;
    if (this.links.length >= this.sink.limits.links) {
      this.droppedLinksCount += 1;
      if (this.links.shift() === undefined) return this;
    }
    this.links.push({ context: link.context, ...this.clean(link.attributes) });
    return this;
  }

  addLinks(links: Link[]): this {
    for (const link of links) this.addLink(link);
    return this;
  }

  setStatus(status: SpanStatus): this {
    // OK is final, UNSET never overwrites (specification of SetStatus).
    if (this.ended || status.code === SpanStatusCode.UNSET || this.status.code === SpanStatusCode.OK) return this;
    const message = status.code === SpanStatusCode.ERROR ? status.message : undefined;
    this.status = typeof message === 'string' ? { code: status.code, message } : { code: status.code };
    return this;
  }

  updateName(name: string): this {
    if (!this.ended) this.name = name;
    return this;
  }

  /**
   * An error that passes several layers of libraries is an event of the innermost, which knows of it first. All of them failed.
   * What an app records itself stays as it is.
   */
  recordException(exception: Exception, time?: TimeInput): void {
    if (INSTRUMENTATION.test(this.instrumentationScope.name) && typeof exception === 'object') {
      if (this.status.code === SpanStatusCode.UNSET && isFault(exception))
        this.setStatus({ code: SpanStatusCode.ERROR, ...(exception.message && { message: exception.message }) });
      if (!this.root.isNews(exception)) return;
    }
    this.addException(exception, time);
  }

  /** Whether nobody has said so yet of an error. */
  isNews(error: object): boolean {
    this.told ??= new WeakSet();
    if (this.told.has(error)) return false;
    this.told.add(error);
    return true;
  }

  /** Whoever has recorded it before. */
  addException(exception: Exception, time?: TimeInput): void {
    const attributes: Attributes = {};
    if (typeof exception === 'string') {
      attributes['exception.message'] = exception;
    } else {
      const type = exception.code === undefined ? exception.name : String(exception.code);
      if (type) attributes['exception.type'] = type;
      if (exception.message) attributes['exception.message'] = exception.message;
      if (exception.stack) attributes['exception.stacktrace'] = exception.stack;
    }
    this.addEvent('exception', attributes, time);
  }

  end(time?: TimeInput): void {
    if (this.ended) return;
    if (this.counted !== undefined) this.setAttributes(this.counted);
    const end = time === undefined ? this.now() : this.millis(time);
    this.endMillis = Math.max(end, this.startMillis);
    this.ended = true;
    this.above = undefined;
    this.sink.finished(this);
  }

  /** As it is exported, which may be another than was passed on. */
  get traceState(): TraceState | undefined {
    return this.exportedState ?? this.identity.traceState;
  }

  get startTime(): HrTime {
    return toHrTime(this.startMillis);
  }

  get endTime(): HrTime {
    return toHrTime(this.endMillis);
  }

  get duration(): HrTime {
    return toHrTime(Math.max(0, this.endMillis - this.startMillis));
  }

  private now(): number {
    return performance.now() + this.clockOffset;
  }

  private millis(time: TimeInput): number {
    if (typeof time === 'number') return time < performance.timeOrigin / 2 ? time + this.clockOffset : time;
    if (time instanceof Date) return time.getTime();
    return time[0] * 1000 + time[1] / 1e6;
  }

  private clean(attributes: Attributes | undefined): { attributes?: Attributes; droppedAttributesCount?: number } {
    if (attributes === undefined) return {};
    const result: Attributes = {};
    let used = 0;
    let dropped = 0;
    for (const key in attributes) {
      const value = attributes[key];
      if (value === undefined || value === null) continue;
      const clean = cleanValue(value, this.sink.limits.valueLength);
      if (clean === undefined) continue;
      if (used++ < this.sink.limits.attributes) result[key] = clean;
      else dropped += 1;
    }
    return dropped > 0 ? { attributes: result, droppedAttributesCount: dropped } : { attributes: result };
  }
}

/** What a client did wrong, which frameworks throw as errors too, is no fault of the server's. */
function isFault(exception: object): boolean {
  const { status, statusCode = status } = exception as { status?: unknown; statusCode?: unknown };
  return typeof statusCode !== 'number' || statusCode >= 500;
}

/** Milliseconds since 1970 as seconds and nanoseconds. */
export function toHrTime(millis: number): HrTime {
  const seconds = Math.floor(millis / 1000);
  const nanos = Math.round((millis - seconds * 1000) * 1e6);
  return nanos >= 1e9 ? [seconds + 1, 0] : [seconds, nanos];
}

function isTime(value: unknown): value is TimeInput {
  return typeof value === 'number' || value instanceof Date || Array.isArray(value);
}

/** A value as exporters take it: what cannot be exported is left out, what the app may change later is copied. */
function cleanValue(value: AttributeValue, length: number): AttributeValue {
  if (typeof value === 'string') return value.length > length ? value.slice(0, length) : value;
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map((item) => cleanValue(item as AttributeValue, length));
  return typeof value === 'object' ? value : undefined;
}
