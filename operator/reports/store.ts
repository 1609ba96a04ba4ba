import { isDeepStrictEqual } from 'node:util';
import { Shared } from '../shared.ts';
import type { KeptReport } from './report.ts';

/** Processes of a pod that are remembered; whoever begins more makes us forget the one that was silent longest. */
const PROCESSES = 64;

interface Stored {
  report: KeptReport;
  sequence: number;
}

/**
 * The last report of each process, by pod UID. In memory alone: agents report again, and the leader takes copies of what
 * other replicas were told.
 */
export class ReportStore {
  readonly #pods = new Map<string, Stored[]>();
  readonly #shared = new Shared();
  #sequence: number;
  #onChange: (namespace: string) => void = () => {};

  /**
   * @param startedAt milliseconds since 1970. Sequence numbers begin there, a thousand to the millisecond: a replica that is
   *   started again at its old address never gives a number that others have had from it before.
   */
  constructor(startedAt: number) {
    this.#sequence = startedAt * 1000;
  }

  /** Called with the namespace of each report that says something new: not for one in which only numbers differ. */
  onChange(listener: (namespace: string) => void): void {
    this.#onChange = listener;
  }

  put(report: KeptReport): void {
    const processes = this.#pods.get(report.podUid) ?? [];
    const known = this.#find(report);
    const previous = known?.report;
    if (previous && previous.receivedAt >= report.receivedAt) return;
    const stored = { report: this.#compact(report), sequence: ++this.#sequence };
    if (known) Object.assign(known, stored);
    else {
      if (processes.length >= PROCESSES) processes.splice(longestSilent(processes), 1);
      processes.push(stored);
      this.#pods.set(report.podUid, processes);
    }
    if (!previous || !isDeepStrictEqual(news(previous), news(report))) this.#onChange(report.namespace);
  }

  /** The last report of the process that this one is of. */
  before(report: KeptReport): KeptReport | undefined {
    return this.#find(report)?.report;
  }

  of(podUid: string): KeptReport[] {
    return (this.#pods.get(podUid) ?? []).map(({ report }) => report);
  }

  /** The last report of every process. */
  *all(): Generator<KeptReport> {
    for (const processes of this.#pods.values()) for (const { report } of processes) yield report;
  }

  /** Reports that came after a sequence number of this store, and the number to ask with next time. */
  since(sequence: number): { sequence: number; reports: KeptReport[] } {
    const reports: KeptReport[] = [];
    // Asked by each replica every two seconds: no copy is made of what is kept of thousands of pods.
    if (sequence !== this.#sequence)
      for (const processes of this.#pods.values())
        for (const each of processes) if (each.sequence > sequence) reports.push(each.report);
    return { sequence: this.#sequence, reports };
  }

  /** Forgets pods that are no more, and processes that have not been heard of since `before`. */
  prune(isAlive: (podUid: string) => boolean, before: number): void {
    for (const [podUid, processes] of this.#pods) {
      if (!isAlive(podUid)) {
        this.#pods.delete(podUid);
        continue;
      }
      const heard = processes.filter(({ report }) => report.receivedAt >= before);
      // One is kept, however old: that there was one is known of the pod.
      if (heard.length < processes.length) this.#pods.set(podUid, heard.length > 0 ? heard : processes.slice(-1));
    }
  }

  #find({ podUid, container, pid }: KeptReport): Stored | undefined {
    // Each container of a pod has a process 1.
    return this.#pods.get(podUid)?.find(({ report }) => report.container === container && report.pid === pid);
  }

  /** The same report, with what it has in common with others kept once. */
  #compact(report: KeptReport): KeptReport {
    const { namespace, pod, podUid, container, pid, key, revision, agentVersion, nodeVersion, receivedAt } = report;
    const { failure, startedAt, counters, exporters, signals, libraries, uninstrumented, problems, memory } = report;
    const shared = this.#shared;
    // In one literal, as an object that grows field by field has room for more.
    return {
      namespace: shared.of(namespace),
      pod,
      podUid,
      container: shared.of(container),
      pid,
      key: shared.of(key),
      revision: shared.of(revision),
      agentVersion: shared.of(agentVersion),
      nodeVersion: shared.of(nodeVersion),
      failure: shared.of(failure),
      startedAt,
      counters: counters && {
        started: counters.started,
        sampled: counters.sampled,
        kept: counters.kept,
        heldDropped: counters.heldDropped,
        exported: counters.exported,
        queueFull: counters.queueFull,
        exportFailed: counters.exportFailed,
        rejected: counters.rejected,
        shutdown: counters.shutdown,
        exceptions: counters.exceptions,
      },
      exporters: exporters?.map(
        ({ name, exported, dropped, errors, queued, queueSize, bytes, lastTrace, rate, trouble }) => ({
          name: shared.of(name),
          exported,
          dropped,
          errors,
          queued,
          queueSize,
          bytes,
          lastTrace,
          ...(rate && { rate }),
          trouble: shared.of(trouble),
        }),
      ),
      signals,
      libraries: shared.of(libraries),
      uninstrumented: shared.of(uninstrumented),
      problems: shared.of(problems),
      memory,
      receivedAt,
    };
  }
}

/** What status is made of. Numbers run all the time and are no news; libraries are no concern of status. */
function news({ key, revision, failure, exporters, uninstrumented, problems }: KeptReport): unknown[] {
  const troubles = (exporters ?? []).flatMap(({ name, trouble }) => (trouble === undefined ? [] : [name, trouble]));
  return [key, revision, failure, troubles, uninstrumented ?? [], problems ?? []];
}

function longestSilent(processes: Stored[]): number {
  const times = processes.map(({ report }) => report.receivedAt);
  return times.indexOf(Math.min(...times));
}
