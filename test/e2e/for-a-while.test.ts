import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { run } from '../cluster/command.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import { Collector } from './collector.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const SCRIPT = 'PATH="$0:$PATH"; kubectl tracing "$@" 2>&1; echo "exit code $?"';
/** Answers, and asks itself five times a second where it is told to: its traces begin here. */
const SERVICE = `const http = require('http');
http.createServer((request, response) => response.end('ok')).listen(8080);
if (process.env.BUSY) setInterval(() => http.get('http://127.0.0.1:8080/own', (answer) => answer.resume()), 200);`;

/** What changes for one workload for a while, in pods that run: other sampling, and a closer look. */
describe('for a while', () => {
  const namespace = `while-${randomBytes(3).toString('hex')}`;
  const directory = mkdtempSync(join(tmpdir(), 'for-a-while-'));
  let cluster: Cluster;
  let images: Images;
  let collector: Collector;

  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  /** What it prints, on either output, and its exit code as the last line. */
  const tracing = (...args: string[]) =>
    cluster.run('sh', ['-c', SCRIPT, join(CHECKOUT, 'dist'), ...args, '-n', namespace]);
  const deployment = (name: string, busy: boolean) => {
    const container = { command: ['node', '-e', SERVICE], env: busy ? [{ name: 'BUSY', value: '1' }] : [] };
    const { metadata, spec } = nodePod(images.shop.ref, name, { container });
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, annotations: { 'tracing.acme/inject': 'true' } },
      spec: {
        selector: { matchLabels: { app: name } },
        template: { metadata: { labels: metadata.labels }, spec },
      },
    };
  };
  const policy = () => ({
    apiVersion: 'tracing.acme/v1alpha1',
    kind: 'TracingPolicy',
    metadata: { name: 'default' },
    spec: { sampling: { ratio: 0 }, exporters: [{ name: 'default', endpoint: collector.http }] },
  });
  const annotation = () =>
    kubectl(
      'get',
      'tracingpolicy',
      'default',
      '-o',
      String.raw`jsonpath={.metadata.annotations.tracing\.acme/override}`,
    );
  /** Which pods there are, and how often they have been restarted. */
  const pods = () =>
    kubectl(
      'get',
      'pods',
      '-l',
      'app in (order, payment)',
      '-o',
      'jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{"\\n"}{end}',
    );
  const count = async (service: string) => (await collector.spans()).filter((span) => span.service === service).length;
  /** Resolves when a service has sent nothing for a while. */
  const silent = (service: string) =>
    until(`${service} still sends spans`, 40_000, async () => {
      const before = await count(service);
      await sleep(7_000);
      return (await count(service)) === before;
    });

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    await run(process.execPath, ['cli/build.ts'], { cwd: CHECKOUT });
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    collector = await Collector.deploy(cluster, images, namespace);
    await apply(policy());
    for (const name of ['order', 'payment']) await apply(deployment(name, true));
    await apply(deployment('quiet', false));
    for (const name of ['order', 'payment', 'quiet'])
      await kubectl('rollout', 'status', `deployment/${name}`, '--timeout=120s');
  }, 600_000);

  afterAll(async () => {
    rmSync(directory, { recursive: true, force: true });
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('somebody watches a workload, and is told that its sampling leaves all out', async () => {
    const said = await tracing('verify', 'deployment/order', '--for', '25s');
    expect(said).toMatch(
      /\n {2}asked +ok +\d+ spans began while it was watched\n {2}sampled +BROKEN +none of them is recorded \(ratio 0, and rules\)/,
    );
    expect(said).toMatch(
      /Broken at: sampled\n {2}→ kubectl tracing sampling deployment\/order -n \S+ --ratio 1 --for 5m\nexit code 1\n$/,
    );
    // What told the agents to report more often is gone, and has restarted nobody.
    expect(await annotation()).toBe('');
  }, 90_000);

  it('one workload samples otherwise, its running pods follow, and others are told nothing', async () => {
    const before = await pods();
    expect(await count('order')).toBe(0);
    const said = await tracing('sampling', 'order', '--ratio', '1', '--for', '10m');
    expect(said).toMatch(
      /TracingPolicy \S+\/default: ratio 1 for deployment\/order until \S+Z \(in 10m\), then 0 again\n1 of 1 pod has been told; .*\nexit code 0\n$/,
    );
    await collector.until('spans of order', 30_000, (spans) => spans.some(({ service }) => service === 'order'));
    expect(await count('payment')).toBe(0);
    expect(await pods()).toBe(before);
    const [entry] = JSON.parse(await annotation()) as { until: string }[];
    // By the clock of the API server, which is this machine's.
    expect(Math.abs(Date.parse(entry!.until) - Date.now() - 600_000)).toBeLessThan(60_000);
  }, 120_000);

  it('and its spans are found, by a trace that is there', async () => {
    const said = await tracing('verify', 'deployment/order', '--for', '90s', '-o', 'json');
    const { found, steps, watchedSeconds } = JSON.parse(said.replace(/exit code 0\n$/, '')) as {
      found: boolean;
      steps: { link: string; text: string }[];
      watchedSeconds: number;
    };
    expect(found).toBe(true);
    expect(watchedSeconds).toBeLessThan(90);
    const [, trace] = /took \d+, of trace ([0-9a-f]{32})$/.exec(steps.at(-1)!.text)!;
    await collector.until('that trace', 10_000, (spans) => spans.some(({ traceId }) => traceId === trace));
    // The other override stands.
    expect(JSON.parse(await annotation())).toEqual([expect.objectContaining({ ratio: 1 })]);
  }, 150_000);

  it('one to which nothing comes is told so, and sent a request only when somebody says so', async () => {
    expect(await tracing('verify', 'deployment/quiet', '--for', '12s')).toMatch(
      /Broken at: asked\n {2}→ kubectl tracing verify deployment\/quiet -n \S+ --request PORT\/PATH\nexit code 1\n$/,
    );
    expect(await count('quiet')).toBe(0);
    const said = await tracing('verify', 'deployment/quiet', '--request', '8080/hello');
    expect(said).toMatch(/^sent GET \/hello to pod quiet-\S+: it answered 200\n/m);
    expect(said).toMatch(
      /accepted +ok +default \(http:\S+\) took 1, of\s+trace [0-9a-f]{32}\n\nFound: its spans arrive\.\nBut:\n/,
    );
    // The policy's ratio is 0: nobody is to take this for what other requests get.
    expect(said.replace(/\s+/g, ' ')).toContain(
      'was recorded because it said so itself: by the policy, whose ratio is 0, no request that begins here is recorded → kubectl tracing sampling deployment/quiet -n',
    );
    expect(said).toMatch(/--ratio 1 --for 5m\nexit code 0\n$/);
    // What told its agents to report more often is gone again, which they hear of within seconds: that is no trouble.
    expect(await tracing('explain', 'deployment/quiet')).toMatch(/No problem found\.\nexit code 0\n$/);
    const spans = (await collector.spans()).filter(({ service }) => service === 'quiet');
    expect(spans.map(({ attributes }) => attributes['url.path'])).toEqual(['/hello']);
    expect(await tracing('verify', 'deployment/quiet', '--request', '9/x', '--for', '20s')).toMatch(
      /does not answer at port 9[^]*exit code 2\n$/,
    );
    expect(await annotation()).not.toContain('reportSeconds');
  }, 240_000);

  it('shows wherever somebody looks', async () => {
    const condition = `ratio 1 until`;
    await until('the status does not say so', 20_000, async () =>
      (await kubectl('describe', 'tracingpolicy', 'default')).includes(`deployment/order: ${condition}`),
    );
    expect(await tracing('explain', 'deployment/order')).toMatch(
      /Policy: +TracingPolicy \S+\/default, overridden for deployment\/order until \S+: ratio 1,.* to default[^]*told override\.deployment\.order\.\w+\.json \w+, the newest/,
    );
    expect(await tracing('explain', 'deployment/payment')).toMatch(/Policy: +TracingPolicy \S+\/default: ratio 0,/);
    expect(await tracing('status')).toMatch(
      /FOR A WHILE\nTracingPolicy \S+\/default: Overridden\n +deployment\/order: ratio 1/,
    );
    expect(await tracing('sampling', 'deployment/order')).toMatch(
      /default: ratio 0\noverridden for deployment\/order: ratio 1 until \S+\nexit code 0\n$/,
    );
    expect(await tracing('sampling', 'deployment/payment')).toMatch(/nothing is overridden for deployment\/payment/);
  }, 60_000);

  it('a plan says what exporters get, by what the agents count', async () => {
    const file = join(directory, 'planned.yaml');
    writeFileSync(file, JSON.stringify({ ...policy(), spec: { ...policy().spec, enabled: false } }));
    const load = async () => {
      const said = await tracing('plan', '-f', file, '-o', 'json');
      type Flow = { spansPerSecond: number; bytesPerSecond: number };
      return (JSON.parse(said.replace(/exit code 0\n$/, '')) as { load: { exporters: { now: Flow; then: Flow }[] } })
        .load;
    };
    // By hand, as anybody may write it: the same sampling, and reports that do not let us wait.
    const end = new Date(Date.now() + 300_000).toISOString();
    const entry = { workload: 'deployment/order', ratio: 1, reportSeconds: 5, until: end };
    await kubectl(
      'annotate',
      '--overwrite',
      'tracingpolicy',
      'default',
      `tracing.acme/override=${JSON.stringify([entry])}`,
    );
    // Of order alone, whose requests are two spans each, five times a second. It is an average that begins with the seconds in which
    // nothing was sent yet.
    let now = { spansPerSecond: 0, bytesPerSecond: 0 };
    await until('its agents have not counted what is sent', 90_000, async () => {
      const { exporters } = await load();
      const sum = (field: keyof typeof now) => exporters.reduce((total, each) => total + each.now[field], 0);
      now = { spansPerSecond: sum('spansPerSecond'), bytesPerSecond: sum('bytesPerSecond') };
      return now.spansPerSecond > 2;
    });
    expect(now.spansPerSecond).toBeLessThan(20);
    expect(now.bytesPerSecond / now.spansPerSecond).toBeGreaterThan(100);
    expect(now.bytesPerSecond / now.spansPerSecond).toBeLessThan(3_000);
  }, 150_000);

  it('is left alone by what applies a policy from Git, by kubectl and by server-side apply', async () => {
    const before = await annotation();
    const file = join(directory, 'policy.yaml');
    writeFileSync(file, JSON.stringify({ ...policy(), spec: { ...policy().spec, propagators: ['tracecontext'] } }));
    await kubectl('apply', '-f', file);
    expect(await annotation()).toBe(before);
    await kubectl('apply', '--server-side', '--force-conflicts', '--field-manager=gitops', '-f', file);
    expect(await annotation()).toBe(before);
    // What such a tool compares: there is nothing to be changed.
    await kubectl('diff', '--server-side', '--field-manager=gitops', '-f', file);
  }, 60_000);

  it('is taken back before its time, or ends by itself', async () => {
    expect(await tracing('sampling', 'order', '--cancel')).toMatch(
      /the ratio of deployment\/order is 0 again, before \S+\n1 of 1 pod has been told; .*\nexit code 0\n$/,
    );
    expect(await annotation()).toBe('');
    expect(await tracing('sampling', 'order', '--cancel')).toMatch(/nothing to do\nexit code 0\n$/);
    await silent('order');

    const from = await count('order');
    await tracing('sampling', 'deployment', 'order', '--ratio', '1', '--for', '12s');
    await collector.until(
      'spans of order again',
      30_000,
      (spans) => spans.filter(({ service }) => service === 'order').length > from,
    );
    await until('it does not end', 30_000, async () => (await annotation()) === '');
    await silent('order');
    expect(await count('payment')).toBe(0);
  }, 180_000);

  it('is refused with what is allowed', async () => {
    expect(await tracing('sampling', 'order', '--ratio', '2', '--for', '10m')).toMatch(
      /--ratio "2": a number from 0 \(none\) to 1 \(all\) is expected, e\.g\. --ratio 0\.5\nexit code 2\n$/,
    );
    expect(await tracing('sampling', 'order', '--ratio', '0.5', '--for', '3d')).toMatch(
      /e\.g\. --for 10m\nexit code 2\n$/,
    );
    expect(await tracing('sampling', 'order', '--ratio', '0.5')).toMatch(/go together.*\nexit code 2\n$/);
  }, 60_000);
});
