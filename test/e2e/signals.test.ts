import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import { Collector } from './collector.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** Answers a request of its own all the time, and logs each by a logger that it has made at the start. */
const APP = `const http = require('http');
  const logger = require('/app/node_modules/pino')();
  http.createServer((request, response) => { logger.info({ path: request.url }, 'paid'); response.end(); }).listen(8080);
  setInterval(() => http.get('http://127.0.0.1:8080/paid', (response) => response.resume()), 200)`;
/** A change is in the pod within seconds; a slow machine may keep it waiting, and now and then a kubelet its whole minute. */
const PATIENCE = 120_000;

describe('signals', () => {
  let cluster: Cluster;
  let images: Images;
  let collector: Collector;
  const namespace = `signals-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const policy = (signals: Record<string, boolean>) =>
    apply({
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default' },
      spec: { signals, exporters: [{ name: 'default', endpoint: collector.http }] },
    });
  const lastLine = async (): Promise<Record<string, unknown>> => {
    const lines = (await kubectl('logs', 'web', '--tail=5')).split('\n').filter((line) => line.startsWith('{'));
    return JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown>;
  };
  /** Waits until nothing of a signal comes any more, for longer than it would take to come. */
  const untilSilent = (what: string, count: () => Promise<number>, millis: number) =>
    until(`${what} still come`, PATIENCE, async () => {
      const before = await count();
      await new Promise((resolve) => setTimeout(resolve, millis));
      return (await count()) === before;
    });

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    collector = await Collector.deploy(cluster, images, namespace);
    await policy({});
    await apply(
      nodePod(images.shop.ref, 'web', {
        annotations: { 'tracing.acme/inject': 'true' },
        container: {
          command: ['node', '-e', APP],
          env: [{ name: 'OTEL_METRIC_EXPORT_INTERVAL', value: '1000' }],
        },
      }),
    );
    await collector.until('spans of web', PATIENCE, (spans) => spans.some(({ kind }) => kind === 'server'));
  }, 400_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('are traces alone at first, and lines are as the app writes them', async () => {
    expect(await collector.metrics()).toEqual([]);
    expect(await collector.logs()).toEqual([]);
    expect(await lastLine()).toMatchObject({ msg: 'paid', path: '/paid' });
    expect(await lastLine()).not.toHaveProperty('trace_id');
  });

  it('are metrics and logs, too, once the policy says so, in the same process', async () => {
    await policy({ metrics: true, logs: true });
    await until('no metrics of requests', PATIENCE, async () =>
      (await collector.metrics()).some(({ name }) => name === 'http.server.request.duration'),
    );
    const metrics = await collector.metrics();
    const duration = metrics.findLast(({ name }) => name === 'http.server.request.duration')!;
    expect(duration).toMatchObject({ kind: 'histogram', unit: 's', resource: { 'k8s.pod.name': 'web' } });
    expect(duration.points[0]).toMatchObject({
      attributes: { 'http.request.method': 'GET', 'http.response.status_code': 200, 'url.scheme': 'http' },
    });
    const names = new Set(metrics.map(({ name }) => name));
    for (const name of ['nodejs.eventloop.utilization', 'nodejs.eventloop.delay.p99', 'v8js.memory.heap.used'])
      expect(names).toContain(name);
    await until('no log records', PATIENCE, async () => (await collector.logs()).length > 0);
    const record = (await collector.logs()).at(-1)!;
    expect(record).toMatchObject({
      ...{ body: 'paid', severityText: 'info', severityNumber: 9, attributes: { path: '/paid' } },
      resource: { 'k8s.pod.name': 'web' },
    });
    const spans = await collector.until('the span of a record', PATIENCE, (all) =>
      all.some(({ spanId }) => spanId === record.spanId),
    );
    expect(spans.find(({ spanId }) => spanId === record.spanId)?.traceId).toBe(record.traceId);
    expect(await lastLine()).not.toHaveProperty('trace_id');
  }, 400_000);

  it('stay metrics while traces are off; records have no trace then', async () => {
    await policy({ traces: false, metrics: true, logs: true });
    await untilSilent('spans', async () => (await collector.spans()).length, 4_000);
    const count = (await collector.metrics()).length;
    await until('no more metrics', PATIENCE, async () => (await collector.metrics()).length > count);
    await until('a record has a trace', PATIENCE, async () => (await collector.logs()).at(-1)?.traceId === '');
  }, 400_000);

  it('end when the policy says so, and lines get their trace by a switch of its own', async () => {
    await policy({ logCorrelation: true });
    await untilSilent(
      'metrics or log records',
      async () => (await collector.metrics()).length + (await collector.logs()).length,
      5_000,
    );
    await until('lines have no trace', PATIENCE, async () => (await lastLine())['trace_id'] !== undefined);
    const line = await lastLine();
    expect(line).toMatchObject({ msg: 'paid', path: '/paid', trace_flags: expect.stringMatching(/^0[13]$/) });
    await collector.until('the span of a line', PATIENCE, (all) =>
      all.some(({ spanId }) => spanId === line['span_id']),
    );
    const pods = new Set((await collector.spans()).map(({ resource }) => resource['process.pid']));
    expect(pods.size).toBe(1);
  }, 400_000);
});
