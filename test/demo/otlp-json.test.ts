import { describe, expect, it } from '@jest/globals';
import { readLogs, readMetrics, readSpans } from './otlp-json.ts';

const OTLP = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'order' } }] },
      scopeSpans: [
        {
          scope: { name: 'http' },
          spans: [
            {
              traceId: '0af7651916cd43dd8448eb211c80319c',
              spanId: '00f067aa0ba902b7',
              parentSpanId: '',
              traceState: 'ot=th:8',
              name: 'POST /orders',
              kind: 2,
              startTimeUnixNano: '1764000000000001500',
              endTimeUnixNano: '1764000000012346500',
              attributes: [
                { key: 'http.response.status_code', value: { intValue: '500' } },
                { key: 'tags', value: { arrayValue: { values: [{ stringValue: 'a' }, { boolValue: true }] } } },
              ],
              events: [
                { name: 'exception', attributes: [{ key: 'exception.message', value: { stringValue: 'no money' } }] },
              ],
              status: { code: 2 },
            },
          ],
        },
      ],
    },
  ],
};

describe('readSpans', () => {
  it('reads what the waterfall needs out of OTLP', () => {
    expect(readSpans(OTLP)).toEqual([
      {
        traceId: '0af7651916cd43dd8448eb211c80319c',
        spanId: '00f067aa0ba902b7',
        service: 'order',
        name: 'POST /orders',
        kind: 'server',
        startUs: 1_764_000_000_000_001,
        durationUs: 12_345,
        attributes: { 'http.response.status_code': 500, tags: ['a', true] },
        resource: { 'service.name': 'order' },
        error: 'no money',
        scope: 'http',
        traceState: 'ot=th:8',
        events: [{ name: 'exception', attributes: { 'exception.message': 'no money' } }],
      },
    ]);
  });

  it('reads no spans out of nothing', () => {
    expect(readSpans({})).toEqual([]);
  });
});

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
