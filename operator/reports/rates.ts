import type { KeptReport, Rate } from './report.ts';

/** Over which rates are about, milliseconds: the time between two reports of a process at rest. */
const WINDOW = 120_000;
/** What is counted in a shorter time is no rate. */
const SHORTEST = 1_000;

/**
 * How much a process has to send to each exporter of late, by its counters of two reports: what arrives, and what is lost. Of one
 * that is first heard of, since it began. Reports that come faster are averaged over about two minutes. When another policy
 * comes into force it begins anew: what was sampled before says nothing of now.
 */
export function ratesOf(before: KeptReport | undefined, report: KeptReport): Map<string, Rate> {
  const same = before?.startedAt === report.startedAt ? before : undefined;
  const { receivedAt } = report;
  const elapsed = receivedAt - (same?.receivedAt ?? report.startedAt ?? receivedAt);
  const rates = new Map<string, Rate>();
  if (same && (same.key !== report.key || same.revision !== report.revision)) return rates;
  for (const exporter of report.exporters ?? []) {
    const known = same?.exporters?.find(({ name }) => name === exporter.name);
    if (elapsed < SHORTEST) {
      if (known?.rate) rates.set(exporter.name, known.rate);
      continue;
    }
    // One that was taken away and came back counts anew.
    const base = known && known.exported <= exporter.exported ? known : undefined;
    const arrived = exporter.exported - (base?.exported ?? 0);
    const spans = Math.max(arrived, arrived + exporter.dropped - (base?.dropped ?? 0));
    // Bytes are counted of what arrives.
    const each = arrived > 0 ? ((exporter.bytes ?? 0) - (base?.bytes ?? 0)) / arrived : 0;
    const weight = known?.rate ? Math.min(1, elapsed / WINDOW) : 1;
    const averaged = (now: number, last = 0) => last * (1 - weight) + now * weight;
    const perSecond = (spans * 1000) / elapsed;
    rates.set(exporter.name, {
      spansPerSecond: rounded(averaged(perSecond, known?.rate?.spansPerSecond), 100),
      bytesPerSecond: rounded(averaged(perSecond * each, known?.rate?.bytesPerSecond), 1),
    });
  }
  return rates;
}

/** So that what has come to rest is soon the same from one report to the next. */
function rounded(number: number, parts: number): number {
  return Math.round(number * parts) / parts;
}
