/** Spans of a process since it started, whatever exporters it has had in the meantime. */
export interface SpanCounters {
  /** Spans that were decided about. What lies below a span that is not recorded is not even asked for. */
  started: number;
  /** Of those, the recorded ones. */
  sampled: number;
  /** Spans of requests that were not sampled, exported because those failed or were slow. */
  kept: number;
  /** Spans of such requests for which there was no room while that was not known. */
  heldDropped: number;
  /** Spans that arrived; one that goes to two exporters counts twice, here and below. */
  exported: number;
  /** The queue was full: the oldest made room. */
  queueFull: number;
  /** The destination did not take them. */
  exportFailed: number;
  /** The receiver took the batch and said that it rejects these of it (OTLP's partial success). */
  rejected: number;
  /** They were waiting for an exporter that the policy took away, and did not arrive any more. */
  shutdown: number;
  /** Exceptions of the agent's own that it caught. */
  exceptions: number;
}

/** What became of the spans for one exporter of the policy in force. */
export interface ExporterReport {
  name: string;
  exported: number;
  /** For all reasons together. */
  dropped: number;
  /** Batches that did not arrive, whatever was retried. */
  errors: number;
  /** Spans that wait, and for how many there is room. */
  queued: number;
  queueSize: number;
  /** Of the spans that arrived, in protobuf and before compression. */
  bytes: number;
  /** Id of a trace that arrived last, hexadecimal. */
  lastTrace?: string;
  /** Why spans are lost these days, or about to be; absent while all arrive. It changes rarely, and holds no numbers that run. */
  trouble?: string;
}

/** What became of a signal other than traces since the process started. */
export interface SignalReport {
  /** Metrics, or log records, that arrived. */
  exported: number;
  /** For all reasons together. */
  dropped: number;
}

/** Why a library gives no spans. An operator may meet others, of newer agents. */
export type Obstacle =
  /** Its instrumentation is for other versions. */
  | 'UnsupportedVersion'
  /** It was there before the agent. */
  | 'LoadedBefore'
  /** It was bundled into a file of the app, where nobody can tell its functions from others. */
  | 'Bundled'
  /** The owner of the process, or the policy, does not want it. */
  | 'SwitchedOff'
  /** Our own fault: stderr of the process says more. */
  | 'AgentError';

export interface UninstrumentedLibrary {
  /** `pg@6.4.2`, or `pg` where the version cannot be told. */
  library: string;
  why: Obstacle;
}

/** What a process says of itself to the operator; operator/reports/report.ts reads it. */
export interface ReportBody {
  container: string;
  pid: number;
  /** Milliseconds since 1970. Counters begin anew with another process. */
  startedAt: number;
  key: string;
  revision: string;
  agentVersion: string;
  nodeVersion: string;
  failure?: string;
  counters: SpanCounters;
  exporters: ExporterReport[];
  /** Absent: none were sent. */
  signals?: { metrics?: SignalReport; logs?: SignalReport };
  /** Instrumented libraries: `express@5.1.0`. */
  libraries: string[];
  uninstrumented: UninstrumentedLibrary[];
  /** What the policy asks for and this process cannot do. */
  problems: string[];
  /** Bytes that the agent takes in this process with what it holds of all signals, as it estimates itself. */
  memory: number;
}

/** Bytes that its code and tables take once requests have been served: measured, see agent.memory.order.served of docs/performance.md. */
export const AGENT_BYTES = 8_200_000;

/** Longest lists and strings. The operator refuses a report that goes beyond them. */
export const LIMITS = {
  exporters: 8,
  libraries: 64,
  uninstrumented: 32,
  problems: 8,
  /** Characters of a library with its version. */
  library: 96,
  /** Characters of a problem, or of an exporter's trouble. */
  text: 200,
  failure: 512,
  /** Bytes of the whole; the operator reads 16 kB. */
  body: 15_000,
} as const;

/** A report as JSON that the operator takes: what is too long is cut, what is too much is left out. */
export function serializeReport(body: ReportBody): string {
  const bounded: ReportBody = {
    ...body,
    ...(body.failure !== undefined && { failure: cut(body.failure, LIMITS.failure) }),
    exporters: body.exporters.slice(0, LIMITS.exporters).map((exporter) => ({
      ...exporter,
      ...(exporter.trouble !== undefined && { trouble: cut(exporter.trouble, LIMITS.text) }),
    })),
    libraries: body.libraries.slice(0, LIMITS.libraries).map((library) => cut(library, LIMITS.library)),
    uninstrumented: body.uninstrumented
      .slice(0, LIMITS.uninstrumented)
      .map(({ library, why }) => ({ library: cut(library, LIMITS.library), why })),
    problems: body.problems.slice(0, LIMITS.problems).map((problem) => cut(problem, LIMITS.text)),
  };
  const text = JSON.stringify(bounded);
  // Only names far from ASCII get here: which policy is in force, and what is wrong, must arrive all the same.
  return Buffer.byteLength(text) <= LIMITS.body
    ? text
    : JSON.stringify({ ...bounded, libraries: [], uninstrumented: [] });
}

/**
 * What a process says of its exporters is about spans. That metrics or log records are lost is told of an exporter for which
 * there is nothing worse to tell.
 */
export function withTroubles(
  spans: readonly ExporterReport[],
  others: Readonly<Record<string, readonly ExporterReport[]>>,
): ExporterReport[] {
  const merged = new Map(spans.map((report) => [report.name, report]));
  for (const [signal, reports] of Object.entries(others))
    for (const { name, trouble } of reports) {
      const known = merged.get(name) ?? { name, exported: 0, dropped: 0, errors: 0, queued: 0, queueSize: 0, bytes: 0 };
      merged.set(name, known.trouble || !trouble ? known : { ...known, trouble: `${signal}: ${trouble}` });
    }
  return [...merged.values()];
}

function cut(text: string, length: number): string {
  // Control characters and halves of a character take six bytes each as JSON.
  return (text.length > length ? `${text.slice(0, length - 1)}…` : text).replaceAll(/[\p{Cc}\p{Cs}]/gu, ' ');
}
