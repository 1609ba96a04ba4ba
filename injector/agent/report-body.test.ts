import { describe, expect, it } from '@jest/globals';
import { reportSchema } from '../../operator/reports/report.ts';
import { serializeReport, withTroubles, type ReportBody } from './report-body.ts';

const body: ReportBody = {
  ...{ container: 'app', pid: 7, startedAt: 1_700_000_000_000, key: 'shop', revision: 'abc' },
  ...{ agentVersion: '0.1.0', nodeVersion: 'v24.9.0' },
  counters: {
    started: 9,
    sampled: 8,
    kept: 1,
    heldDropped: 0,
    exported: 5,
    queueFull: 1,
    exportFailed: 2,
    rejected: 0,
    shutdown: 0,
    exceptions: 0,
  },
  exporters: [
    {
      name: 'default',
      exported: 5,
      dropped: 3,
      errors: 1,
      queued: 0,
      queueSize: 2048,
      bytes: 900,
      lastTrace: 'ab'.repeat(16),
      trouble: 'x',
    },
  ],
  signals: { logs: { exported: 4, dropped: 1 } },
  libraries: ['express@5.1.0'],
  uninstrumented: [{ library: 'pg@6.4.2', why: 'UnsupportedVersion' }],
  memory: 0,
  problems: ['exporter default: no Secret'],
};

const flood = (character: string): ReportBody => ({
  ...body,
  failure: character.repeat(9_000),
  exporters: Array.from({ length: 30 }, () => ({ ...body.exporters[0]!, trouble: character.repeat(5_000) })),
  libraries: Array.from({ length: 500 }, (_, i) => `${i}${character.repeat(300)}`),
  uninstrumented: Array.from({ length: 500 }, () => ({ library: character.repeat(300), why: 'SwitchedOff' as const })),
  problems: Array.from({ length: 100 }, () => character.repeat(5_000)),
});

describe('a report', () => {
  it('arrives as it was said', () => {
    expect(reportSchema.parse(JSON.parse(serializeReport(body)))).toEqual(body);
  });

  it.each(['a', '"', '\u0001', '語'])('of too much of %j is cut to what the operator takes', (character) => {
    const text = serializeReport(flood(character));
    expect(Buffer.byteLength(text)).toBeLessThan(16 * 1024);
    const report = reportSchema.parse(JSON.parse(text));
    expect(report.problems).toHaveLength(8);
    expect(report.problems?.[0]).toMatch(/…$/);
  });

  it('of an agent that says less or more is read', () => {
    const { startedAt: _at, counters: _counters, exporters: _exporters, ...older } = body;
    const { libraries: _libraries, uninstrumented: _uninstrumented, problems: _problems, ...oldest } = older;
    expect(reportSchema.parse(oldest)).toEqual(oldest);
    expect(reportSchema.parse({ ...body, more: 1, counters: { ...body.counters, lent: 3 } })).toEqual(body);
    const strange = { ...body, uninstrumented: [{ library: 'x', why: 'SomethingNew' }] };
    expect(reportSchema.parse(strange).uninstrumented).toEqual(strange.uninstrumented);
  });
});

it('tells of an exporter that loses log records, unless it loses spans', () => {
  const well = { name: 'a', exported: 1, dropped: 0, errors: 0, queued: 0, queueSize: 9, bytes: 7 };
  const logs = [
    { ...well, exported: 5, trouble: 'a:4318: HTTP 404' },
    { ...well, name: 'b', trouble: 'b:4318: HTTP 404' },
  ];
  expect(withTroubles([well], { metrics: [well], logs })).toEqual([
    { ...well, trouble: 'logs: a:4318: HTTP 404' },
    { ...well, name: 'b', exported: 0, queueSize: 0, bytes: 0, trouble: 'logs: b:4318: HTTP 404' },
  ]);
  expect(withTroubles([{ ...well, trouble: 'worse' }], { logs: logs.slice(0, 1) })).toEqual([
    { ...well, trouble: 'worse' },
  ]);
});
