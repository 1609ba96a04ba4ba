import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import { withOperator, untilUsable } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** Prints the authorization header of each export. */
const RECEIVER = `require('http').createServer((q, s) => { q.resume(); console.log('got', q.headers.authorization); s.end(); }).listen(4318)`;
/** Traces something all the time. */
const APP = `const h = require('http'); h.createServer((q, s) => s.end()).listen(8080);
  setInterval(() => h.get('http://127.0.0.1:8080', (r) => r.resume()), 200)`;

describe('a header from a Secret', () => {
  let cluster: Cluster;
  let images: Images;
  const namespace = `secrets-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const policy = (secret: string) => ({
    apiVersion: 'tracing.acme/v1alpha1',
    kind: 'TracingPolicy',
    metadata: { name: 'default' },
    spec: {
      exporters: [
        {
          name: 'default',
          endpoint: `http://receiver.${namespace}:4318`,
          headers: [{ name: 'authorization', valueFrom: { secretKeyRef: { name: secret, key: 'authorization' } } }],
        },
      ],
    },
  });
  const counts = () => kubectl('get', 'tracingpolicy', 'default', '-o', 'jsonpath={.status.pods}{.status.workloads}');
  const degraded = () =>
    kubectl(
      ...['get', 'tracingpolicy', 'default', '-o'],
      'jsonpath={.status.conditions[?(@.type=="Degraded")].status} {.status.conditions[?(@.type=="Degraded")].message}',
    );
  const got = () => kubectl('logs', 'receiver');

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    await apply(nodePod(images.shop.ref, 'receiver', { container: { command: ['node', '-e', RECEIVER] } }));
    await apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'receiver' },
      spec: { selector: { app: 'receiver' }, ports: [{ port: 4318 }] },
    });
    await apply(policy('collector'));
    await kubectl('wait', 'pod/receiver', '--for=condition=Ready', '--timeout=60s');
  }, 180_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('keeps no pod from starting while it is missing, sends nothing, and is named in the status', async () => {
    await apply(
      nodePod(images.shop.ref, 'web', {
        annotations: { 'tracing.acme/inject': 'true' },
        container: { command: ['node', '-e', APP] },
      }),
    );
    await kubectl('wait', 'pod/web', '--for=condition=Ready', '--timeout=60s');
    await until('the status does not say it', 40_000, async () =>
      /^True .*exporter default.*key authorization of Secret collector/.test(await degraded()),
    );
    expect(await got()).toBe('');
  }, 120_000);

  it('arrives in the exports of a running pod once it is there, and the status is well again', async () => {
    await kubectl('create', 'secret', 'generic', 'collector', '--from-literal=authorization=Bearer token-1');
    // The kubelet looks at a pod's Secrets about once a minute, and when the pod changes.
    await kubectl('annotate', 'pod', 'web', 'example.com/changed=true');
    await until('the header does not arrive', 150_000, async () => (await got()).includes('got Bearer token-1'));
    // Half a minute in which all spans arrive, then 20 seconds at most until the agent says so.
    await until('the status has not become well', 90_000, async () => (await degraded()).startsWith('False'));
    const everything = await kubectl('get', 'pods,configmaps', '-o', 'json');
    expect(everything).not.toContain('token-1');
  }, 270_000);

  it('reaches a pod that is made when it is there from its first export on', async () => {
    await kubectl('delete', 'pod', 'web', 'receiver');
    await apply(nodePod(images.shop.ref, 'receiver', { container: { command: ['node', '-e', RECEIVER] } }));
    await kubectl('wait', 'pod/receiver', '--for=condition=Ready', '--timeout=60s');
    await apply(
      nodePod(images.shop.ref, 'second', {
        annotations: { 'tracing.acme/inject': 'true' },
        container: { command: ['node', '-e', APP] },
      }),
    );
    await until('the header does not arrive', 60_000, async () => (await got()).includes('got Bearer token-1'));
    expect(await got()).not.toContain('undefined');
  }, 150_000);

  it('is asked for in vain by pods older than its name in the policy: they are outdated until they are made anew', async () => {
    await kubectl('create', 'secret', 'generic', 'other', '--from-literal=authorization=Bearer token-2');
    await apply(policy('other'));
    await until('the pod is not outdated', 150_000, async () =>
      /"outdated":1.*older than the policy's use of key authorization of Secret other: restart it/.test(await counts()),
    );
    await kubectl('delete', 'pod', 'second');
    await apply(
      nodePod(images.shop.ref, 'third', {
        annotations: { 'tracing.acme/inject': 'true' },
        container: { command: ['node', '-e', APP] },
      }),
    );
    await until('the header does not arrive', 60_000, async () => (await got()).includes('got Bearer token-2'));
    await until('the new pod is not current', 60_000, async () => /"current":1.*"outdated":0/.test(await counts()));
  }, 300_000);
});
