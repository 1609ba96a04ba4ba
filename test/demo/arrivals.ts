import type { ReceivedSpan } from '../agent/otlp.ts';

/** Traces as their spans arrive, one after the other, each handed out once: when nothing has come for it for a while. */
export class Arrivals {
  readonly #quietMs: number;
  readonly #traces = new Map<string, { spans: ReceivedSpan[]; last: number }>();

  constructor(quietMs: number) {
    this.#quietMs = quietMs;
  }

  /** Takes spans that arrived at `now`, in milliseconds. */
  take(spans: readonly ReceivedSpan[], now: number): void {
    for (const span of spans) {
      const trace = this.#traces.get(span.traceId) ?? { spans: [], last: now };
      trace.spans.push(span);
      trace.last = now;
      this.#traces.set(span.traceId, trace);
    }
  }

  /** The traces for which nothing has come for long enough, the first that began first. */
  whole(now: number): ReceivedSpan[][] {
    const done = [...this.#traces].filter(([, { last }]) => now - last >= this.#quietMs);
    for (const [id] of done) this.#traces.delete(id);
    return done.map(([, { spans }]) => spans);
  }
}
