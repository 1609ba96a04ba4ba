import type { KeptReport } from './report.ts';
import { REPORT_INTERVAL } from './report.ts';

/** How full the fullest queue of an exporter is in a namespace: 0 to 1. */
export interface QueueFill {
  namespace: string;
  exporter: string;
  fill: number;
}

/** Agents name their exporters; of a namespace no more are listed than policies can have at a time. */
const EXPORTERS = 64;
const LATELY = 2.5 * REPORT_INTERVAL * 1000;

/** By what processes have said lately. */
export function queueFills(reports: Iterable<KeptReport>, now: number): QueueFill[] {
  const fills = new Map<string, Map<string, number>>();
  for (const { namespace, receivedAt, exporters = [] } of reports) {
    if (now - receivedAt > LATELY) continue;
    const known = fills.get(namespace) ?? new Map<string, number>();
    fills.set(namespace, known);
    for (const { name, queued, queueSize } of exporters) {
      if (queueSize === 0 || (known.size >= EXPORTERS && !known.has(name))) continue;
      known.set(name, Math.max(known.get(name) ?? 0, Math.min(1, queued / queueSize)));
    }
  }
  return [...fills].flatMap(([namespace, known]) =>
    [...known].map(([exporter, fill]) => ({ namespace, exporter, fill })),
  );
}
