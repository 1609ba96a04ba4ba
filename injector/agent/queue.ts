import type { RecordingSpan } from './span.ts';

/** Sends batches somewhere. `send` never rejects: it says whether the batch arrived. */
export interface Destination {
  /** True when delivered. `keepAlive` asks it to hold the event loop until it is done (a flush at exit). */
  send(spans: RecordingSpan[], keepAlive: boolean): Promise<boolean>;
  close(): void;
}

/** OTEL_BSP_* in effect. */
export interface BatchOptions {
  maxQueue: number;
  maxBatch: number;
  delayMillis: number;
}

/**
 * Finished spans on their way to one destination: batched, bounded, one batch under way at a time. Its timer never keeps
 * the process alive. The destination is opened with the first batch, so that a process that traces nothing loads nothing.
 */
export class SpanQueue {
  dropped = 0;
  sent = 0;
  private readonly options: BatchOptions;
  private readonly open: () => Destination;
  private readonly onIdle: () => void;
  private destination: Destination | undefined;
  private waiting: RecordingSpan[] = [];
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;

  /** `onIdle` is called whenever nothing is left to send. */
  constructor(options: BatchOptions, open: () => Destination, onIdle: () => void = () => undefined) {
    this.onIdle = onIdle;
    this.options = options;
    this.open = open;
  }

  get pending(): boolean {
    return this.waiting.length > 0 || this.sending !== undefined;
  }

  add(span: RecordingSpan): void {
    if (this.waiting.length >= this.options.maxQueue) {
      this.dropped += 1;
      return;
    }
    this.waiting.push(span);
    if (this.sending !== undefined) return;
    if (this.waiting.length >= this.options.maxBatch) this.schedule(0);
    else this.schedule(this.options.delayMillis);
  }

  /** Sends all that waits; resolves when it is done, delivered or not. */
  async flush(keepAlive: boolean): Promise<void> {
    this.unschedule();
    while (this.sending !== undefined) await this.sending;
    while (this.waiting.length > 0) await this.sendBatch(keepAlive);
  }

  /** Sends what waits, then lets go of the destination. */
  async close(): Promise<void> {
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
    const batch =
      this.waiting.length > this.options.maxBatch ? this.waiting.splice(0, this.options.maxBatch) : this.waiting;
    if (batch === this.waiting) this.waiting = [];
    const sending = this.deliver(batch, keepAlive).then(() => {
      this.sending = undefined;
      if (this.waiting.length >= this.options.maxBatch) this.schedule(0);
      else if (this.waiting.length > 0) this.schedule(this.options.delayMillis);
      else this.onIdle();
    });
    this.sending = sending;
    return sending;
  }

  private async deliver(batch: RecordingSpan[], keepAlive: boolean): Promise<void> {
    let arrived = false;
    try {
      this.destination ??= this.open();
      arrived = await this.destination.send(batch, keepAlive);
    } catch {
      // a destination that throws counts as one that did not deliver; it has said why
    }
    if (arrived) this.sent += batch.length;
    else this.dropped += batch.length;
  }
}
