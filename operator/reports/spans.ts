import type { KeptReport } from './report.ts';
import { REPORT_INTERVAL } from './report.ts';

/** Spans by what became of them; injector/agent/report-body.ts says what the reasons mean. */
export interface SpanCounts {
  exported: number;
  queueFull: number;
  exportFailed: number;
  shutdown: number;
}

/** A process that is younger than this when it is first heard of has not been counted by anybody before. */
const YOUNG = 2.5 * REPORT_INTERVAL * 1000;

/**
 * What became of spans of a process since its report before: whichever replica took that one, so that the sums of all
 * replicas are the spans of the cluster, each counted once. Of a process that ran long before it was heard of, as after a
 * restart of ours, counting begins with its first report: all of its life at once would look like a burst.
 */
export function spansSince(before: KeptReport | undefined, report: KeptReport): SpanCounts {
  const { counters, startedAt, receivedAt } = report;
  const none = { exported: 0, queueFull: 0, exportFailed: 0, shutdown: 0 };
  if (!counters || startedAt === undefined || (before && before.receivedAt >= receivedAt)) return none;
  const sameProcess = before?.startedAt === startedAt ? before.counters : undefined;
  if (!sameProcess && receivedAt - startedAt > YOUNG) return none;
  const base = sameProcess ?? none;
  const difference = (of: keyof SpanCounts) => Math.max(0, counters[of] - base[of]);
  return {
    exported: difference('exported'),
    queueFull: difference('queueFull'),
    exportFailed: difference('exportFailed'),
    shutdown: difference('shutdown'),
  };
}
