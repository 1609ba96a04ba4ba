import type { Attributes } from '@opentelemetry/api';
import type { Scope } from './span.ts';
import { SpanLog, type Batch } from './span-log.ts';

/** Sends batches somewhere. */
export interface Destination {
  /** Why the batch under way was not delivered by a try so far; undefined while it is tried for the first time. */
  readonly trouble?: string | undefined;
  /** Takes an ExportTraceServiceRequest in protobuf, whose memory is its own until it has answered. It never rejects. */
  send(request: Uint8Array, options: SendOptions): Promise<Delivery>;
  /**
   * The same where nothing asynchronous happens any more, together with a batch under way that the kernel may not have:
   * it returns by the deadline, on the clock of performance.now(), and never throws.
   */
  sendNow(request: Uint8Array | undefined, deadline: number): void;
  /** Lets go of what is open. A batch under way gets to the end of its present try, and no other. */
  close(): void;
}

/** How long a batch may take, retries included, and whether it holds the event loop meanwhile (a flush at exit). */
export interface SendOptions {
  timeoutMillis: number;
  keepAlive: boolean;
}

/** What became of a batch. */
export interface Delivery {
  /** Why it was not delivered. */
  failure?: string;
  /** It was, but for so many of its spans; of none, there is a warning. */
  rejected?: { count: number; reason: string };
}

/** `batch` of the policy, or OTEL_BSP_*, in effect. */
export interface BatchOptions {
  maxQueue: number;
  maxBatch: number;
  delayMillis: number;
  /** Then a batch is given up. */
  timeoutMillis: number;
}

/** Spans that did not arrive, by what became of them. */
export interface Dropped {
  queueFull: number;
  exportFailed: number;
  rejected: number;
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
/** A batch that is retried for so long is trouble, before it is lost. */
const LONG_MILLIS = 15_000;

/**
 * Finished spans on their way to one destination: batched, bounded, one batch under way at a time. A full queue loses its
 * oldest: what happens now is of more interest. Its timer never keeps the process alive. The destination is opened with
 * the first batch, so that a process that traces nothing loads nothing.
 */
export class SpanQueue {
  readonly dropped: Dropped = { queueFull: 0, exportFailed: 0, rejected: 0, shutdown: 0 };
  sent = 0;
  /** Of what was sent. */
  bytes = 0;
  lastTrace: string | undefined;
  /** Batches that did not arrive. */
  errors = 0;
  /** Why spans are lost these days, or about to be; undefined while all arrive. */
  trouble: string | undefined;
  private options: BatchOptions;
  private readonly resource: () => Attributes;
  private open: () => Destination;
  private readonly listener: QueueListener;
  private readonly now: () => number;
  private readonly waiting: SpanLog;
  private destination: Destination | undefined;
  /** The one that has the batch under way. */
  private carrier: Destination | undefined;
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  /** When all that is left is given up, once the queue is no longer wanted. */
  private end: number | undefined;
  private lastLoss = 0;
  /** When what `trouble` says was last seen. */
  private lastSame = 0;

  /** `now` gives milliseconds on any clock that runs evenly. */
  constructor(
    options: BatchOptions,
    resource: () => Attributes,
    open: () => Destination,
    listener: QueueListener = DEAF,
    now: () => number = () => performance.now(),
  ) {
    this.options = options;
    this.resource = resource;
    this.open = open;
    this.listener = listener;
    this.now = now;
    this.waiting = new SpanLog(options.maxQueue);
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

  /** Bytes. */
  get memory(): number {
    return this.waiting.memory;
  }

  /** Takes a copy of an encoded span (encode.ts). */
  add(span: Buffer, scope: Scope): void {
    this.madeRoom(this.waiting.push(span, scope));
    if (this.sending === undefined) this.scheduleNext();
  }

  /** What waits stays, but for the oldest where there is no room for all any more. */
  setOptions(options: BatchOptions): void {
    this.options = options;
    this.madeRoom(this.waiting.setLimit(options.maxQueue));
    if (this.timer === undefined) return;
    this.unschedule();
    this.scheduleNext();
  }

  /** What waits goes elsewhere from now on, and so does a batch under way unless its present try succeeds. */
  redirect(open: () => Destination): void {
    this.open = open;
    this.destination?.close();
    this.destination = undefined;
    if (this.trouble === undefined) return;
    this.trouble = undefined;
    this.listener.onTrouble();
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
    // What is under way may have to be sent once more.
    if (this.sending !== undefined) this.waiting.leaveBody();
    if (this.carrier !== this.destination) this.carrier?.sendNow(undefined, deadline);
    do {
      const batch = this.waiting.size > 0 ? this.waiting.take(LAST_BATCH, this.resource()) : undefined;
      this.destination.sendNow(batch?.body, deadline);
      // Whether they arrived is not known, should the process live on.
      this.sent += batch?.count ?? 0;
    } while (this.waiting.size > 0 && performance.now() < deadline);
  }

  /** Sends what waits, as far as it can be done while a single batch may take, then lets go of the destination. */
  async close(): Promise<void> {
    this.end = this.now() + this.options.timeoutMillis;
    await this.flush(false);
    this.destination?.close();
    this.destination = undefined;
  }

  private due = Infinity;

  private scheduleNext(): void {
    this.schedule(this.waiting.isFull(this.options.maxBatch) ? 0 : this.options.delayMillis);
  }

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
    const batch = this.waiting.take(this.options.maxBatch, this.resource());
    const sending = this.deliver(batch, keepAlive).then(() => {
      this.sending = undefined;
      if (this.waiting.size > 0) this.scheduleNext();
      else this.listener.onIdle();
    });
    this.sending = sending;
    return sending;
  }

  private async deliver({ count, body, trace }: Batch, keepAlive: boolean): Promise<void> {
    const { failure, rejected } = await this.carry(body, keepAlive);
    if (failure !== undefined) {
      this.dropped[this.end === undefined ? 'exportFailed' : 'shutdown'] += count;
      this.errors += 1;
      return this.lost(failure);
    }
    const refused = Math.min(count, rejected?.count ?? 0);
    this.sent += count - refused;
    this.bytes += body.length;
    this.lastTrace = trace;
    this.dropped.rejected += refused;
    if (refused > 0)
      this.lost(`the receiver rejected some of what it was sent: ${rejected?.reason || 'it does not say why'}`);
    else this.arrived();
  }

  /** Hands a batch to the destination; to another one if it leads elsewhere before it has arrived. */
  private async carry(body: Buffer, keepAlive: boolean): Promise<Delivery> {
    for (;;) {
      const timeoutMillis = Math.max(0, Math.min(this.options.timeoutMillis, (this.end ?? Infinity) - this.now()));
      if (timeoutMillis === 0) return { failure: this.trouble ?? 'there was no time left' };
      let carrier: Destination | undefined;
      let delivery: Delivery;
      const late = setTimeout(() => carrier?.trouble && this.lost(carrier.trouble), LONG_MILLIS).unref();
      try {
        carrier = this.carrier = this.destination ??= this.open();
        delivery = await carrier.send(body, { timeoutMillis, keepAlive });
      } catch (error) {
        delivery = { failure: error instanceof Error ? error.message : String(error) };
      }
      clearTimeout(late);
      const isRedirected = carrier !== undefined && this.destination !== carrier;
      if (delivery.failure === undefined || !isRedirected) {
        this.carrier = undefined;
        return delivery;
      }
    }
  }

  private madeRoom(lost: number): void {
    if (lost === 0) return;
    this.dropped.queueFull += lost;
    this.lost(FULL);
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
