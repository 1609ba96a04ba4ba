import { describe, expect, it } from '@jest/globals';
import type { KeptReport } from './report.ts';
import { spansSince } from './spans.ts';

const START = 1_000_000;
const MINUTE = 60_000;
const report = (minutes: number, exported: number, more: Partial<KeptReport> = {}): KeptReport => ({
  ...{ namespace: 'shop', pod: 'a', podUid: 'a', container: 'app', pid: 1, receivedAt: START + minutes * MINUTE },
  ...{ key: 'p', revision: '1', agentVersion: '1', nodeVersion: 'v24', startedAt: START },
  counters: { started: 99, sampled: 99, exported, queueFull: exported, exportFailed: 1, shutdown: 0, exceptions: 0 },
  ...more,
});
const exported = (before: KeptReport | undefined, after: KeptReport) => spansSince(before, after).exported;

describe('spans since the report before', () => {
  it('are the difference, by what became of them', () => {
    expect(spansSince(report(2, 10), report(4, 15))).toEqual({
      kept: 0,
      heldDropped: 0,
      exported: 5,
      queueFull: 5,
      exportFailed: 0,
      rejected: 0,
      shutdown: 0,
      errors: {},
    });
  });

  it('are all that a process has had that is new, also under the number of one before', () => {
    expect(exported(undefined, report(1, 10))).toBe(10);
    expect(exported(report(60, 1_000), report(61, 10, { startedAt: START + 60 * MINUTE }))).toBe(10);
  });

  it('are none for a process that has run long before it was heard of', () => {
    expect(exported(undefined, report(60, 1_000))).toBe(0);
    expect(exported(report(60, 1_000), report(62, 1_001))).toBe(1);
  });

  it('never go backwards, and count no report twice', () => {
    expect(exported(report(2, 10), report(4, 9))).toBe(0);
    expect(exported(report(2, 10), report(2, 12))).toBe(0);
  });

  it('are none where an older agent does not count', () => {
    expect(exported(undefined, report(1, 10, { counters: undefined }))).toBe(0);
    expect(exported(report(1, 10, { counters: undefined, startedAt: undefined }), report(2, 12))).toBe(12);
  });

  it('count batches that did not arrive by exporter, also of one that came back', () => {
    const failing = (minutes: number, errors: Record<string, number>) =>
      report(minutes, 0, {
        exporters: Object.entries(errors).map(([name, count]) => ({
          ...{ name, errors: count, exported: 0, dropped: 0, queued: 0, queueSize: 9 },
        })),
      });
    const since = (before: Record<string, number>, after: Record<string, number>) =>
      spansSince(failing(2, before), failing(4, after)).errors;
    expect(since({ a: 1, b: 5, c: 9 }, { a: 4, b: 5, c: 2, d: 1 })).toEqual({ a: 3, c: 2, d: 1 });
  });

  it('count what was kept of requests that were not sampled, and what there was no room for', () => {
    const { counters } = report(1, 10);
    const keeping = (minutes: number, kept: number, heldDropped: number) =>
      report(minutes, 10, { counters: { ...counters!, kept, heldDropped } });
    expect(spansSince(keeping(2, 3, 100), keeping(4, 7, 250))).toMatchObject({ kept: 4, heldDropped: 150 });
    expect(spansSince(report(2, 10), keeping(4, 7, 250))).toMatchObject({ kept: 7, heldDropped: 250 });
  });

  it('count what receivers reject, also where the report before was of an agent that did not', () => {
    const { counters } = report(1, 10);
    const after = report(4, 10, { counters: { ...counters!, rejected: 3 } });
    expect(spansSince(report(2, 10), after).rejected).toBe(3);
  });
});
