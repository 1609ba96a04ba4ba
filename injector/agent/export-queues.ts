import type { Attributes } from '@opentelemetry/api';
import { SpanQueue, type BatchOptions, type Destination, type QueueListener } from './queue.ts';
import { failed } from './report.ts';
import type { ExporterReport, SignalReport, SpanCounters } from './report-body.ts';
import type { ExporterSettings } from './settings.ts';
import type { Scope } from './span.ts';

type Totals = Pick<SpanCounters, 'exported' | 'queueFull' | 'exportFailed' | 'rejected' | 'shutdown'>;

/** The queues of the exporters in force, one each, and what became of the spans since the process started. */
export class ExportQueues {
  private batch: BatchOptions;
  private readonly resource: () => Attributes;
  private readonly open: (exporter: ExporterSettings) => Destination;
  private readonly listener: QueueListener;
  /** By the exporter's name. */
  private readonly queues = new Map<string, { exporter: ExporterSettings; queue: SpanQueue }>();
  /** A plain list of them: it is gone through at the end of each span. */
  private current: SpanQueue[] = [];
  private readonly closing = new Set<SpanQueue>();
  /** Of queues that are no more. */
  private readonly gone: Totals = { exported: 0, queueFull: 0, exportFailed: 0, rejected: 0, shutdown: 0 };

  constructor(
    batch: BatchOptions,
    resource: () => Attributes,
    open: (exporter: ExporterSettings) => Destination,
    listener: QueueListener,
  ) {
    this.batch = batch;
    this.resource = resource;
    this.open = open;
    this.listener = listener;
  }

  /** Takes a copy of an encoded span (encode.ts). */
  add(span: Buffer, scope: Scope): void {
    for (const queue of this.current) queue.add(span, scope);
  }

  pending(): boolean {
    return this.current.some((queue) => queue.pending);
  }

  async flush(): Promise<void> {
    await Promise.all(this.current.map((queue) => queue.flush(true)));
  }

  /** Sends what waits before it returns, as far as that can be done in so many milliseconds. */
  flushNow(millis: number): void {
    const deadline = performance.now() + millis;
    for (const queue of this.current) queue.flushNow(deadline);
  }

  /** How they batch from now on; nothing that waits is lost by it, unless there is no room for it any more. */
  setBatch(batch: BatchOptions): void {
    if (JSON.stringify(batch) === JSON.stringify(this.batch)) return;
    this.batch = batch;
    for (const queue of this.current) queue.setOptions(batch);
  }

  /**
   * Replaces the destinations. One that stays, by its name, keeps its queue, and if it is another now, what waits goes there;
   * one that goes is emptied in the background.
   */
  set(wanted: ExporterSettings[]): void {
    const names = new Set(wanted.map(({ name }) => name));
    for (const [name, { queue }] of this.queues) {
      if (names.has(name)) continue;
      this.queues.delete(name);
      this.closing.add(queue);
      queue
        .close()
        .catch((error: unknown) => failed('an exporter could not be closed', error))
        .finally(() => {
          this.closing.delete(queue);
          addTo(this.gone, queue);
        });
    }
    for (const exporter of wanted) {
      const open = () => this.open(exporter);
      const known = this.queues.get(exporter.name);
      const queue = known?.queue ?? new SpanQueue(this.batch, this.resource, open, this.listener);
      if (known && JSON.stringify(known.exporter) !== JSON.stringify(exporter)) queue.redirect(open);
      this.queues.set(exporter.name, { exporter, queue });
    }
    this.current = [...this.queues.values()].map(({ queue }) => queue);
  }

  totals(): Totals {
    const totals = { ...this.gone };
    for (const queue of [...this.current, ...this.closing]) addTo(totals, queue);
    return totals;
  }

  /** In two words, for a signal that nobody counts more closely; undefined where nothing was sent or lost. */
  sum(): SignalReport | undefined {
    const { exported, ...lost } = this.totals();
    const dropped = Object.values(lost).reduce((sum, count: number) => sum + count, 0);
    return exported + dropped > 0 ? { exported, dropped } : undefined;
  }

  /** Bytes of all queues, those that are being emptied included. */
  memory(): number {
    return [...this.current, ...this.closing].reduce((sum, queue) => sum + queue.memory, 0);
  }

  report(): ExporterReport[] {
    return [...this.queues.values()].map(({ exporter, queue }) => ({
      name: exporter.name,
      exported: queue.sent,
      dropped: Object.values<number>({ ...queue.dropped }).reduce((sum, count) => sum + count, 0),
      errors: queue.errors,
      queued: queue.queued,
      queueSize: queue.capacity,
      bytes: queue.bytes,
      ...(queue.lastTrace && { lastTrace: queue.lastTrace }),
      ...(queue.trouble !== undefined && { trouble: `${place(exporter)}: ${queue.trouble}` }),
    }));
  }
}

function addTo(totals: Totals, { sent, dropped }: SpanQueue): void {
  totals.exported += sent;
  totals.queueFull += dropped.queueFull;
  totals.exportFailed += dropped.exportFailed;
  totals.rejected += dropped.rejected;
  totals.shutdown += dropped.shutdown;
}

/** Host and port alone: what else is in a URL may be secret. */
function place({ endpoint, protocol }: ExporterSettings): string {
  return URL.canParse(endpoint) ? new URL(endpoint).host : protocol;
}
