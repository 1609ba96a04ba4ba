import { describe, expect, it } from '@jest/globals';
import { readSpans } from './otlp.ts';

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
