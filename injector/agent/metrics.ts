import { createNoopMeter, type Attributes, type MeterProvider } from '@opentelemetry/api';
import { ExportQueues } from './export-queues.ts';
import type { HttpDurations } from './http/durations.ts';
import type { Unsent } from './lifecycle.ts';
import type { Metering } from './metrics/meter.ts';
import type { BatchOptions, Destination, QueueListener } from './queue.ts';
import { failed } from './report.ts';
import type { ExporterSettings } from './settings.ts';
import type { Scope } from './span.ts';

/** So soon it can be seen that they arrive. */
const FIRST_MILLIS = 10_000;

/** What a signal asks of the agent. */
export interface SignalHost {
  batch: BatchOptions;
  resource(): Attributes;
  open(exporter: ExporterSettings): Destination;
  listener: QueueListener;
  /** Loads a piece of the agent. */
  piece(name: string): Record<string, unknown>;
  /** There is something to be sent before the process ends. */
  arm(): void;
}

type StartMetering = (take: (metric: Buffer, scope: Scope) => void, fail: typeof failed) => Metering;
interface Measuring {
  setMeterProvider(provider: MeterProvider): void;
}
const NOTHING: MeterProvider = { getMeter: () => createNoopMeter() };

/** The metrics of the process. Until they are switched on nothing of them is loaded, and nothing stays when they are off. */
export class Metrics implements Unsent {
  readonly queues: ExportQueues;
  /** Where the HTTP hooks tell how long requests took; undefined while nobody wants to know. */
  durations: HttpDurations | undefined;
  private readonly host: SignalHost;
  private readonly interval: number;
  private readonly measuring = new Set<Measuring>();
  private wanted = false;
  private metering: Metering | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** @param interval Milliseconds between two collections. */
  constructor(host: SignalHost, interval: number) {
    this.host = host;
    this.interval = interval;
    this.queues = new ExportQueues(
      host.batch,
      () => host.resource(),
      (exporter) => host.open(exporter),
      host.listener,
    );
  }

  set(exporters: ExporterSettings[]): void {
    this.queues.set(exporters);
    this.wanted = exporters.length > 0;
    if (!this.wanted) this.end();
    // The start belongs to the app.
    else if (this.metering === undefined) setImmediate(() => this.begin()).unref();
  }

  /** An instrumentation that measures what we do not. */
  attach(instrumentation: Measuring): void {
    this.measuring.add(instrumentation);
    if (this.metering) instrumentation.setMeterProvider(this.metering.provider);
  }

  pending(): boolean {
    return this.metering !== undefined || this.queues.pending();
  }

  async flush(): Promise<void> {
    await this.metering?.collect();
    await this.queues.flush();
  }

  /** To collect takes turns of the event loop: what has happened since the last time is lost. */
  flushNow(millis: number): void {
    this.queues.flushNow(millis);
  }

  private begin(): void {
    if (!this.wanted || this.metering !== undefined) return;
    try {
      const { startMetering } = this.host.piece('metrics') as { startMetering: StartMetering };
      const metering = startMetering((metric, scope) => this.queues.add(metric, scope), failed);
      this.metering = metering;
      this.durations = metering.durations;
      for (const each of this.measuring) each.setMeterProvider(metering.provider);
      this.host.arm();
      this.plan(Math.min(FIRST_MILLIS, this.interval));
    } catch (error) {
      failed('metrics could not be switched on', error);
    }
  }

  private plan(millis: number): void {
    this.timer = setTimeout(() => {
      this.plan(this.interval);
      void this.metering?.collect();
      this.host.arm();
    }, millis);
    this.timer.unref();
  }

  private end(): void {
    clearTimeout(this.timer);
    this.durations = undefined;
    for (const each of this.measuring) each.setMeterProvider(NOTHING);
    this.metering?.stop();
    this.metering = undefined;
  }
}
