import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import type { Images } from '../demo/prepare.ts';
import { Collector } from './collector.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** Traces something all the time. */
const APP = `const h = require('http'); h.createServer((q, s) => s.end()).listen(8080);
  setInterval(() => h.get('http://127.0.0.1:8080/paid', (r) => r.resume()), 200)`;

describe('the OpenTelemetry Collector', () => {
  let cluster: Cluster;
  let images: Images;
  let collector: Collector;
  const namespace = `collector-${randomBytes(3).toString('hex')}`;
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const exporter = (protocol: string, endpoint: string) =>
    apply({
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default' },
      spec: {
        exporters: [{ name: 'default', protocol, endpoint }],
        resource: { attributes: { 'sent.by': protocol } },
      },
    });

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    collector = await Collector.deploy(cluster, images, namespace);
  }, 300_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('receives the spans of a pod over HTTP', async () => {
    await exporter('http/protobuf', collector.http);
    const annotations = { 'tracing.acme/inject': 'true' };
    await apply(nodePod(images.shop.ref, 'web', { annotations, container: { command: ['node', '-e', APP] } }));
    const spans = await collector.until('spans of web', 120_000, (all) => all.some(({ kind }) => kind === 'server'));
    const server = spans.find(({ kind }) => kind === 'server')!;
    expect(server).toMatchObject({
      name: 'GET',
      attributes: { 'url.path': '/paid' },
      resource: { 'sent.by': 'http/protobuf' },
    });
    expect(server.traceId).toMatch(/^[0-9a-f]{32}$/);
    // Nobody can tell a pod at admission: the agent finds it in its process.
    const id = await cluster.run('kubectl', [
      ...['--namespace', namespace, 'get', 'pod', 'web', '--output'],
      'jsonpath={.status.containerStatuses[0].containerID}',
    ]);
    expect(server.resource['container.id']).toBe(id.replace(/^.*:\/\//, ''));
  }, 150_000);

  it('receives them over gRPC once the policy says so, from the same pod', async () => {
    await exporter('grpc', collector.grpc);
    const sentBy = (protocol: string) => (span: { resource: Record<string, unknown> }) =>
      span.resource['sent.by'] === protocol;
    await collector.until('spans by gRPC', 120_000, (all) => all.some(sentBy('grpc')));
    const [pod, ...others] = new Set((await collector.spans()).map(({ resource }) => resource['service.instance.id']));
    expect(pod).toBeDefined();
    expect(others).toEqual([]);
  }, 150_000);
});
