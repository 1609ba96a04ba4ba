import { isDeepStrictEqual } from 'node:util';
import type { KeptReport } from './report.ts';

interface Stored {
  report: KeptReport;
  sequence: number;
}

/**
 * The last report of each process, by pod UID. In memory alone: agents report again, and the leader takes copies of what
 * other replicas were told.
 */
export class ReportStore {
  readonly #pods = new Map<string, Map<number, Stored>>();
  #sequence = 0;
  #onChange: (namespace: string) => void = () => {};

  /** Called with the namespace of each report that says something new. */
  onChange(listener: (namespace: string) => void): void {
    this.#onChange = listener;
  }

  put(report: KeptReport): void {
    let processes = this.#pods.get(report.podUid);
    if (!processes) this.#pods.set(report.podUid, (processes = new Map<number, Stored>()));
    const previous = processes.get(report.pid)?.report;
    if (previous && previous.receivedAt >= report.receivedAt) return;
    processes.set(report.pid, { report, sequence: ++this.#sequence });
    const said = ({ key, revision, failure, problems = [] }: KeptReport) => [key, revision, failure, problems];
    const same = previous && isDeepStrictEqual(said(previous), said(report));
    if (!same) this.#onChange(report.namespace);
  }

  of(podUid: string): KeptReport[] {
    return [...(this.#pods.get(podUid)?.values() ?? [])].map(({ report }) => report);
  }

  /** Reports that came after a sequence number of this store, and the number to ask with next time. */
  since(sequence: number): { sequence: number; reports: KeptReport[] } {
    const stored = [...this.#pods.values()].flatMap((processes) => [...processes.values()]);
    const reports = stored.filter((each) => each.sequence > sequence).map(({ report }) => report);
    return { sequence: this.#sequence, reports };
  }

  /** Forgets pods that are no more, and processes that have not been heard of since `before`. */
  prune(isAlive: (podUid: string) => boolean, before: number): void {
    for (const [podUid, processes] of this.#pods) {
      // One is kept, however old: that there was one is known of the pod.
      for (const [pid, { report }] of processes)
        if (processes.size > 1 && report.receivedAt < before) processes.delete(pid);
      if (!isAlive(podUid)) this.#pods.delete(podUid);
    }
  }
}
