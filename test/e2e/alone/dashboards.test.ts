import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { CHART } from '../../chart/helm.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { operatorMetric, untilUsable, withFreshOperator, withoutOperator } from '../installation.ts';
import { nodePod } from '../node-pod.ts';
import { Prometheus } from '../prometheus.ts';
import type { RuleGroup } from '../prometheus.ts';

const { groups } = load(readFileSync(join(CHART, 'alerts.yaml'), 'utf8')) as { groups: RuleGroup[] };

/** What would take too long, or too much of the cluster, to come about; promtool tries these with made-up series. */
const NOT_HERE = {
  TracingOperatorNoLeader: 'the next leader takes over within seconds',
  TracingWebhookSlow: 'nothing makes it slow on purpose',
  TracingCertificateEnding: 'it is renewed long before',
  TracingReconcileFailing: 'tries that fail wait longer each time',
  TracingAgentCanaryHalted: 'test/e2e/canary.test.ts has a canary halted, which takes minutes',
};
/** As the namespaces below bring them about. */
const HERE = [
  ...['TracingInjectionFailing', 'TracingCoverageDrop', 'TracingAgentsFailing', 'TracingAgentUnavailable'],
  ...['TracingExportFailing', 'TracingSpansLost', 'TracingQueueFilling'],
];

interface Panel {
  title: string;
  targets?: { expr: string }[];
}
const panelsOf = (name: string): Panel[] =>
  (JSON.parse(readFileSync(join(CHART, `dashboards/${name}.json`), 'utf8')) as { panels: Panel[] }).panels;
const queries = ['operator', 'coverage'].flatMap((dashboard) =>
  panelsOf(dashboard).flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ dashboard, title, expr }))),
);
/** As Grafana does it for all namespaces and the last minutes. */
const filledIn = (expr: string) => expr.replaceAll('$__rate_interval', '2m').replaceAll('$namespace', '.*');

/** Takes spans and says nothing of them. */
const RECEIVER = `require('http').createServer((q, s) => { q.resume(); s.end(); }).listen(4318)`;
/** Traces something all the time. */
const BUSY = `const h = require('http'); h.createServer((q, s) => s.end()).listen(8080);
  setInterval(() => h.get('http://127.0.0.1:8080', (r) => r.resume()), 100)`;
/** Has a tracer of its own, which the agent keeps away from. */
const TRACED = `mkdir -p /tmp/node_modules/dd-trace && echo "module.exports = {}" > /tmp/node_modules/dd-trace/index.js &&
  cd /tmp && exec node -e "require('dd-trace'); setInterval(() => {}, 1000)"`;

/** A real Prometheus on the metrics of an operator in whose cluster some things go well and some wrong. */
describe('dashboards and alerts', () => {
  const suffix = randomBytes(3).toString('hex');
  const watched = `watched-${suffix}`;
  const bare = `bare-${suffix}`;
  let cluster: Cluster;
  let images: Images;
  let prometheus: Prometheus;
  const kubectl = (namespace: string, ...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (namespace: string, ...items: unknown[]) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
  const app = (name: string, command: string[], inject?: string) => {
    const annotations = inject === undefined ? {} : { 'tracing.acme/inject': inject };
    return nodePod(images.shop.ref, name, { annotations, container: { command } });
  };
  const service = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ port: 4318 }] },
  });
  const policy = (kind: string, name: string, spec: object, annotations = {}) => ({
    apiVersion: 'tracing.acme/v1alpha1',
    kind,
    metadata: { name, annotations },
    spec,
  });

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    for (const namespace of [watched, bare]) {
      await cluster.run('kubectl', ['create', 'namespace', namespace]);
      await untilUsable(cluster, namespace, 60_000);
    }
    // There before its policy, so that it lacks the agent.
    await apply(watched, app('early', ['node', '-e', BUSY]), app('receiver', ['node', '-e', RECEIVER], 'false'));
    const shortened = groups.map(({ name, rules }) => ({ name, rules: rules.map(({ for: _for, ...rule }) => rule) }));
    const pods = [...(await operatorMetric(cluster, 'leader_election_master_status')).keys()];
    const target = { namespace: OPERATOR.namespace, service: OPERATOR.release, pods, container: 8080 };
    prometheus = await Prometheus.start(target, shortened);

    const end = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z');
    const often = ['busy', 'well'].map((name) => ({ workload: `pod/${name}`, reportSeconds: 5, until: end }));
    const to = (name: string) => ({ exporters: [{ name: 'main', endpoint: `http://${name}.${watched}:4318` }] });
    await apply(
      watched,
      ...[service('receiver'), service('nobody')],
      policy(
        'TracingPolicy',
        'default',
        { injection: 'All', ...to('receiver') },
        { 'tracing.acme/override': JSON.stringify(often.slice(1)) },
      ),
      policy(
        'TracingPolicy',
        'busy',
        {
          ...{ injection: 'All', priority: 5, selector: { matchLabels: { app: 'busy' } }, ...to('nobody') },
          batch: { maxQueueSize: 64, maxExportBatchSize: 16, exportTimeout: '5s' },
        },
        { 'tracing.acme/override': JSON.stringify(often.slice(0, 1)) },
      ),
      policy('ClusterTracingPolicy', bare, {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': bare } },
        agent: { image: 'localhost:1/no-such-agent:1' },
        ...to('receiver'),
      }),
    );
    await until('the API server does not know of the policy', 60_000, async () => {
      await kubectl(watched, 'delete', 'pod', 'well', '--ignore-not-found', '--force', '--grace-period=0');
      await apply(watched, app('well', ['node', '-e', BUSY]));
      return (await kubectl(watched, 'get', 'pod', 'well', '-o', 'yaml')).includes('tracing-acme-agent');
    });
    await apply(watched, app('busy', ['node', '-e', BUSY], 'true'), app('other', ['sh', '-c', TRACED], 'true'));
    const { metadata, spec } = app('web', ['node', '-e', BUSY]);
    const template = { metadata: { ...metadata, annotations: { 'tracing.acme/inject': 'true' } }, spec };
    await apply(bare, {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } },
      spec: { selector: { matchLabels: metadata.labels }, template },
    });
    await kubectl(watched, 'wait', 'pod/well', 'pod/busy', 'pod/receiver', '--for=condition=Ready', '--timeout=120s');
  }, 480_000);

  afterAll(async () => {
    await prometheus?.stop();
    await cluster.run('kubectl', ['delete', 'clustertracingpolicy', bare, '--ignore-not-found'], { tolerant: true });
    for (const namespace of [watched, bare])
      await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 60_000);

  it('have a value for every query of every panel, and namespaces to choose from', async () => {
    const empty = async () => {
      const found: string[] = [];
      for (const { dashboard, title, expr } of queries) {
        const series = await prometheus.query(filledIn(expr));
        // Nothing to divide by gives no number, and a panel draws nothing.
        if (!series.some(({ value }) => Number.isFinite(Number(value[1]))))
          found.push(`${dashboard}: ${title}: ${expr}`);
      }
      return found;
    };
    expect(queries.length).toBeGreaterThan(25);
    await until('panels are empty', 240_000, async () => (await empty()).length === 0).catch(() => undefined);
    expect(await empty()).toEqual([]);
    expect(await prometheus.labelValues('namespace', 'tracing_operator_pods')).toEqual(
      expect.arrayContaining([watched, bare]),
    );
  }, 300_000);

  it('show what is there: replicas, who leads, what is traced, what is lost', async () => {
    const value = async (title: string, where: (metric: Record<string, string>) => boolean = () => true) => {
      const { expr } = queries.find((each) => each.title === title)!;
      const series = (await prometheus.query(filledIn(expr))).filter(({ metric }) => where(metric));
      return series.reduce((sum, each) => sum + Number(each.value[1]), 0);
    };
    const here = ({ namespace }: Record<string, string>) => namespace === watched;
    expect([await value('Replicas'), await value('Leaders')]).toEqual([2, 1]);
    await until('spans are not counted', 120_000, async () => (await value('Spans exported', here)) > 0);
    await until('losses are not counted', 120_000, async () => (await value('Spans lost', here)) > 0);
    const failed = 'Batches that could not be delivered';
    await until('failures are not counted', 120_000, async () => (await value(failed, here)) > 0);
    expect(await value('Admission requests')).toBeGreaterThan(0);
    const rows = await prometheus.query(`max by (state) (tracing_operator_pods{namespace="${watched}"})`);
    const states = Object.fromEntries(rows.map(({ metric, value }) => [metric['state']!, Number(value[1])]));
    expect(states).toMatchObject({ matched: 4, missing: 1, failed: 1 });
  }, 300_000);

  it('fire where there is trouble of their kind', async () => {
    expect([...HERE, ...Object.keys(NOT_HERE), 'TracingOperatorDown'].sort()).toEqual(
      groups.flatMap(({ rules }) => rules.map(({ alert }) => alert)).sort(),
    );
    // As somebody does it who takes the webhook for something else.
    const nonsense = `process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
      fetch('https://${OPERATOR.release}.${OPERATOR.namespace}:443/mutate', { method: 'POST', body: '{}' }).then((r) => r.text());`;
    let firing = new Map<string, Record<string, string>[]>();
    const fires = async () => {
      await kubectl(watched, 'exec', 'receiver', '--', 'node', '--no-warnings', '-e', nonsense);
      firing = await prometheus.firing();
      return HERE.every((alert) => firing.has(alert));
    };
    await until('they do not fire', 240_000, fires).catch(() => undefined);
    expect(HERE.filter((alert) => !firing.has(alert))).toEqual([]);
    for (const alert of ['TracingCoverageDrop', 'TracingAgentsFailing', 'TracingSpansLost'])
      expect(firing.get(alert)!.map(({ namespace }) => namespace)).toContain(watched);
    const failing = firing.get('TracingExportFailing')!.map(({ namespace, exporter }) => `${namespace} ${exporter}`);
    expect(failing).toContain(`${watched} main`);
    expect(firing.get('TracingAgentUnavailable')!.map(({ namespace }) => namespace)).toEqual([bare]);
    expect(firing.has('TracingOperatorDown')).toBe(false);
  }, 300_000);

  it('fire when no operator is left', async () => {
    await withoutOperator(cluster, () =>
      until('nobody notices', 120_000, async () => (await prometheus.firing()).has('TracingOperatorDown')),
    );
  }, 300_000);
});
