import { SpanStatusCode } from '@opentelemetry/api';
import { TraceState } from '@opentelemetry/core';
import type { DocumentKeep } from '../policy-document.ts';
import type { RecordingSpan } from './span.ts';
import { withoutThreshold } from './threshold.ts';

/** For all requests under way together; what spans take on the heap is estimated. */
const MAX_BYTES = 4 * 2 ** 20;
/** No request takes the place of all others. */
const MAX_FRAGMENT_BYTES = MAX_BYTES / 8;
const SPAN_BYTES = 700;
const ENTRY_BYTES = 120;

export type Send = (span: RecordingSpan) => void;
export type KeptReason = 'error' | 'slow';

/** What this process does for one request that was not sampled: it is kept as a whole, or not at all. */
export class Fragment {
  /** Its finished spans, while nothing is decided. */
  readonly held: RecordingSpan[] = [];
  bytes = 0;
  /** Spans that had to go. */
  missing = 0;
  /** Why it is kept; undefined while that is open, or when it is not. */
  reason: KeptReason | undefined;
  /** Nothing below is of interest any more. */
  isOver = false;
  /** The span it began with. */
  root: RecordingSpan | undefined;
}

/**
 * Keeps the spans of requests that were not sampled until it is known whether they fail or are slow. Its memory is bounded:
 * the oldest requests lose what was held for them, but for the span they began with, which is decided about when it ends.
 */
export class Keeper {
  /** Spans that were exported because of it. */
  kept = 0;
  /** Spans for which there was no room; they may have been wanted or not. */
  dropped = 0;
  private readonly send: Send;
  private readonly maxBytes: number;
  private options: DocumentKeep | undefined;
  private bytes = 0;
  /** Those that hold something, the oldest first. */
  private readonly open = new Set<Fragment>();

  /** `send` gets the spans that are kept, marked. */
  constructor(send: Send, maxBytes = MAX_BYTES) {
    this.send = send;
    this.maxBytes = maxBytes;
  }

  get isOn(): boolean {
    return this.options !== undefined;
  }

  /** Estimated bytes of what is held. */
  get heldBytes(): number {
    return this.bytes;
  }

  /** Changes what is kept, also of requests under way. */
  set(options: DocumentKeep | undefined): void {
    this.options = options;
    if (options === undefined) for (const fragment of this.open) this.forget(fragment);
  }

  /** A request begins that is not sampled. */
  begin(): Fragment {
    return new Fragment();
  }

  /** A span of a fragment has ended. */
  finished(span: RecordingSpan, fragment: Fragment): void {
    if (fragment.isOver) return;
    fragment.reason ??= this.reasonFor(span, fragment.root!);
    const isEnd = span === fragment.root;
    if (fragment.reason === undefined) {
      if (!isEnd) return this.hold(span, fragment);
      fragment.isOver = true;
      this.forget(fragment);
      return;
    }
    this.release(fragment);
    for (const each of fragment.held.splice(0)) this.export(each, fragment.reason, 0);
    this.export(span, fragment.reason, isEnd ? fragment.missing : 0);
  }

  private reasonFor(span: RecordingSpan, root: RecordingSpan): KeptReason | undefined {
    const { errors = false, slowerThanMillis = Infinity } = this.options ?? {};
    if (errors && span === root && root.status.code === SpanStatusCode.ERROR) return 'error';
    // Known before the end: what is held for long is let go of early.
    return span.endMillis - root.startMillis > slowerThanMillis ? 'slow' : undefined;
  }

  private export(span: RecordingSpan, reason: KeptReason, missing: number): void {
    this.kept += 1;
    span.attributes['tracing.acme.kept.reason'] = reason;
    if (missing > 0) span.attributes['tracing.acme.kept.missing_spans'] = missing;
    const state = withoutThreshold(span.spanContext().traceState) ?? new TraceState();
    span.exportedState = state.set('tracing-acme', `kept:${reason}`);
    this.send(span);
  }

  private hold(span: RecordingSpan, fragment: Fragment): void {
    const bytes = estimate(span);
    if (fragment.bytes + bytes > Math.min(MAX_FRAGMENT_BYTES, this.maxBytes)) return this.lose(fragment, 1);
    for (const oldest of this.open) {
      if (this.bytes + bytes <= this.maxBytes) break;
      this.lose(oldest, this.forget(oldest));
    }
    this.open.add(fragment);
    fragment.bytes += bytes;
    this.bytes += bytes;
    fragment.held.push(span);
  }

  private forget(fragment: Fragment): number {
    this.release(fragment);
    return fragment.held.splice(0).length;
  }

  private lose(fragment: Fragment, spans: number): void {
    fragment.missing += spans;
    this.dropped += spans;
  }

  private release(fragment: Fragment): void {
    this.bytes -= fragment.bytes;
    fragment.bytes = 0;
    this.open.delete(fragment);
  }
}

/** For the agent, which loads this file only where something is to be kept. */
export const createKeeper = (send: Send): Keeper => new Keeper(send);

/** What a finished span takes on the heap, as far as that is told by what differs between spans. */
function estimate(span: RecordingSpan): number {
  let bytes = SPAN_BYTES + ofAttributes(span.attributes);
  for (const { attributes } of span.events) bytes += ENTRY_BYTES + ofAttributes(attributes);
  for (const { attributes } of span.links) bytes += ENTRY_BYTES + ofAttributes(attributes);
  return bytes;
}

function ofAttributes(attributes: object = {}): number {
  let bytes = 0;
  for (const value of Object.values(attributes) as unknown[]) {
    bytes += 32;
    if (typeof value === 'string') bytes += value.length;
    else if (Array.isArray(value)) for (const item of value as unknown[]) bytes += 16 + String(item).length;
  }
  return bytes;
}
