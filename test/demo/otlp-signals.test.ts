import { describe, expect, it } from '@jest/globals';
import { readLogs, readMetrics } from './otlp-signals.ts';

const RESOURCE = { attributes: [{ key: 'service.name', value: { stringValue: 'order' } }] };
const ORDER = { 'service.name': 'order' };

describe('readMetrics', () => {
  it('reads sums, gauges and histograms out of OTLP', () => {
    const metrics = [
      { name: 'a', unit: '1', sum: { dataPoints: [{ asInt: '3' }] } },
      { name: 'b', gauge: { dataPoints: [{ asDouble: 0.5, attributes: [{ key: 'k', value: { intValue: '1' } }] }] } },
      { name: 'c', unit: 's', histogram: { dataPoints: [{ count: '2', sum: 7 }] } },
      { name: 'd', summary: {} },
    ];
    const read = readMetrics({ resourceMetrics: [{ resource: RESOURCE, scopeMetrics: [{ metrics }] }] });
    const rest = { scope: '', resource: ORDER };
    expect(read).toEqual([
      { name: 'a', unit: '1', kind: 'sum', points: [{ attributes: {}, value: 3 }], ...rest },
      { name: 'b', unit: '', kind: 'gauge', points: [{ attributes: { k: 1 }, value: 0.5 }], ...rest },
      { name: 'c', unit: 's', kind: 'histogram', points: [{ attributes: {}, value: 7, count: 2 }], ...rest },
    ]);
  });
});

describe('readLogs', () => {
  it('reads log records out of OTLP', () => {
    const logRecords = [
      { body: { stringValue: 'paid' }, severityText: 'INFO', severityNumber: 9, traceId: 'aa', spanId: 'bb' },
      {},
    ];
    const scopeLogs = [{ scope: { name: 'pino' }, logRecords }];
    const rest = { scope: 'pino', attributes: {}, resource: ORDER };
    expect(readLogs({ resourceLogs: [{ resource: RESOURCE, scopeLogs }] })).toEqual([
      { body: 'paid', severityText: 'INFO', severityNumber: 9, traceId: 'aa', spanId: 'bb', ...rest },
      { body: '', severityText: '', severityNumber: 0, traceId: '', spanId: '', ...rest },
    ]);
  });
});
