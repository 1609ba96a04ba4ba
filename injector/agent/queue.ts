import type { RecordingSpan } from './span.ts';
import { SpanRing } from './span-ring.ts';

/** Sends batches somewhere. */
export interface Destination {
  /**
   * Undefined when delivered, else why not; it never rejects. `keepAlive` asks it to hold the event loop until it is done
   * (a flush at exit).
   */
  send(spans: RecordingSpan[], keepAlive: boolean): Promise<string | undefined>;
  /**
   * The same where nothing asynchronous happens any more, together with a batch under way that the kernel may not have:
   * it returns by the deadline, on the clock of performance.now(), and never throws.
   */
  sendNow(spans: RecordingSpan[], deadline: number): void;
  close(): void;
}

/** OTEL_BSP_* in effect. */
export interface BatchOptions {
  maxQueue: number;
  maxBatch: number;
  delayMillis: number;
}

/** Spans that did not arrive, by what became of them. */
export interface Dropped {
  queueFull: number;
  exportFailed: number;
  shutdown: number;
}

/** What a queue tells whoever made it. */
export interface QueueListener {
  /** Nothing is left to send. */
  onIdle(): void;
  /** `trouble` has come, gone or become another. */
  onTrouble(): void;
}

const DEAF: QueueListener = { onIdle: () => undefined, onTrouble: () => undefined };

/** For so long all must have arrived before there is no trouble any more: what comes and goes is trouble. */
const CALM_MILLIS = 30_000;
/** As many as an HTTP/2 connection takes before it hears from its receiver. */
const LAST_BATCH = 128;
const FULL = 'the queue was full: spans were made faster than they could be sent';

/**
 * Finished spans on their way to one destination: batched, bounded, one batch under way at a time. A full queue loses its
 * oldest: what happens now is of more interest. Its timer never keeps the process alive. The destination is opened with
 * the first batch, so that a process that traces nothing loads nothing.
 */
export class SpanQueue {
  readonly dropped: Dropped = { queueFull: 0, exportFailed: 0, shutdown: 0 };
  sent = 0;
  /** Batches that did not arrive. */
  errors = 0;
  /** Why spans are lost these days; undefined while all arrive. */
  trouble: string | undefined;
  private readonly options: BatchOptions;
  private readonly open: () => Destination;
  private readonly listener: QueueListener;
  private readonly now: () => number;
  private readonly waiting: SpanRing;
  private destination: Destination | undefined;
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  private closing = false;
  private lastLoss = 0;
  /** When what `trouble` says was last seen. */
  private lastSame = 0;

  /** `now` gives milliseconds on any clock that runs evenly. */
  constructor(
    options: BatchOptions,
    open: () => Destination,
    listener: QueueListener = DEAF,
    now: () => number = () => performance.now(),
  ) {
    this.options = options;
    this.open = open;
    this.listener = listener;
    this.now = now;
    this.waiting = new SpanRing(options.maxQueue);
  }

  get pending(): boolean {
    return this.waiting.size > 0 || this.sending !== undefined;
  }

  /** Spans that wait. */
  get queued(): number {
    return this.waiting.size;
  }

  get capacity(): number {
    return this.options.maxQueue;
  }

  add(span: RecordingSpan): void {
    if (!this.waiting.push(span)) {
      this.dropped.queueFull += 1;
      this.lost(FULL);
    }
    if (this.sending !== undefined) return;
    if (this.waiting.size >= this.options.maxBatch) this.schedule(0);
    else this.schedule(this.options.delayMillis);
  }

  /** Sends all that waits; resolves when it is done, delivered or not. */
  async flush(keepAlive: boolean): Promise<void> {
    this.unschedule();
    while (this.sending !== undefined) await this.sending;
    while (this.waiting.size > 0) await this.sendBatch(keepAlive);
  }

  /** Sends all that waits before it returns, or gives it up. */
  flushNow(deadline: number): void {
    if (!this.pending) return;
    this.unschedule();
    this.destination ??= this.open();
    do {
      const spans = this.waiting.take(LAST_BATCH);
      this.destination.sendNow(spans, deadline);
      // Whether they arrived is not known, should the process live on.
      this.sent += spans.length;
    } while (this.waiting.size > 0 && performance.now() < deadline);
  }

  /** Sends what waits, then lets go of the destination. */
  async close(): Promise<void> {
    this.closing = true;
    await this.flush(false);
    this.destination?.close();
    this.destination = undefined;
  }

  private due = Infinity;

  private schedule(delay: number): void {
    if (this.timer !== undefined) {
      if (delay >= this.due) return;
      clearTimeout(this.timer);
    }
    this.due = delay;
    this.timer = setTimeout(() => {
      this.unschedule();
      void this.sendBatch(false);
    }, delay);
    this.timer.unref();
  }

  private unschedule(): void {
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.timer = undefined;
    this.due = Infinity;
  }

  private sendBatch(keepAlive: boolean): Promise<void> {
    const batch = this.waiting.take(this.options.maxBatch);
    const sending = this.deliver(batch, keepAlive).then(() => {
      this.sending = undefined;
      if (this.waiting.size >= this.options.maxBatch) this.schedule(0);
      else if (this.waiting.size > 0) this.schedule(this.options.delayMillis);
      else this.listener.onIdle();
    });
    this.sending = sending;
    return sending;
  }

  private async deliver(batch: RecordingSpan[], keepAlive: boolean): Promise<void> {
    let failure: string | undefined;
    try {
      this.destination ??= this.open();
      failure = await this.destination.send(batch, keepAlive);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    if (failure === undefined) {
      this.sent += batch.length;
      this.arrived();
    } else {
      this.dropped[this.closing ? 'shutdown' : 'exportFailed'] += batch.length;
      this.errors += 1;
      this.lost(failure);
    }
  }

  private lost(why: string): void {
    const now = this.now();
    this.lastLoss = now;
    if (this.trouble === why) {
      this.lastSame = now;
      return;
    }
    // Of causes that take turns the first is told. A queue fills because nothing arrives: then that is the cause.
    const isNews = this.trouble === undefined || this.trouble === FULL || now - this.lastSame > CALM_MILLIS;
    if (!isNews) return;
    this.trouble = why;
    this.lastSame = now;
    this.listener.onTrouble();
  }

  private arrived(): void {
    if (this.trouble === undefined || this.now() - this.lastLoss < CALM_MILLIS) return;
    this.trouble = undefined;
    this.listener.onTrouble();
  }
}
