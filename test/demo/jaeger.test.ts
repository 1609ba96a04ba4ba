import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Jaeger } from './jaeger.ts';

const OTLP = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'order' } }] },
      scopeSpans: [
        {
          spans: [
            {
              traceId: '0af7651916cd43dd8448eb211c80319c',
              spanId: '00f067aa0ba902b7',
              name: 'POST /orders',
              startTimeUnixNano: '1764000000000001500',
              endTimeUnixNano: '1764000000012346500',
            },
          ],
        },
      ],
    },
  ],
};

describe('Jaeger', () => {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(req.url ?? '');
    const [status, body] = req.url?.startsWith('/api/v3/traces/missing')
      ? [404, { error: { message: 'No traces found' } }]
      : req.url?.startsWith('/api/v3/traces/broken')
        ? [500, { error: { message: 'disk on fire' } }]
        : [200, { result: OTLP }];
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  let jaeger: Jaeger;

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    jaeger = new Jaeger(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });

  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('searches by service, operation and time', async () => {
    const traces = await jaeger.find({
      service: 'order',
      operation: 'POST /orders',
      from: new Date('2026-01-01T00:00:00Z'),
      to: new Date('2026-01-01T00:01:00Z'),
    });
    expect(traces.map((spans) => spans.map((span) => span.name))).toEqual([['POST /orders']]);
    const query = new URL(asked.at(-1) ?? '', 'http://jaeger').searchParams;
    expect(Object.fromEntries(query)).toEqual({
      'query.service_name': 'order',
      'query.operation_name': 'POST /orders',
      'query.start_time_min': '2026-01-01T00:00:00.000Z',
      'query.start_time_max': '2026-01-01T00:01:00.000Z',
      'query.num_traces': '1000',
      'query.raw_traces': 'true',
    });
  });

  it('takes a trace that is not there (yet) for an empty one', async () => {
    expect(await jaeger.trace('missing')).toEqual([]);
  });

  it('passes on what Jaeger says went wrong', async () => {
    await expect(jaeger.trace('broken')).rejects.toThrow('Jaeger answered 500 to /api/v3/traces/broken');
  });
});
