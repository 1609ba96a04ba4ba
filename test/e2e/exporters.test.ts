import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import type { OtlpReadSpan } from '../../cli/trace/otlp.ts';
import type { Images } from '../demo/prepare.ts';
import { Pki } from '../servers/pki.ts';
import { Collector } from './collector.ts';
import { operatorMetric, untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** Asks itself for /1, /2, /3 and so on, twenty times a second. */
const APP = `const h = require('http'); let n = 0; h.createServer((q, s) => s.end()).listen(8080, () =>
  setInterval(() => h.get('http://127.0.0.1:8080/' + ++n, (r) => r.resume()), 50))`;

/** How exporters send, changed in one running pod, by what a real Collector receives over mutual TLS. */
describe('exporters', () => {
  let cluster: Cluster;
  let images: Images;
  let collector: Collector;
  let scratch: string;
  let pki: Pki;
  const namespace = `exporters-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });

  const files = (n: number) => ({
    'tls.crt': pki.read(`server-${n}.crt`),
    'tls.key': pki.read(`server-${n}.key`),
    'ca.crt': pki.read(`ca-${n}.crt`),
  });
  const clientSecret = (n: number) => ({
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'client' } },
    stringData: {
      'ca.crt': pki.read(`ca-${n}.crt`),
      'tls.crt': pki.read(`client-${n}.crt`),
      'tls.key': pki.read(`client-${n}.key`),
    },
  });
  const key = (name: string) => ({ secretKeyRef: { name: 'client', key: name } });
  const policy = (mark: string, exporter: Record<string, unknown>, batch: Record<string, unknown> = {}) =>
    apply({
      ...{ apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy', metadata: { name: 'default' } },
      spec: {
        exporters: [
          {
            ...{ name: 'default', tls: { ca: key('ca.crt'), cert: key('tls.crt'), key: key('tls.key') } },
            ...{ timeout: '5s', retry: { initialInterval: '200ms', maxInterval: '1s' }, ...exporter },
          },
        ],
        batch: { scheduleDelay: '200ms', ...batch },
        resource: { attributes: { mark } },
      },
    });

  /** The numbers of the requests whose server spans have come, each as often as it did. */
  const numbers = (spans: OtlpReadSpan[]) =>
    spans
      .filter(({ kind }) => kind === 'server')
      .map(({ attributes }) => Number(String(attributes['url.path']).slice(1)));
  const newest = async () => Math.max(0, ...numbers(await collector.spans()));
  /** Waits for the span of a request that is so many after the newest so far. */
  const more = async (what: string, count: number, timeout: number) => {
    const wanted = (await newest()) + count;
    return collector.until(what, timeout, (spans) => Math.max(0, ...numbers(spans)) >= wanted);
  };
  const missing = (spans: OtlpReadSpan[], from = 1) => {
    const seen = new Set(numbers(spans));
    return Array.from({ length: Math.max(...seen) - from + 1 }, (_, i) => from + i).filter((n) => !seen.has(n));
  };
  const marked = (mark: string) => (spans: OtlpReadSpan[]) => spans.some(({ resource }) => resource['mark'] === mark);
  /** The kubelet looks at once, and not within a minute, at the volumes of a pod whose metadata change. */
  const refreshFiles = () => kubectl('annotate', '--overwrite', 'pods', '--all', `test/files=${Date.now()}`);

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'tracing-pki-'));
    pki = new Pki(scratch);
    for (const n of [1, 2]) {
      pki.authority(`ca-${n}`);
      pki.issue(`server-${n}`, `ca-${n}`, `DNS:collector.${namespace}`);
      pki.issue(`client-${n}`, `ca-${n}`, 'DNS:web');
    }
    ({ cluster, images } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    const folder = '/etc/collector-files';
    const own = { cert_file: `${folder}/tls.crt`, key_file: `${folder}/tls.key`, reload_interval: '1s' };
    const tls = { ...own, client_ca_file: `${folder}/ca.crt`, client_ca_file_reload: true };
    collector = await Collector.deploy(cluster, images, namespace, { receiver: { tls }, files: files(1) });
    await apply(clientSecret(1));
    await policy(
      'first',
      { protocol: 'grpc', endpoint: collector.grpc },
      { maxQueueSize: 20_000, exportTimeout: '5m' },
    );
    const annotations = { 'tracing.acme/inject': 'true' };
    await apply(nodePod(images.shop.ref, 'web', { annotations, container: { command: ['node', '-e', APP] } }));
  }, 300_000);

  afterAll(async () => {
    rmSync(scratch, { recursive: true, force: true });
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('lose no span while all certificates are renewed, and while the Collector is away', async () => {
    await more('spans over mutual TLS', 20, 120_000);
    await collector.setFiles(files(2));
    await apply(clientSecret(2));
    await refreshFiles();
    await more('spans after the renewal', 40, 180_000);
    // Whoever connects from now on sees the new certificates, on both sides.
    await collector.kill();
    await collector.start();
    expect(missing(await more('spans after the Collector was away', 100, 180_000))).toEqual([]);
  }, 600_000);

  it('send by another protocol, compressed, from the same process', async () => {
    const wide = { maxQueueSize: 20_000, exportTimeout: '5m' };
    const http = { protocol: 'http/json', endpoint: collector.http, compression: 'gzip' };
    await policy('json', http, wide);
    await collector.until('spans as JSON', 120_000, marked('json'));
    await policy('protobuf', { ...http, protocol: 'http/protobuf', compression: 'none' }, wide);
    await collector.until('spans as protobuf', 120_000, marked('protobuf'));
    const spans = await more('more spans', 20, 60_000);
    expect(missing(spans)).toEqual([]);
    expect(new Set(spans.map(({ resource }) => resource['process.pid'])).size).toBe(1);
  }, 300_000);

  it('lose the oldest that do not fit the queue when the Collector is away for long, and count them', async () => {
    const before = await newest();
    const http = { endpoint: collector.http };
    await policy('small', http, { maxQueueSize: 60, maxExportBatchSize: 20, exportTimeout: '5m' });
    await collector.until('spans from a small queue', 120_000, marked('small'));
    await collector.kill();
    const lost = async () =>
      [
        ...(
          await operatorMetric(cluster, 'tracing_operator_spans_dropped_total', { namespace, reason: 'queueFull' })
        ).values(),
      ].reduce((sum, count) => sum + count, 0);
    await until('nobody counts what is lost', 120_000, async () => (await lost()) > 0);
    const degraded = async () =>
      kubectl('get', 'tracingpolicy', 'default', '-o', 'jsonpath={.status.conditions[?(@.type=="Degraded")].message}');
    await until('the status does not say it', 60_000, async () => /exporter default: .*:4318/.test(await degraded()));
    await collector.start();
    const gaps = missing(await more('spans after a long time', 40, 120_000), before);
    expect(gaps.length).toBeGreaterThan(0);
    // One gap: the newest that there was room for have arrived, and all that came after.
    expect(gaps.at(-1)! - gaps[0]! + 1).toBe(gaps.length);
  }, 400_000);

  it('send nothing to one that takes other signals alone, until it takes spans again', async () => {
    await policy('none', { endpoint: collector.http, signals: ['logs'] });
    let last = await newest();
    await until('spans still come', 120_000, async () => {
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      const now = await newest();
      const isStill = now === last;
      last = now;
      return isStill;
    });
    await policy('again', { endpoint: collector.http, signals: ['traces'] });
    await collector.until('spans again', 120_000, marked('again'));
  }, 300_000);
});
