import { describe, expect, it } from '@jest/globals';
import { ratesOf } from './rates.ts';
import type { KeptReport, Rate } from './report.ts';

const START = Date.parse('2026-01-01T12:00:00Z');
const report = (
  seconds: number,
  exported: number,
  more: Partial<KeptReport> & { dropped?: number; rate?: Rate } = {},
) => {
  const { dropped = 0, rate, ...rest } = more;
  return {
    ...{ namespace: 'shop', pod: 'a', podUid: 'a', container: 'app', pid: 1, key: 'k', revision: '1' },
    ...{ agentVersion: '0.1.0', nodeVersion: 'v24.1.0', startedAt: START, receivedAt: START + seconds * 1000 },
    exporters: [
      {
        ...{ name: 'default', exported, dropped, errors: 0, queued: 0, queueSize: 9, bytes: exported * 500 },
        ...(rate && { rate }),
      },
    ],
    ...rest,
  } satisfies KeptReport;
};
const rate = (before: KeptReport | undefined, now: KeptReport) => ratesOf(before, now).get('default');

describe('the rate of an exporter', () => {
  it('is what came between two reports, and since the start of a process that is first heard of', () => {
    expect(rate(undefined, report(100, 200))).toEqual({ spansPerSecond: 2, bytesPerSecond: 1000 });
    expect(rate(report(100, 200), report(220, 560))).toEqual({ spansPerSecond: 3, bytesPerSecond: 1500 });
    // Another process of that number.
    expect(rate(report(100, 200), report(220, 22, { startedAt: START + 200_000 }))?.spansPerSecond).toBe(1.1);
  });

  it('counts what is lost as well, with the bytes of what arrives', () => {
    expect(rate(report(0, 0), report(100, 100, { dropped: 100 }))).toEqual({ spansPerSecond: 2, bytesPerSecond: 1000 });
    expect(rate(report(0, 0), report(100, 0, { dropped: 100 }))).toEqual({ spansPerSecond: 1, bytesPerSecond: 0 });
  });

  it('is averaged over two minutes where reports come faster, and comes to rest', () => {
    const before = report(100, 200, { rate: { spansPerSecond: 2, bytesPerSecond: 1000 } });
    expect(rate(before, report(106, 260))).toEqual({ spansPerSecond: 2.4, bytesPerSecond: 1200 });
    let last = before;
    for (let seconds = 220; seconds < 1500; seconds += 110) {
      const found = rate(last, report(seconds, 200))!;
      last = report(seconds, 200, { rate: found });
    }
    expect(last.exporters?.[0]).toMatchObject({ rate: { spansPerSecond: 0, bytesPerSecond: 0 } });
  });

  it('begins anew with another policy, and with an exporter that came back', () => {
    const before = report(100, 200, { rate: { spansPerSecond: 2, bytesPerSecond: 1000 } });
    const changed = report(101, 210, { revision: '2' });
    expect(rate(before, changed)).toBeUndefined();
    expect(rate(changed, report(201, 1210, { revision: '2' }))?.spansPerSecond).toBe(10);
    expect(rate(before, report(220, 120))?.spansPerSecond).toBe(1);
  });

  it('is not known of two reports at once, nor of one that does not say when it began', () => {
    const known = { spansPerSecond: 2, bytesPerSecond: 1000 };
    expect(rate(report(100, 200, { rate: known }), report(100.5, 300))).toEqual(known);
    expect(rate(undefined, { ...report(100, 200), startedAt: undefined })).toBeUndefined();
  });
});
