import type { KeptReport } from './report.ts';
import { REPORT_INTERVAL } from './report.ts';

/** Spans by what became of them; injector/agent/report-body.ts says what the reasons mean. */
export interface SpanCounts {
  kept: number;
  heldDropped: number;
  exported: number;
  queueFull: number;
  exportFailed: number;
  rejected: number;
  shutdown: number;
  /** Batches that did not arrive, by exporter. */
  errors: Record<string, number>;
}

const NONE = { kept: 0, heldDropped: 0, exported: 0, queueFull: 0, exportFailed: 0, rejected: 0, shutdown: 0 };

/** A process that is younger than this when it is first heard of has not been counted by anybody before. */
const YOUNG = 2.5 * REPORT_INTERVAL * 1000;

/**
 * What became of spans of a process since its report before: whichever replica took that one, so that the sums of all
 * replicas are the spans of the cluster, each counted once. Of a process that ran long before it was heard of, as after a
 * restart of ours, counting begins with its first report: all of its life at once would look like a burst.
 */
export function spansSince(before: KeptReport | undefined, report: KeptReport): SpanCounts {
  const { counters, startedAt, receivedAt } = report;
  const none: SpanCounts = { ...NONE, errors: {} };
  if (!counters || startedAt === undefined || (before && before.receivedAt >= receivedAt)) return none;
  const sameProcess = before?.startedAt === startedAt ? before : undefined;
  if (!sameProcess && receivedAt - startedAt > YOUNG) return none;
  const base = sameProcess?.counters;
  const difference = (of: Exclude<keyof SpanCounts, 'errors'>) => Math.max(0, (counters[of] ?? 0) - (base?.[of] ?? 0));
  const errors = (report.exporters ?? []).map(({ name, errors }) => {
    const known = sameProcess?.exporters?.find((exporter) => exporter.name === name)?.errors ?? 0;
    // One that was taken away and came back counts anew.
    return [name, errors >= known ? errors - known : errors] as const;
  });
  return {
    kept: difference('kept'),
    heldDropped: difference('heldDropped'),
    exported: difference('exported'),
    queueFull: difference('queueFull'),
    exportFailed: difference('exportFailed'),
    rejected: difference('rejected'),
    shutdown: difference('shutdown'),
    errors: Object.fromEntries(errors.filter(([, count]) => count > 0)),
  };
}
