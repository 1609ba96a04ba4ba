import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeTraces } from '../agent/otlp.ts';
import type { ReceivedSpan } from '../agent/otlp.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import { withOperator, untilUsable } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** Prints what it receives, a request a line. */
const RECEIVER = `require('http').createServer(async (q, s) => { const all = []; for await (const part of q) all.push(part);
  console.log(Buffer.concat(all).toString('base64')); s.end(); }).listen(4318)`;
/** Traces something all the time. */
const BUSY = `const h = require('http'); const s = h.createServer((q, r) => r.end()).listen(0);
  setInterval(() => h.get({ port: s.address().port }, (r) => r.resume()), 200)`;
/** Traces one request and ends by itself, at once: its spans must have been sent all the same. */
const SHORT = `const h = require('http'); const s = h.createServer((q, r) => r.end()).listen(0, () =>
  h.get({ port: s.address().port, agent: false }, (r) => r.resume().on('end', () => s.close())))`;
const GRANTS = ['--allow-fs-read=/var/run/*', '--allow-fs-read=/run/*'];
const ASKED = { 'tracing.acme/inject': 'true' };

interface PodStatus {
  metadata: { annotations: Record<string, string> };
  status: { containerStatuses: { name: string; ready: boolean; restartCount: number }[] };
}

/** Pods of unusual shapes and what runs to its end: they run as they would without us, and their spans arrive. */
describe('spans arrive', () => {
  let cluster: Cluster;
  let images: Images;
  const namespace = `shapes-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (...items: unknown[]) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
  const container = (name: string, program = BUSY, flags: string[] = []) => ({
    name,
    image: images.shop.ref,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', ...flags, '-e', program],
  });
  const status = async (name: string) => {
    const { metadata, status } = JSON.parse(await kubectl('get', 'pod', name, '-o', 'json')) as PodStatus;
    const { skipped, injected } = JSON.parse(metadata.annotations['tracing.acme/status']!) as Record<string, unknown>;
    return { skipped, injected, containers: status.containerStatuses };
  };

  async function spans(): Promise<ReceivedSpan[]> {
    const lines = (await kubectl('logs', 'receiver')).split('\n').filter(Boolean);
    return lines.flatMap((line) => decodeTraces(Buffer.from(line, 'base64')));
  }
  /** Resolves when there is a server's span of each of these. */
  const arrived = (attribute: string, ...wanted: string[]) =>
    until(`no spans with ${attribute} ${wanted.join(', ')}`, 60_000, async () => {
      const seen = new Set(
        (await spans()).filter(({ kind }) => kind === 'server').map(({ resource }) => resource[attribute]),
      );
      return wanted.every((value) => seen.has(value));
    });

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 30_000);
    await apply(
      {
        apiVersion: 'tracing.acme/v1alpha1',
        kind: 'TracingPolicy',
        metadata: { name: 'default' },
        spec: { exporters: [{ name: 'default', endpoint: `http://receiver.${namespace}:4318` }] },
      },
      nodePod(images.shop.ref, 'receiver', { container: { command: ['node', '-e', RECEIVER] } }),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'receiver' },
        spec: { selector: { app: 'receiver' }, ports: [{ port: 4318 }] },
      },
    );
    await kubectl('wait', 'pod/receiver', '--for=condition=Ready', '--timeout=90s');
  }, 240_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('from a native sidecar and from the app beside it, when the pod names both', async () => {
    await apply(
      nodePod(images.shop.ref, 'sidecar', {
        annotations: { ...ASKED, 'tracing.acme/containers': 'proxy,app' },
        container: container('app'),
        spec: {
          initContainers: [
            container('setup', "console.log('options', process.env.NODE_OPTIONS)"),
            { ...container('proxy'), restartPolicy: 'Always' },
          ],
        },
      }),
    );
    await kubectl('wait', 'pod/sidecar', '--for=condition=Ready', '--timeout=90s');
    await arrived('k8s.container.name', 'app', 'proxy');
    expect(await kubectl('logs', 'sidecar', '-c', 'setup')).toBe('options undefined\n');
  }, 180_000);

  it('under --permission where Node may read the agent; where it may not the container runs without', async () => {
    await apply(
      nodePod(images.shop.ref, 'permission', {
        annotations: ASKED,
        container: container('open', BUSY, ['--permission', ...GRANTS]),
      }),
      nodePod(images.shop.ref, 'closed', {
        annotations: ASKED,
        container: container('closed', BUSY, ['--permission']),
      }),
      nodePod(images.shop.ref, 'by-variable', {
        annotations: ASKED,
        container: { ...container('closed'), env: [{ name: 'NODE_OPTIONS', value: '--permission' }] },
      }),
    );
    await kubectl('wait', 'pod/permission', 'pod/closed', 'pod/by-variable', '--for=condition=Ready', '--timeout=90s');
    await arrived('k8s.container.name', 'open');
    expect(await status('permission')).toMatchObject({ injected: ['open'], containers: [{ restartCount: 0 }] });
    for (const name of ['closed', 'by-variable'])
      expect(await status(name)).toMatchObject({
        injected: [],
        skipped: { closed: 'NodePermissions' },
        containers: [{ ready: true, restartCount: 0 }],
      });
  }, 180_000);

  it('after the ConfigMap has come that NODE_OPTIONS must come from: until then the pod waits, as it would without us', async () => {
    const reference = { configMapKeyRef: { name: 'late', key: 'options' } };
    await apply(
      nodePod(images.shop.ref, 'late', {
        annotations: ASKED,
        container: { ...container('late'), env: [{ name: 'NODE_OPTIONS', valueFrom: reference }] },
      }),
    );
    const reason = 'jsonpath={.status.containerStatuses[0].state.waiting.reason}';
    await until('the container does not wait', 60_000, async () =>
      (await kubectl('get', 'pod', 'late', '-o', reason)).includes('CreateContainerConfigError'),
    );
    await kubectl('create', 'configmap', 'late', '--from-literal=options=--max-old-space-size=222');
    await kubectl('wait', 'pod/late', '--for=condition=Ready', '--timeout=90s');
    expect(await kubectl('exec', 'late', '-c', 'late', '--', 'sh', '-c', 'tr "\\0" "\\n" </proc/1/environ')).toMatch(
      /^NODE_OPTIONS=--max-old-space-size=222 --require /m,
    );
    await arrived('k8s.container.name', 'late');
  }, 240_000);

  it('from a Job that is over before a batch would have been due, and it completes', async () => {
    await apply({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'short', annotations: ASKED },
      spec: { backoffLimit: 0, template: { spec: { restartPolicy: 'Never', containers: [container('app', SHORT)] } } },
    });
    await kubectl('wait', 'job/short', '--for=condition=Complete', '--timeout=90s');
    await arrived('k8s.job.name', 'short');
  }, 180_000);

  it("from a CronJob's Jobs, and they name it", async () => {
    const template = { spec: { restartPolicy: 'Never', containers: [container('app', SHORT)] } };
    await apply({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'nightly', annotations: ASKED },
      spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: { backoffLimit: 0, template } } },
    });
    // What the controller would make at its time, under the name that it would give it.
    const job = `nightly-${Math.floor(Date.now() / 60_000)}`;
    await kubectl('create', 'job', job, '--from=cronjob/nightly');
    await kubectl('wait', `job/${job}`, '--for=condition=Complete', '--timeout=90s');
    await arrived('k8s.cronjob.name', 'nightly');
  }, 180_000);
});
