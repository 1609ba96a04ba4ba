import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { MERGE_PATCH } from '../../../operator/kube/client.ts';
import { CHART } from '../../chart/helm.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { installOperator, OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { withFreshOperator } from '../installation.ts';
import { stolenToken } from '../stolen-token.ts';

const COLLECTOR = 'config.linkerd.io/trace-collector';
const PROTOCOL = 'config.linkerd.io/trace-collector-protocol';
const ACCOUNT = 'config.alpha.linkerd.io/trace-collector-service-account';
const ENFORCE = 'pod-security.kubernetes.io/enforce';

/** The chart with linkerd.annotateNamespaces: what it lets the operator do, and whoever has stolen its token. */
describe('namespaces that the operator may annotate for linkerd-jaeger', () => {
  let cluster: Cluster;
  let images: Images;
  let thief: KubeClient;
  const namespace = `linkerd-${randomBytes(3).toString('hex')}`;
  const path = `/api/v1/namespaces/${namespace}`;
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['apply', '--server-side', '-f', '-'], { input: JSON.stringify(item) });
  const merge = (metadata: object) => thief.request('PATCH', path, { contentType: MERGE_PATCH, body: { metadata } });
  const annotations = async () => {
    const object = JSON.parse(await cluster.run('kubectl', ['get', 'namespace', namespace, '-o', 'json'])) as {
      metadata: { annotations: Record<string, string> };
    };
    return object.metadata.annotations;
  };

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    const metadata = {
      name: namespace,
      labels: { [ENFORCE]: 'baseline' },
      annotations: { 'linkerd.io/inject': 'enabled', 'example.com/owner': 'us' },
    };
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata });
    thief = await stolenToken(cluster);
  }, 300_000);

  afterAll(async () => {
    thief.close();
    await cluster.run('kubectl', ['delete', 'namespace', namespace, 'linkerd', '--wait=false', '--ignore-not-found'], {
      tolerant: true,
    });
    await installOperator(cluster, images);
  }, 120_000);

  it('are not touched as long as the chart does not say so', async () => {
    await expect(merge({ annotations: { [COLLECTOR]: 'thief:4317' } })).rejects.toMatchObject({ status: 403 });
  });

  const allow = (allowed: boolean) => {
    const values = ['--reuse-values', '--set', `linkerd.annotateNamespaces=${allowed}`, '--wait', '--timeout', '120s'];
    return cluster.run('helm', ['upgrade', OPERATOR.release, CHART, '--namespace', OPERATOR.namespace, ...values]);
  };
  const policy = () =>
    apply({
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default', namespace },
      spec: { exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }] },
    });
  /** What the status says of Linkerd. */
  const said = async (field: 'state' | 'message') =>
    cluster.run('kubectl', [
      ...['--namespace', namespace, 'get', 'tracingpolicy', 'default', '-o'],
      `jsonpath={.status.integrations[?(@.name=="Linkerd")].${field}}`,
    ]);

  it('are annotated with the right that the chart gives, and let go', async () => {
    await allow(true);
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'linkerd' } });
    await apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'linkerd-config', namespace: 'linkerd' },
      data: { values: 'proxy: {image: {version: stable-2.18}}' },
    });
    await policy();
    await until('the namespace has no annotations', 90_000, async () => COLLECTOR in (await annotations()));
    expect(await annotations()).toMatchObject({
      [COLLECTOR]: 'collector.observability:4317',
      [PROTOCOL]: 'opentelemetry',
      'example.com/owner': 'us',
    });
    await until('the status does not say so', 30_000, async () => (await said('state')) === 'Configured');
    await cluster.run('kubectl', ['--namespace', namespace, 'delete', 'tracingpolicy', 'default']);
    await until('annotations outlive the policy', 60_000, async () => !(COLLECTOR in (await annotations())));
    expect(await annotations()).toEqual({ 'linkerd.io/inject': 'enabled', 'example.com/owner': 'us' });
  }, 300_000);

  it.each<[string, object, RegExp]>([
    [
      'Pod Security level',
      { labels: { [ENFORCE]: 'privileged' } },
      /refused: labels pod-security\.kubernetes\.io\/enforce/,
    ],
    ['absence of a Pod Security level', { labels: { [ENFORCE]: null } }, /refused: labels pod-security/],
    [
      'label that is called like an annotation',
      { labels: { [COLLECTOR]: 'a' } },
      /refused: labels config\.linkerd\.io/,
    ],
    ['own annotations', { annotations: { 'example.com/owner': 'me' } }, /refused: annotations example\.com\/owner/],
    [
      'word whether pods get a proxy',
      { annotations: { 'linkerd.io/inject': null } },
      /refused: annotations linkerd\.io\/inject/,
    ],
    [
      "proxies' environment",
      { annotations: { 'config.linkerd.io/proxy-additional-env': '[]', [COLLECTOR]: 'x:1' } },
      /refused: annotations config\.linkerd\.io\/proxy-additional-env/,
    ],
    [
      'name for all proxies',
      { annotations: { 'config.linkerd.io/trace-collector-name': 'x' } },
      /refused: annotations config\.linkerd\.io\/trace-collector-name/,
    ],
    ['finalizers', { finalizers: ['example.com/stuck'] }, /refused: metadata finalizers/],
  ])('keep their %s, whoever has the token', async (_what, metadata, message) => {
    await expect(merge(metadata)).rejects.toThrow(message);
  });

  it('may have those three annotations set and taken away by it', async () => {
    for (const value of ['x', 'y', null])
      await merge({ annotations: { [COLLECTOR]: value, [PROTOCOL]: value, [ACCOUNT]: value } });
    for (const [method, to] of [
      ['DELETE', path],
      ['PUT', path],
      ['PUT', `${path}/finalize`],
    ] as const)
      await expect(thief.request(method, to, { body: {} })).rejects.toMatchObject({ status: 403 });
  });

  it('are told of in status when the right goes before the annotations do, with the command that takes them away', async () => {
    await policy();
    await until('the namespace has no annotations', 90_000, async () => COLLECTOR in (await annotations()));
    await allow(false);
    await until('the status does not say so', 90_000, async () => (await said('state')) === 'Incomplete');
    const [, command] = /: kubectl (annotate namespace .*)$/.exec(await said('message')) ?? [];
    await cluster.run('kubectl', command!.split(' '));
    expect(await annotations()).toEqual({ 'linkerd.io/inject': 'enabled', 'example.com/owner': 'us' });
    await until('the status speaks of it still', 60_000, async () => !(await said('message')).includes('take away'));
    expect(await said('state')).not.toBe('Incomplete');
  }, 300_000);
});
