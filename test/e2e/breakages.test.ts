import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { run } from '../cluster/command.ts';
import { until } from '../cluster/progress.ts';
import { provideServer } from '../cluster/servers.ts';
import type { Images } from '../demo/prepare.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const GUIDE = readFileSync(join(CHECKOUT, 'docs/guides/troubleshooting.md'), 'utf8');
const SCRIPT = 'PATH="$0:$PATH"; kubectl tracing "$@" 2>&1; echo "exit code $?"';
/** Lines of a terminal that is not large. */
const SCREEN = 40;
/** Asks itself twice a second. */
const BUSY = `const http = require('http');
http.createServer((request, response) => response.end('ok')).listen(8080);
setInterval(() => http.get('http://127.0.0.1:8080/', (answer) => answer.resume()), 500);`;

/** What people do wrong, done on purpose: the guide shows what they are told, and it is what they are told. */
describe('a workload that is not traced', () => {
  const namespace = `broken-${randomBytes(3).toString('hex')}`;
  let cluster: Cluster;
  let images: Images;

  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const explain = (workload: string) =>
    cluster.run('sh', ['-c', SCRIPT, join(CHECKOUT, 'dist'), 'explain', workload, '-n', namespace]);
  const deploy = async (name: string, image: string, annotations: Record<string, string>) => {
    const { metadata, spec } = nodePod(image, name, { container: { command: ['node', '-e', BUSY] } });
    await apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, annotations },
      spec: {
        selector: { matchLabels: { app: name } },
        template: { metadata: { labels: metadata.labels }, spec },
      },
    });
  };
  /** The problems that a text of `explain` names, with the names that differ from run to run as the guide has them. */
  const problemsIn = (text: string) =>
    text
      .slice(text.indexOf('\nProblems:\n') + 1)
      .replace(/(exit code|```)[^]*$/, '')
      .replaceAll(namespace, 'shop')
      .replace(/\b(order|legacy|stock)-[0-9a-f]{6,10}-[a-z0-9]{5}\b/g, '$1-6d4cf56db6-xk2bp')
      .trimEnd();
  const shown = (workload: string) => {
    const block = GUIDE.slice(GUIDE.indexOf(`$ kubectl tracing explain ${workload} -n shop\n`));
    return problemsIn(block.slice(0, block.indexOf('```')));
  };
  async function isExplained(workload: string): Promise<void> {
    let text = '';
    try {
      await until('as the guide shows', 90_000, async () => {
        text = await explain(workload);
        return problemsIn(text) === shown(workload);
      });
    } catch {
      // What it is instead.
      expect(problemsIn(text)).toBe(shown(workload));
    }
    expect(text.split('\n').length).toBeLessThan(SCREEN);
    expect(text).toMatch(/\nexit code 1\n$/);
  }

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    const old = await provideServer(cluster, 'old-node');
    await run(process.execPath, ['cli/build.ts'], { cwd: CHECKOUT });
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    await apply({
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default' },
      spec: { exporters: [{ name: 'default', endpoint: 'http://otel-colector.observability:4318' }] },
    });
    await deploy('order', images.shop.ref, { 'tracing.acme/inject': 'true' });
    await deploy('legacy', old, { 'tracing.acme/inject': 'true' });
    await deploy('stock', images.shop.ref, { 'tracing.acme/injekt': 'true' });
    for (const name of ['order', 'legacy', 'stock'])
      await kubectl('rollout', 'status', `deployment/${name}`, '--timeout=180s');
  }, 600_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('because of its policy is told which part of it, one after the other, by verify too', async () => {
    const own = `${namespace}-policy`;
    const inOwn = (...args: string[]) => cluster.run('kubectl', ['--namespace', own, ...args]);
    const put = (item: unknown) =>
      cluster.run('kubectl', ['--namespace', own, 'apply', '-f', '-'], { input: JSON.stringify(item) });
    const policy = (spec: object) =>
      put({ apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy', metadata: { name: 'default' }, spec });
    /** What verify says of the link, and what it advises, in one line each. */
    const verified = async (...args: string[]) => {
      const text = await cluster.run('sh', [
        ...['-c', SCRIPT, join(CHECKOUT, 'dist'), 'verify', 'deployment/web', '-n', own, ...args],
      ]);
      const [, link = '', why = ''] = /^ {2}(\w+) +BROKEN +((?:.*\n {24})*.*)$/m.exec(text) ?? [];
      return [link, why.replace(/\s+/g, ' '), /\n {2}→ (.*)\n/.exec(text)?.[1] ?? '', /exit code \d/.exec(text)![0]];
    };
    const broken = (link: string, why: RegExp, next: RegExp) => [
      ...[link, expect.stringMatching(why), expect.stringMatching(next), 'exit code 1'],
    ];
    await cluster.run('kubectl', ['create', 'namespace', own]);
    try {
      await untilUsable(cluster, own, 20_000);
      const { metadata, spec } = nodePod(images.shop.ref, 'web', { container: { command: ['node', '-e', BUSY] } });
      await put({
        ...{ apiVersion: 'apps/v1', kind: 'Deployment' },
        metadata: { name: 'web', annotations: { 'tracing.acme/inject': 'true' } },
        spec: { selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: metadata.labels }, spec } },
      });
      // Nothing is behind it.
      await put({
        ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'receiver' } },
        spec: { selector: { app: 'receiver' }, ports: [{ port: 4318 }] },
      });
      await inOwn('rollout', 'status', 'deployment/web', '--timeout=180s');
      expect(await verified()).toEqual(
        broken(
          'policy',
          /^no policy applies, so nothing is recorded/,
          /apply -f - <<< .*"endpoint":"http:\/\/receiver:4318"/,
        ),
      );
      await policy({ selector: { matchLabels: { app: 'wep' } } });
      expect(await verified()).toEqual(
        broken(
          'policy',
          /default does not match, as its selector \(app=wep\) is not met/,
          /edit tracingpolicy default/,
        ),
      );
      await policy({});
      expect(await verified()).toEqual(
        broken('policy', /default has no exporter/, /patch tracingpolicy default .*"http:\/\/receiver:4318"/),
      );
      const key = { name: 'x-api-key', valueFrom: { secretKeyRef: { name: 'keys', key: 'k' } } };
      await policy({ exporters: [{ name: 'main', endpoint: 'http://receiver:4318', headers: [key] }] });
      expect(await verified()).toEqual(
        broken('policy', /^exporter main: it needs key k of Secret keys/, /rollout restart deployment\/web$/),
      );
      await inOwn('rollout', 'restart', 'deployment/web');
      await inOwn('rollout', 'status', 'deployment/web', '--timeout=180s');
      expect(await verified()).toEqual(
        broken(
          'policy',
          /^exporter main: it needs key k of Secret keys, which is not there/,
          /create secret generic keys --from-literal=k=VALUE/,
        ),
      );
      await policy({ exporters: [{ name: 'main', endpoint: 'http://receiver:4318' }] });
      expect(await verified()).toEqual(
        broken('accepted', /Service receiver in namespace \S+ has no pod that is ready/, /get pods -l app=receiver$/),
      );
      await policy({ exporters: [{ name: 'main', endpoint: 'http://receiver:4319' }] });
      expect(await verified()).toEqual(
        broken('accepted', /has no port 4319, but 4318/, /# the exporter main: endpoint http:\/\/receiver:4318$/),
      );
    } finally {
      await cluster.run('kubectl', ['delete', 'namespace', own, '--wait=false'], { tolerant: true });
    }
  }, 480_000);

  it('because the endpoint is wrong, is explained in one screen, as the guide shows', async () => {
    await isExplained('deployment/order');
  }, 150_000);

  it('because its Node.js is too old, is explained in one screen, as the guide shows', async () => {
    await isExplained('deployment/legacy');
  }, 150_000);

  it('because of a typing error in the annotation, is explained in one screen, as the guide shows', async () => {
    await isExplained('deployment/stock');
  }, 150_000);
});
