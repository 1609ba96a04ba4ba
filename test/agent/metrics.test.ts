import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { writeMounted } from './mounted.ts';
import { installedApp } from './app.ts';
import type { ReceivedMetric } from './otlp-signals.ts';
import { ROOT, runNode, startServer, type RunningServer } from './process.ts';
import { Sink } from './sink.ts';

const INTERVAL_MILLIS = 200;
const PATIENCE_MILLIS = 15_000;
const HTTP_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

let app: string;
let scratch: string;
let sink: Sink;
let server: RunningServer | undefined;
let revision = 0;

beforeAll(() => {
  app = installedApp(join(ROOT, 'test/agent/apps/signals'));
  scratch = mkdtempSync(join(tmpdir(), 'tracing-metrics-'));
}, 120_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
  await sink.stop();
});

function write(directory: string, signals: object, ratio = 1, protocol = 'http/protobuf'): void {
  const spec = {
    sampling: { ratio },
    signals,
    exporters: [{ name: 'default', protocol, endpoint: protocol === 'grpc' ? sink.grpcUrl : sink.url }],
    propagators: ['tracecontext'],
    resource: { attributes: {} },
  };
  const document = JSON.stringify({ key: 'p.json', revision: `r${++revision}`, source: 'test', spec });
  writeMounted(directory, { 'pod/key': 'p.json', 'p.json': document });
}

function policy(
  signals: object,
  ratio = 1,
  protocol = 'http/protobuf',
): { directory: string; env: Record<string, string> } {
  const directory = mkdtempSync(join(scratch, 'policy-'));
  write(directory, signals, ratio, protocol);
  return {
    directory,
    env: {
      TRACING_ACME_POLICY_DIR: directory,
      OTEL_SERVICE_NAME: 'shop',
      OTEL_BSP_SCHEDULE_DELAY: '20',
      OTEL_METRIC_EXPORT_INTERVAL: String(INTERVAL_MILLIS),
    },
  };
}

/** The point of a metric whose attributes hold all of these. */
function pointOf(
  metric: ReceivedMetric,
  attributes: Record<string, unknown>,
): ReceivedMetric['points'][number] | undefined {
  return metric.points.find((point) =>
    Object.entries(attributes).every(([key, value]) => point.attributes[key] === value),
  );
}

describe.each(['20', '22', '24', '26'])('on Node %s', (line) => {
  it('has the metrics of the runtime as the semantic conventions say', async () => {
    const { env } = policy({ metrics: true });
    server = await startServer({ line, args: [join(app, 'express.cjs')], cwd: app, env });
    await sink.untilMetric('nodejs.eventloop.delay.p99', () => true, PATIENCE_MILLIS);
    const expected: Record<string, [kind: string, unit: string, attribute?: string]> = {
      'nodejs.eventloop.time': ['counter', 's', 'nodejs.eventloop.state'],
      'nodejs.eventloop.utilization': ['gauge', '1'],
      'v8js.memory.heap.space.size': ['updowncounter', 'By', 'v8js.heap.space.name'],
      'v8js.memory.heap.used': ['updowncounter', 'By', 'v8js.heap.space.name'],
      'v8js.memory.heap.space.available_size': ['updowncounter', 'By', 'v8js.heap.space.name'],
      'v8js.memory.heap.space.physical_size': ['updowncounter', 'By', 'v8js.heap.space.name'],
      'v8js.resource.active': ['gauge', '{resource}', 'v8js.resource.type'],
    };
    for (const statistic of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'])
      expected[`nodejs.eventloop.delay.${statistic}`] = ['gauge', 's'];
    for (const [name, [kind, unit, attribute]] of Object.entries(expected)) {
      const metric = await sink.untilMetric(name);
      expect([name, metric.kind, metric.unit]).toEqual([name, kind, unit]);
      expect(metric.scope).toBe('tracing-operator/runtime');
      expect(metric.resource).toMatchObject({ 'service.name': 'shop' });
      for (const point of metric.points) {
        expect(Object.keys(point.attributes)).toEqual(attribute ? [attribute] : []);
        expect(point.value).toBeGreaterThanOrEqual(0);
      }
    }
    const used = await sink.untilMetric('v8js.memory.heap.used');
    expect(pointOf(used, { 'v8js.heap.space.name': 'old_space' })?.value).toBeGreaterThan(500_000);
    expect((await sink.untilMetric('nodejs.eventloop.delay.p50')).points[0]?.value).toBeLessThan(10);
    expect(server.output()).not.toContain('tracing-operator:');
  }, 40_000);

  it('measures requests of servers and clients, sampled or not, with the route', async () => {
    const { env } = policy({ metrics: true }, 0);
    server = await startServer({ line, args: [join(app, 'express.cjs')], cwd: app, env });
    await sink.untilMetric('nodejs.eventloop.utilization', () => true, PATIENCE_MILLIS);
    for (let i = 0; i < 3; i++) await (await fetch(`${server.url}/shop/items/${i}`)).text();
    await (await fetch(`${server.url}/call`)).text();
    await (await fetch(`${server.url}/nowhere`)).text();
    const items = { 'http.route': '/shop/items/:id', 'http.response.status_code': 200 };
    const durations = await sink.untilMetric(
      'http.server.request.duration',
      (metric) =>
        pointOf(metric, items)?.count === 3 && pointOf(metric, { 'http.response.status_code': 404 })?.count === 1,
      PATIENCE_MILLIS,
    );
    expect([durations.kind, durations.unit]).toEqual(['histogram', 's']);
    const point = pointOf(durations, items)!;
    expect(point.attributes).toEqual({
      ...items,
      'http.request.method': 'GET',
      'url.scheme': 'http',
      'network.protocol.version': '1.1',
    });
    expect(point.bounds).toEqual(HTTP_BOUNDARIES);
    expect(point.counts.reduce((sum, count) => sum + count, 0)).toBe(3);
    expect(point.value).toBeGreaterThan(0);
    const broken = pointOf(durations, { 'http.route': '/shop/broken' })!;
    expect(broken.attributes).toMatchObject({ 'http.response.status_code': 503, 'error.type': '503' });
    const port = Number(new URL(server.url).port);
    const calls = { 'server.port': port, 'http.response.status_code': 503, 'error.type': '503' };
    const isClient = (metric: ReceivedMetric): boolean => metric.scope === 'tracing-operator/http';
    const ours = await sink.untilMetric('http.client.request.duration', isClient, PATIENCE_MILLIS);
    expect(pointOf(ours, calls)).toMatchObject({
      count: 1,
      bounds: HTTP_BOUNDARIES,
      attributes: { 'http.request.method': 'GET', 'server.address': '127.0.0.1', 'network.protocol.version': '1.1' },
    });
    const fetched = await sink.untilMetric('http.client.request.duration', (each) => !isClient(each), PATIENCE_MILLIS);
    expect(pointOf(fetched, calls)).toMatchObject({ count: 1, bounds: HTTP_BOUNDARIES });
    // What the agent itself sends is measured as little as it is traced.
    for (const { points } of sink.metrics.filter(({ name }) => name === 'http.client.request.duration'))
      for (const each of points) expect(each.attributes['server.port']).toBe(port);
    expect(sink.spans).toEqual([]);
    expect(server.output()).not.toContain('tracing-operator:');
  }, 40_000);
});

it('goes by the policy while the process runs: metrics without traces, then neither', async () => {
  const { directory, env } = policy({});
  server = await startServer({ args: [join(app, 'express.cjs')], cwd: app, env });
  await fetch(`${server.url}/shop/items/1`);
  await sink.until((spans) => spans.length > 0);
  expect(sink.metrics).toEqual([]);
  write(directory, { traces: false, metrics: true });
  await sink.untilMetric('nodejs.eventloop.utilization', () => true, PATIENCE_MILLIS);
  const before = sink.spans.length;
  await fetch(`${server.url}/shop/items/2`);
  await sink.untilMetric(
    'http.server.request.duration',
    (metric) => pointOf(metric, { 'http.route': '/shop/items/:id' })?.count === 1,
    PATIENCE_MILLIS,
  );
  expect(sink.spans).toHaveLength(before);
  write(directory, { traces: false });
  const deadline = Date.now() + PATIENCE_MILLIS;
  for (let seen = -1; seen !== sink.metrics.length;) {
    expect(Date.now()).toBeLessThan(deadline);
    seen = sink.metrics.length;
    await new Promise((resolve) => setTimeout(resolve, 8 * INTERVAL_MILLIS));
  }
  write(directory, { metrics: true });
  sink.metrics.length = 0;
  // Another time of switching on begins anew.
  await fetch(`${server.url}/shop/items/3`);
  await sink.untilMetric('nodejs.eventloop.utilization', () => true, PATIENCE_MILLIS);
  await fetch(`${server.url}/shop/items/3`);
  await sink.untilMetric('http.server.request.duration', () => true, PATIENCE_MILLIS);
  expect(server.output()).not.toContain('tracing-operator:');
}, 60_000);

it('sends them over gRPC too', async () => {
  const { env } = policy({ metrics: true }, 1, 'grpc');
  server = await startServer({ args: [join(app, 'express.cjs')], cwd: app, env });
  await sink.untilMetric('nodejs.eventloop.time', () => true, PATIENCE_MILLIS);
}, 30_000);

it('a process that ends by itself sends what it has measured, and is held up by nothing else', async () => {
  const { env } = policy({ metrics: true });
  const program = "setTimeout(() => console.log('done'), 300)";
  const ended = await runNode({ args: ['-e', program], env: { ...env, OTEL_METRIC_EXPORT_INTERVAL: '60000' } });
  expect(ended).toMatchObject({ code: 0, stdout: 'done\n', stderr: '' });
  await sink.untilMetric('nodejs.eventloop.time');
}, 30_000);
