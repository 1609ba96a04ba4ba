import { describe, expect, it } from '@jest/globals';
import { queueFills } from './queues.ts';
import type { KeptReport } from './report.ts';

const NOW = 10_000_000;
const report = (namespace: string, queued: Record<string, number>, receivedAt = NOW): KeptReport =>
  ({
    ...{ namespace, receivedAt },
    exporters: Object.entries(queued).map(([name, count]) => ({
      ...{ name, queued: count, queueSize: 100 },
      ...{ exported: 0, dropped: 0, errors: 0 },
    })),
  }) as unknown as KeptReport;

describe('how full queues are', () => {
  it('is said of the fullest of each exporter in a namespace', () => {
    const reports = [report('shop', { a: 10, b: 100 }), report('shop', { a: 30 }), report('bank', { a: 0 })];
    expect(queueFills(reports, NOW)).toEqual([
      { namespace: 'shop', exporter: 'a', fill: 0.3 },
      { namespace: 'shop', exporter: 'b', fill: 1 },
      { namespace: 'bank', exporter: 'a', fill: 0 },
    ]);
  });

  it('is not said by what was heard long ago, nor by agents that do not say it', () => {
    const older = { namespace: 'shop', receivedAt: NOW } as KeptReport;
    expect(queueFills([report('shop', { a: 10 }, NOW - 600_000), older], NOW)).toEqual([]);
  });

  it('is said of a bounded number of names', () => {
    const names = Array.from({ length: 100 }, (_, i) => report('shop', { [`exporter-${i}`]: 1 }));
    expect(queueFills(names, NOW)).toHaveLength(64);
  });
});
