import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

const TELEMETRY = new URL('../integration/crds/telemetry.yaml', import.meta.url);
const CRD = 'telemetries.telemetry.istio.io';

interface Telemetry {
  metadata: { name: string };
  spec: { tracing: { randomSamplingPercentage?: number; match?: { mode: string } }[] };
}

/**
 * The operator as the chart installs it, with the rights that the chart gives it, beside what Istio and Linkerd leave in a
 * cluster: Istio's API and MeshConfig, Linkerd's values. Neither runs.
 */
describe('meshes', () => {
  let cluster: Cluster;
  let images: Images;
  const namespace = `mesh-${randomBytes(3).toString('hex')}`;
  const meshes = ['istio-system', 'linkerd'];
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (...items: unknown[]) =>
    cluster.run('kubectl', ['apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
  const configMap = (where: string, name: string, data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: where },
    data,
  });
  const described = () => kubectl('describe', 'tracingpolicy', 'default');
  const policy = (spec: object) =>
    apply({
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default', namespace },
      spec: { exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }], ...spec },
    });
  const telemetries = async () =>
    (JSON.parse(await kubectl('get', 'telemetries', '-o', 'json')) as { items: Telemetry[] }).items;
  /** Resolves when `kubectl describe` of the policy has all of these, with any blanks between their words. */
  async function says(...lines: string[]): Promise<void> {
    let last = '';
    const patterns = lines.map((line) => new RegExp(line.replaceAll(' ', String.raw`\s+`)));
    await until(`the policy does not say ${lines.join(', ')}`, 60_000, async () => {
      last = await described();
      return patterns.every((pattern) => pattern.test(last));
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}:\n${last}`);
    });
  }

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    for (const name of [namespace, ...meshes]) await cluster.run('kubectl', ['create', 'namespace', name]);
    await kubectl('label', 'namespace', namespace, 'istio-injection=enabled');
    await untilUsable(cluster, namespace, 20_000);
  }, 300_000);
  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'crd', CRD, '--ignore-not-found'], { tolerant: true });
    await cluster.run('kubectl', ['delete', 'namespace', namespace, ...meshes, '--wait=false'], { tolerant: true });
  });

  it('each have a line in the policy, are found when they are installed, and are configured', async () => {
    await policy({ sampling: { ratio: 0.1 } });
    await says('Name: Istio State: NotInstalled', 'Name: Linkerd State: NotInstalled');

    await cluster.run('kubectl', ['apply', '-f', '-'], { input: readFileSync(TELEMETRY, 'utf8') });
    const provider = {
      name: 'otel',
      opentelemetry: { service: `collector.${namespace}.svc.cluster.local`, port: 4318 },
    };
    await apply(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'collector', namespace },
        spec: { selector: { app: 'collector' }, ports: [{ port: 4318 }] },
      },
      configMap('istio-system', 'istio', { mesh: JSON.stringify({ extensionProviders: [provider] }) }),
      configMap('linkerd', 'linkerd-config', { values: JSON.stringify({ proxy: { tracing: { enabled: false } } }) }),
    );
    await says('Name: Istio State: Configured', 'Name: Linkerd State: NotUsed', 'IntegrationChanged');
    expect((await telemetries()).map(({ metadata, spec }) => [metadata.name, spec.tracing])).toEqual([
      ['tracing-acme', [{ providers: [{ name: 'otel' }], randomSamplingPercentage: 10 }]],
    ]);

    const pod = nodePod(images.shop.ref, 'order', { annotations: { 'tracing.acme/inject': 'true' } });
    // As Linkerd's injector would have done before.
    const proxy = { ...pod.spec.containers[0]!, name: 'linkerd-proxy', command: ['sleep', '100000'] };
    pod.spec.containers.push(proxy);
    await apply({
      ...pod,
      metadata: { ...pod.metadata, namespace, labels: { 'linkerd.io/control-plane-ns': 'linkerd' } },
    });
    await until('traced pods have no Telemetry of theirs', 60_000, async () => (await telemetries()).length === 2);
    expect((await telemetries())[1]).toMatchObject({
      metadata: { name: 'tracing-acme-traced' },
      spec: { tracing: [{ match: { mode: 'CLIENT' }, randomSamplingPercentage: 100 }] },
    });
    await says('Name: Linkerd State: Incomplete', 'endpoint: collector.observability:4317');
    const annotation = String.raw`{.metadata.annotations.resource\.opentelemetry\.io/service\.name}`;
    expect(await kubectl('get', 'pod', 'order', '-o', `jsonpath=${annotation}`)).toBe('order');

    await policy({ mesh: { istio: { mode: 'Disabled' }, linkerd: { mode: 'Disabled' } } });
    await says('Name: Istio State: Disabled', 'Name: Linkerd State: Disabled');
    expect(await telemetries()).toEqual([]);
  }, 300_000);
});
