import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { sampleSpan } from './sample-span.ts';
import type { Span } from './span.ts';
import { formatDuration, waterfall } from './waterfall.ts';

const START = 1_764_000_000_000_000;

const span = (spanId: string, parentSpanId: string | undefined, rest: Partial<Span> & { from: number }): Span => {
  const { from, ...fields } = rest;
  return sampleSpan(spanId, {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    ...(parentSpanId !== undefined && { parentSpanId }),
    startUs: START + from,
    durationUs: 0,
    ...fields,
  });
};

// An order with a declined card, out of order as a backend may give it.
const DECLINED: Span[] = [
  span('charge-server', 'charge', {
    service: 'payment',
    name: 'shop.payment.v1.Payment/Charge',
    kind: 'server',
    from: 22_000,
    durationUs: 10_000,
    error: 'card declined: insufficient funds',
    attributes: { 'rpc.grpc.status_code': 9 },
  }),
  span('root', undefined, {
    name: 'POST /orders',
    kind: 'server',
    from: 0,
    durationUs: 40_000,
    attributes: { 'http.response.status_code': 402 },
  }),
  span('insert', 'root', {
    name: 'INSERT orders',
    kind: 'client',
    from: 1_000,
    durationUs: 2_500,
    attributes: { 'db.system.name': 'postgresql' },
  }),
  span('reserve', 'root', {
    name: 'POST',
    kind: 'client',
    from: 5_000,
    durationUs: 15_000,
    attributes: { 'http.response.status_code': 201 },
  }),
  span('reserve-server', 'reserve', {
    service: 'inventory',
    name: 'POST /reservations',
    kind: 'server',
    from: 6_000,
    durationUs: 13_000,
    attributes: { 'http.response.status_code': 201 },
  }),
  span('begin', 'reserve-server', {
    service: 'inventory',
    name: 'BEGIN',
    kind: 'client',
    from: 7_000,
    durationUs: 90,
    attributes: { 'db.system.name': 'postgresql' },
  }),
  span('charge', 'root', {
    name: 'shop.payment.v1.Payment/Charge',
    kind: 'client',
    from: 21_000,
    durationUs: 12_000,
    error: '',
    attributes: { 'rpc.grpc.status_code': 9 },
  }),
];

const GOLDEN = `\
trace 0af7651916cd43dd8448eb211c80319c · 40.0 ms · 7 spans · 2 errors · services: order, inventory, payment
order     POST /orders                         █████████████████████████████ 40.0 ms HTTP 402
order     ├─ INSERT orders                      ██                           2.50 ms postgresql
order     ├─ POST                                  ███████████               15.0 ms HTTP 201
inventory │  └─ POST /reservations                 █████████                 13.0 ms HTTP 201
inventory │     └─ BEGIN                            ▏                          90 µs postgresql
order     └─ shop.payment.v1.Payment/Charge                   █████████      12.0 ms ✗ gRPC 9
payment      └─ shop.payment.v1.Payment/Charge                 ███████       10.0 ms ✗ card declined: insufficient funds
`;

describe('waterfall', () => {
  it('draws a line for each span, in its place in the tree and in time', () => {
    expect(waterfall(DECLINED, { width: 120, color: false })).toBe(GOLDEN);
  });

  it('writes the same with colors as without, errors in red', () => {
    const colored = waterfall(DECLINED, { width: 120, color: true });
    expect(colored).toContain('\u001b[31m10.0 ms ✗ card declined: insufficient funds\u001b[39m');
    const plain = stripVTControlCharacters(colored).replace(/ +$/gm, '');
    expect(plain).toBe(GOLDEN);
  });

  it('draws the bars narrower on a narrow terminal, never away', () => {
    const lines = waterfall(DECLINED, { width: 40, color: false }).split('\n');
    expect(lines[1]).toBe('order     POST /orders                         ████████████████████ 40.0 ms HTTP 402');
  });

  it('draws the bars wider on a wide terminal, and shows half a line of a long message', () => {
    const bars = (spans: Span[], width: number) =>
      waterfall(spans, { width, color: false })
        .split('\n')
        .map((line) => /█+/.exec(line)?.[0].length)[1];
    expect(bars(DECLINED, 160)).toBe(29 + 40);
    const long = span('long', 'root', { name: 'GET', from: 0, durationUs: 10, error: 'x'.repeat(500) });
    const lines = waterfall([...DECLINED, long], { width: 160, color: false }).split('\n');
    expect(Math.max(...lines.slice(1).map((line) => line.length))).toBe(160);
    expect(bars([...DECLINED, long], 160)).toBe(52);
  });

  it('shows a span whose parent is missing as a root of its own', () => {
    const orphan = span('lost', 'nobody', { name: 'lost', from: 35_000, durationUs: 1_000 });
    const lines = waterfall([...DECLINED, orphan], { width: 120, color: false }).split('\n');
    expect(lines.at(-2)).toMatch(/^order {5}lost /);
  });

  it('shows the first line of an error that has many', () => {
    const failed = span('root', undefined, {
      from: 0,
      durationUs: 1_000,
      error: 'no such table\n  at query (db.js:1)',
    });
    expect(waterfall([failed], { width: 80, color: false })).toContain('1.00 ms ✗ no such table\n');
  });

  it('names how a gRPC call ended', () => {
    const call = (spanId: string, rest: Partial<Span>) =>
      span(spanId, undefined, { from: 0, durationUs: 1_000, ...rest });
    const drawn = waterfall(
      [
        call('good', { attributes: { 'rpc.grpc.status_code': 0 } }),
        call('bad', {
          error: '',
          attributes: { 'rpc.grpc.status_code': 9, 'grpc.error_message': '9 FAILED_PRECONDITION: no' },
        }),
      ],
      { width: 100, color: false },
    );
    expect(drawn).toContain('1.00 ms gRPC OK\n');
    expect(drawn).toContain('1.00 ms ✗ 9 FAILED_PRECONDITION: no\n');
  });

  it('shows the path of a request whose name has none', () => {
    const request = (spanId: string, rest: Partial<Span>) =>
      span(spanId, undefined, { from: 0, durationUs: 1_000, name: 'GET', ...rest });
    const status = { 'http.response.status_code': 200 };
    const drawn = waterfall(
      [
        request('a', { kind: 'server', attributes: { ...status, 'url.path': '/in' } }),
        request('b', { kind: 'client', attributes: { ...status, 'url.full': 'http://127.0.0.1:1/out?x=1' } }),
        request('c', { kind: 'server', name: 'GET /route', attributes: { ...status, 'url.path': '/route' } }),
      ],
      { width: 100, color: false },
    );
    expect(drawn.match(/HTTP 200.*/g)).toEqual(['HTTP 200 /in', 'HTTP 200 /out', 'HTTP 200']);
  });

  it('shows the path of a request that failed, too', () => {
    const failed = (spanId: string, rest: Partial<Span>) =>
      span(spanId, undefined, { from: 0, durationUs: 1_000, name: 'GET', error: '', ...rest });
    const status = { 'http.response.status_code': 500 };
    const drawn = waterfall(
      [
        failed('a', { kind: 'server', attributes: { ...status, 'url.path': '/in' } }),
        failed('b', { kind: 'server', error: 'kaboom\n  at', attributes: { ...status, 'url.path': '/in' } }),
        failed('c', { kind: 'server', name: 'GET /x', error: 'kaboom', attributes: { ...status, 'url.path': '/x' } }),
        failed('d', { kind: 'client', error: 'refused', attributes: { 'url.full': 'http://127.0.0.1:1/out?x=1' } }),
        failed('e', { kind: 'client', name: 'SELECT', error: 'no table', attributes: { 'db.system.name': 'pg' } }),
      ],
      { width: 100, color: false },
    );
    expect(drawn.match(/✗.*/g)).toEqual([
      '✗ HTTP 500 /in',
      '✗ HTTP 500 /in: kaboom',
      '✗ HTTP 500: kaboom',
      '✗ /out: refused',
      '✗ no table',
    ]);
  });

  it('says so when there is nothing to draw', () => {
    expect(waterfall([], { width: 80, color: false })).toBe('no spans\n');
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0 µs'],
    [90.4, '90 µs'],
    [999.7, '1.00 ms'],
    [1_000, '1.00 ms'],
    [12_345, '12.3 ms'],
    [1_500_000, '1.50 s'],
  ])('%d µs is %s', (us, text) => {
    expect(formatDuration(us)).toBe(text);
  });
});
