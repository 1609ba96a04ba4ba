import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import type { OtlpReadSpan } from '../../cli/trace/otlp.ts';
import type { Images } from '../demo/prepare.ts';
import { Collector } from './collector.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** Fails, is slow, or calls BACK and answers. */
const SERVICE = `const http = require('http'); http.createServer((request, response) => {
  if (request.url === '/fails') return response.writeHead(500).end();
  if (request.url === '/slow') return setTimeout(() => response.end(), 4000);
  if (!process.env.BACK) return response.end();
  http.get(process.env.BACK + request.url, (answer) => answer.resume().on('end', () => response.end())).on('error', () => response.writeHead(502).end());
}).listen(8080);`;
/** Not traced itself: it makes the traces begin where they should. */
const CALLER = `const { randomBytes } = require('crypto');
const ask = (url, headers) => require('http').get(url, { headers }, (answer) => answer.resume()).on('error', () => {});
setInterval(() => {
  for (const path of ['/', '/paid', '/fails', '/slow']) ask(process.env.FRONT + path);
  ask(process.env.FRONT + '/asks', { 'x-trace-me': '1' });
  ask(process.env.FRONT + '/sampled', { traceparent: '00-' + randomBytes(16).toString('hex') + '-b7ad6b7169203331-01' });
  ask(process.env.BACK + '/direct');
}, 250)`;

describe('sampling', () => {
  let cluster: Cluster;
  let images: Images;
  let collector: Collector;
  const suffix = randomBytes(3).toString('hex');
  const [front, back] = [`sampling-front-${suffix}`, `sampling-back-${suffix}`];
  const apply = (namespace: string, item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });

  /** Says how the pods of a namespace sample; `step` is in their spans from then on. */
  const follow = (namespace: string, step: string, sampling: object) =>
    apply(namespace, {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default' },
      spec: {
        sampling,
        exporters: [{ name: 'default', endpoint: collector.http }],
        resource: { attributes: { step } },
      },
    });
  const isOf = (step: string) => (span: OtlpReadSpan) => span.resource['step'] === step && span.kind === 'server';
  const pathOf = (span: OtlpReadSpan) => String(span.attributes['url.path']);

  /** The requests that are recorded under a step once some of these are, and some more of them. */
  async function requestsOf(step: string, path: string): Promise<OtlpReadSpan[]> {
    const matching = (spans: OtlpReadSpan[]) => spans.filter((span) => isOf(step)(span) && pathOf(span) === path);
    await collector.until(`${path} under ${step}`, 120_000, (spans) => matching(spans).length > 0);
    // What began under the step before is over: the slowest takes four seconds.
    await new Promise((resolve) => setTimeout(resolve, 6000));
    const from = (await collector.spans()).length;
    const isMore = (spans: OtlpReadSpan[]) => matching(spans.slice(from)).length >= 3;
    return (await collector.until(`more of ${path} under ${step}`, 120_000, isMore)).slice(from).filter(isOf(step));
  }
  const pathsOf = (spans: OtlpReadSpan[]) => [...new Set(spans.map(pathOf))].sort();

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    for (const namespace of [front, back]) {
      await cluster.run('kubectl', ['create', 'namespace', namespace]);
      await untilUsable(cluster, namespace, 20_000);
    }
    collector = await Collector.deploy(cluster, images, back);
    await follow(front, 'front-all', { ratio: 1 });
    await follow(back, 'back-none', { ratio: 0 });
    const annotations = { 'tracing.acme/inject': 'true' };
    const env = (values: Record<string, string>) => Object.entries(values).map(([name, value]) => ({ name, value }));
    const urls = { FRONT: `http://front.${front}:8080`, BACK: `http://back.${back}:8080` };
    for (const [namespace, name] of [
      [front, 'front'],
      [back, 'back'],
    ] as const) {
      const container = {
        command: ['node', '-e', SERVICE],
        env: name === 'front' ? env({ BACK: urls.BACK }) : [],
      };
      await apply(namespace, nodePod(images.shop.ref, name, { annotations, container }));
      const spec = { selector: { app: name }, ports: [{ port: 8080 }] };
      await apply(namespace, { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec });
    }
    const caller = { command: ['node', '-e', CALLER], env: env(urls) };
    await apply(back, nodePod(images.shop.ref, 'caller', { container: caller }));
  }, 400_000);

  afterAll(async () => {
    for (const namespace of [front, back])
      await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('is decided by the policy of the namespace in which a trace begins', async () => {
    const spans = await requestsOf('back-none', '/paid');
    // What front has begun is recorded at back, too; what begins there is not.
    expect(pathsOf(spans)).not.toContain('/direct');
    const { traceId, parentSpanId } = spans.find((span) => pathOf(span) === '/paid')!;
    const ofTrace = (all: OtlpReadSpan[]) => all.filter((span) => span.traceId === traceId);
    // Each pod sends what it has when its own batch is due.
    const trace = ofTrace(await collector.until("front's part", 60_000, (all) => ofTrace(all).length >= 3));
    expect(trace.map((span) => `${span.kind} ${String(span.resource['step'])}`).sort()).toEqual([
      'client front-all',
      'server back-none',
      'server front-all',
    ]);
    expect(trace.find((span) => span.kind === 'client')?.spanId).toBe(parentSpanId);

    await follow(front, 'front-none', { ratio: 0 });
    expect(pathsOf(await requestsOf('front-none', '/sampled'))).toEqual(['/sampled']);
    await follow(back, 'back-all', { ratio: 1 });
    expect(pathsOf(await requestsOf('back-all', '/direct'))).toEqual(['/direct', '/sampled']);
  }, 300_000);

  it('follows each field in a running pod', async () => {
    await follow(front, 'rules', { ratio: 0, rules: [{ paths: ['/paid'], ratio: 1 }] });
    expect(pathsOf(await requestsOf('rules', '/paid'))).toEqual(['/paid', '/sampled']);

    await follow(front, 'keep', { ratio: 0, keep: { errors: true, slowerThan: '3s' } });
    const kept = await requestsOf('keep', '/slow');
    expect(pathsOf(kept)).toEqual(['/fails', '/sampled', '/slow']);
    expect(
      new Set(kept.map((span) => `${pathOf(span)} ${String(span.attributes['tracing.acme.kept.reason'])}`)),
    ).toEqual(new Set(['/fails error', '/sampled undefined', '/slow slow']));

    await follow(front, 'force', { ratio: 0, force: { header: 'X-Trace-Me', maxPerSecond: 1 } });
    const forced = await requestsOf('force', '/asks');
    expect(pathsOf(forced)).toEqual(['/asks', '/sampled']);
    const count = (path: string) => forced.filter((span) => pathOf(span) === path).length;
    // Of four a second one is: the others all are.
    expect(count('/asks')).toBeLessThan(count('/sampled'));

    await follow(front, 'own', { ratio: 0, parentBased: false, rules: [{ paths: ['/paid'], ratio: 1 }] });
    expect(pathsOf(await requestsOf('own', '/paid'))).toEqual(['/paid']);
  }, 600_000);
});
