import type { Span } from './span.ts';

/**
 * Traces as their spans arrive, one after the other, each handed out once: when nothing has come for it for a while. One whose
 * first span has not ended yet is waited for longer.
 */
export class Arrivals<T extends Pick<Span, 'traceId' | 'spanId' | 'parentSpanId' | 'kind'>> {
  readonly #quietMs: number;
  readonly #patienceMs: number;
  readonly #traces = new Map<string, { spans: T[]; last: number }>();

  constructor({ quietMs, patienceMs }: { quietMs: number; patienceMs: number }) {
    this.#quietMs = quietMs;
    this.#patienceMs = patienceMs;
  }

  /** Takes spans that arrived at `now`, in milliseconds. */
  take(spans: readonly T[], now: number): void {
    for (const span of spans) {
      const trace = this.#traces.get(span.traceId) ?? { spans: [], last: now };
      trace.spans.push(span);
      trace.last = now;
      this.#traces.set(span.traceId, trace);
    }
  }

  /** The traces for which nothing has come for long enough, the first that began first. */
  whole(now: number): T[][] {
    const done = [...this.#traces].filter(
      ([, { spans, last }]) => now - last >= (hasRoot(spans) ? this.#quietMs : this.#patienceMs),
    );
    for (const [id] of done) this.#traces.delete(id);
    return done.map(([, { spans }]) => spans);
  }

  /** All that are left. */
  rest(): T[][] {
    const traces = [...this.#traces.values()].map(({ spans }) => spans);
    this.#traces.clear();
    return traces;
  }
}

/** Whether the span with which a trace begins here is among them: it has no parent, or its parent is in another process. */
function hasRoot(spans: readonly Pick<Span, 'spanId' | 'parentSpanId' | 'kind'>[]): boolean {
  const known = new Set(spans.map(({ spanId }) => spanId));
  return spans.some(
    ({ parentSpanId, kind }) =>
      parentSpanId === undefined || ((kind === 'server' || kind === 'consumer') && !known.has(parentSpanId)),
  );
}
