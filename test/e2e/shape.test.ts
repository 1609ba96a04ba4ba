import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import type { OtlpReadSpan } from '../../cli/trace/otlp.ts';
import type { Images } from '../demo/prepare.ts';
import { Collector } from './collector.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** An order asks for its stock, several times a second; pg is loaded at the start and not used. */
const APP = `require('pg'); const http = require('http'); const app = require('express')();
  app.use((q, s, next) => next());
  app.get('/stock', (q, s) => s.send('7'));
  app.get('/orders/:id', (q, s) => http.get('http://127.0.0.1:8080/stock', (r) => r.pipe(s)));
  app.listen(8080);
  setInterval(() => http.get('http://127.0.0.1:8080/orders/7', { headers: { baggage: 'tenant=blue,user=alice' } }, (r) => r.resume()).on('error', () => {}), 250)`;
const HEADERS = { name: 'http', captureRequestHeaders: ['baggage', 'traceparent', 'b3'] };
const PATIENCE = 90_000;

describe('what spans are like', () => {
  let cluster: Cluster;
  let images: Images;
  let collector: Collector;
  const namespace = `shape-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });

  /** Has the policy say this; gives the spans of one order that was traced under it, the order's own first. */
  async function under(step: string, { resource = {}, ...says }: Record<string, unknown>): Promise<OtlpReadSpan[]> {
    await apply({
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default' },
      spec: {
        sampling: { ratio: 1, rules: [] },
        exporters: [{ name: 'default', endpoint: collector.http }],
        resource: { ...(resource as object), attributes: { step } },
        ...says,
      },
    });
    const orders = (spans: OtlpReadSpan[]) =>
      spans.filter(
        (span) =>
          span.kind === 'server' && span.attributes['url.path'] === '/orders/7' && span.resource['step'] === step,
      );
    // The first may have been traced before; all that belongs to the last may not have come yet.
    const spans = await collector.until(`orders of step ${step}`, PATIENCE, (all) => orders(all).length >= 8);
    const order = orders(spans).at(-4)!;
    return [order, ...spans.filter((span) => span.traceId === order.traceId && span !== order)];
  }
  const stockOf = (spans: OtlpReadSpan[]) =>
    spans.find((span) => span.kind === 'server' && span.attributes['url.path'] === '/stock');
  const layersOf = (spans: OtlpReadSpan[]) => spans.filter(({ scope }) => /-(express|router)$/.test(scope));

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    collector = await Collector.deploy(cluster, images, namespace);
  }, 300_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('is as the policy says, and changes with it in a running pod', async () => {
    const annotations = { 'tracing.acme/inject': 'true' };
    const pod = nodePod(images.shop.ref, 'web', {
      annotations,
      container: { workingDir: '/app', command: ['node', '-e', APP] },
    });
    const labels = { ...pod.metadata.labels, 'app.kubernetes.io/name': 'order' };
    // pg is off when the process loads it.
    const first = apply({ ...pod, metadata: { ...pod.metadata, labels } });
    const plain = await first.then(() =>
      under('plain', { instrumentations: [HEADERS, { name: 'pg', enabled: false }] }),
    );
    expect(plain[0]).toMatchObject({ name: 'GET /orders/:id', service: 'web' });
    expect(layersOf(plain).length).toBeGreaterThan(1);
    expect(stockOf(plain)?.attributes).toMatchObject({
      'http.request.header.baggage': ['tenant=blue,user=alice'],
      'http.request.header.traceparent': [expect.stringContaining(plain[0]!.traceId)],
    });

    const shaped = await under('shaped', {
      baggage: { allow: ['tenant'] },
      resource: { useLabels: true },
      spanNames: 'ServiceOperation',
      instrumentations: [HEADERS, { name: 'pg', enabled: false }, { name: 'express', layerSpans: false }],
    });
    expect(shaped[0]).toMatchObject({ name: 'order.GET /orders/:id', service: 'order' });
    expect(layersOf(shaped)).toEqual([]);
    expect(stockOf(shaped)).toMatchObject({
      name: 'order.GET /stock',
      attributes: { 'http.request.header.baggage': ['tenant=blue'] },
    });

    const other = await under('other', {
      propagators: ['b3'],
      instrumentations: [HEADERS, ...['express', 'router'].map((name) => ({ name, enabled: false }))],
    });
    expect(other[0]).toMatchObject({ name: 'GET', service: 'web' });
    expect(layersOf(other)).toEqual([]);
    const { attributes = {} } = stockOf(other) ?? {};
    expect(attributes['http.request.header.b3']).toEqual([expect.stringContaining(other[0]!.traceId)]);
    expect(attributes).not.toHaveProperty('http.request.header.traceparent');
    expect(attributes).not.toHaveProperty('http.request.header.baggage');

    const ignoring = await under('ignoring', {
      instrumentations: [{ name: 'http', ignoreIncomingPaths: ['/stock'] }],
    });
    expect(ignoring[0]).toMatchObject({ name: 'GET /orders/:id', service: 'web' });
    expect(stockOf(ignoring)).toBeUndefined();
    // The app asks itself for the order, and that asks for its stock.
    expect(ignoring.filter(({ kind }) => kind === 'client')).toHaveLength(2);

    // One pod all along.
    const instances = new Set((await collector.spans()).map(({ resource }) => resource['service.instance.id']));
    expect([...instances]).toEqual([`${namespace}.web.app`]);
  }, 480_000);

  it('is Degraded by a name that the agent does not know, and by what needs a restart', async () => {
    await under('misspelled', { instrumentations: [{ name: 'expres', enabled: false }] });
    const path = '{.status.conditions[?(@.type=="Degraded")].message}';
    let message = '';
    const says = (pattern: RegExp) =>
      until(`the status does not say ${pattern}`, PATIENCE, async () => {
        message = await kubectl('get', 'tracingpolicy', 'default', '-o', `jsonpath=${path}`);
        return pattern.test(message);
      }).catch((error: unknown) => {
        throw new Error(`${String(error)}; it says: ${message}`);
      });
    await says(/instrumentations expres: not known to agent [^ ]+, which has express, /);
    await says(/instrumentations pg: loaded while it was switched off: pg, pg-pool; restart the pod/);
    await under('right', { instrumentations: [{ name: 'pg', enabled: false }] });
    await says(/every pod is as it should be/);
  }, 300_000);
});
