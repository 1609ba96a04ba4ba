import { ExportQueues } from './export-queues.ts';
import type { Unsent } from './lifecycle.ts';
import { LogTap, type LogLine } from './logs/tap.ts';
import type { SignalHost } from './metrics.ts';
import type { ExporterSettings } from './settings.ts';
import type { Scope } from './span.ts';

type EncodeRecord = (line: LogLine, millis: number) => Buffer;

/** What the process logs. How records are made is loaded with the first of them. */
export class Logs implements Unsent {
  readonly queues: ExportQueues;
  readonly tap: LogTap;
  private readonly host: SignalHost;
  private readonly version: string;
  private readonly scopes = new Map<string, Scope>();

  /** `quiet` says whether what happens just now is our own work. */
  constructor(host: SignalHost, version: string, quiet: () => boolean, onUnsent: () => void) {
    this.host = host;
    this.version = version;
    this.tap = new LogTap(quiet, onUnsent);
    this.queues = new ExportQueues(
      host.batch,
      () => host.resource(),
      (exporter) => host.open(exporter),
      host.listener,
    );
  }

  /** @param marks Whether lines get the trace that they belong to. */
  set(exporters: ExporterSettings[], marks: boolean): void {
    this.queues.set(exporters);
    this.tap.set(marks, exporters.length > 0 ? (line) => this.take(line) : undefined);
  }

  pending(): boolean {
    return this.queues.pending();
  }

  flush(): Promise<void> {
    return this.queues.flush();
  }

  flushNow(millis: number): void {
    this.queues.flushNow(millis);
  }

  private take(line: LogLine): void {
    const { encodeRecord } = this.host.piece('logs') as { encodeRecord: EncodeRecord };
    let scope = this.scopes.get(line.library);
    if (scope === undefined) {
      scope = { name: `tracing-operator/${line.library}`, version: this.version };
      this.scopes.set(line.library, scope);
    }
    this.queues.add(encodeRecord(line, Date.now()), scope);
    this.host.arm();
  }
}
