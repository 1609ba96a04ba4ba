import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { run } from '../cluster/command.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import type { Block } from '../docs/pages.ts';
import { elsewhere } from '../docs/elsewhere.ts';
import { blocksOf, CHECKOUT, shellBlocks, textOf } from '../docs/pages.ts';
import { Collector } from './collector.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

/** Asks itself twenty times a second. */
const BUSY = `const http = require('http');
http.createServer((request, response) => response.end('ok')).listen(8080);
setInterval(() => http.get('http://127.0.0.1:8080/', (answer) => answer.resume()), 50);`;

/** As opentelemetry-operator makes it, as far as it takes any Instrumentation. */
const INSTRUMENTATIONS = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'instrumentations.opentelemetry.io' },
  spec: {
    group: 'opentelemetry.io',
    scope: 'Namespaced',
    names: { kind: 'Instrumentation', plural: 'instrumentations', singular: 'instrumentation' },
    versions: [
      {
        ...{ name: 'v1alpha1', served: true, storage: true },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

/** The blocks of a page that a shell runs, under one of its headings, or all of them. */
function scripts(page: string, heading?: string): Block[] {
  if (heading === undefined) return blocksOf(page).filter(({ language }) => language === 'sh');
  const lines = textOf(page).split('\n');
  const first = lines.indexOf(heading);
  if (first < 0) throw new Error(`${page} has no heading "${heading}"`);
  const level = heading.slice(0, heading.indexOf(' ') + 1);
  const end = lines.findIndex((line, at) => at > first && line.startsWith(level));
  const isThere = ({ line }: Block) => line > first && (end < 0 || line < end);
  return scripts(page).filter(isThere);
}

/** What is left of a block without the lines that something else tries. */
const without = (block: Block, part: string): Block => ({
  ...block,
  text: block.text
    .split('\n')
    .filter((line) => !line.includes(part))
    .join('\n'),
});

/** What newcomers are told to type is typed, as it stands, where a stock cluster has an app of theirs and a Collector. */
describe('a newcomer who types what the pages say', () => {
  const namespace = `guides-${randomBytes(3).toString('hex')}`;
  const directory = mkdtempSync(join(tmpdir(), 'tracing-guides-'));
  let cluster: Cluster;
  let images: Images;
  let collector: Collector;

  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const pods = async (app: string) =>
    (await kubectl('get', 'pods', '-l', `app=${app}`, '-o', 'jsonpath={.items[*].metadata.name}')).split(' ');

  /** Blocks that have been typed, by page and line. */
  const typed = new Set<string>();
  const placeOf = ({ page, line }: Block) => `${page}:${line}`;

  /** Types a script, its placeholders filled in. Rejects where one of its commands fails. */
  async function type(script: string | Block, app: string, pod = ''): Promise<string> {
    const text = typeof script === 'string' ? script : script.text;
    if (typeof script !== 'string') typed.add(placeOf(script));
    const filled = text
      .replaceAll(/\bNAMESPACE\b/g, namespace)
      .replaceAll(/\bNAME\b/g, app)
      .replaceAll(/\bPOD\b/g, pod)
      .replaceAll(/\bpolic(y|ies)\.yaml\b/g, join(directory, 'polic$1.yaml'))
      .replaceAll('/etc/nginx/conf.d', directory)
      .replaceAll(/(-n |namespace=)shop\b/g, `$1${namespace}`)
      .replaceAll('otel-collector.observability', `otel-collector.${namespace}`);
    const path = `PATH="${join(CHECKOUT, 'dist')}:$PATH"`;
    return cluster.run('bash', ['-euo', 'pipefail', '-c', `exec 2>&1\n${path}\n${filled}`]);
  }

  /** What a block says when none of its commands finds anything wrong any more: what agents report follows a change by seconds. */
  async function untilWell(block: Block): Promise<string> {
    let said = '';
    await until(`something is wrong by ${placeOf(block)}`, 90_000, () =>
      type(block, 'order').then(
        (text) => (said = text) !== '',
        () => false,
      ),
    );
    return said;
  }

  function deployment(name: string, annotations: Record<string, string> = {}) {
    const { metadata, spec } = nodePod(images.shop.ref, name, { container: { command: ['node', '-e', BUSY] } });
    const template = { metadata: { labels: metadata.labels, annotations }, spec };
    const selector = { matchLabels: { app: name } };
    return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec: { selector, template } };
  }
  async function deploy(name: string): Promise<void> {
    await cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], {
      input: JSON.stringify(deployment(name)),
    });
    await kubectl('rollout', 'status', `deployment/${name}`, '--timeout=120s');
  }
  const spansOf = (service: string) =>
    collector.until(`a span of ${service}`, 60_000, (spans) => spans.some((span) => span.service === service));

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    await run(process.execPath, ['cli/build.ts'], { cwd: CHECKOUT });
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 20_000);
    collector = await Collector.deploy(cluster, images, namespace, { name: 'otel-collector' });
  }, 600_000);

  afterAll(async () => {
    rmSync(directory, { recursive: true, force: true });
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('has traces after three commands of README', async () => {
    await deploy('order');
    const commands = scripts('README.md', '## Use it: three commands');
    // The fourth switches tracing off in every namespace; test/e2e/security.test.ts and others run beside this.
    expect(commands.filter(({ text }) => !text.includes('switch-off'))).toHaveLength(3);
    const [policy, annotate, look] = commands;
    await type(policy!, 'order');
    await type(annotate!, 'order');
    await kubectl('rollout', 'status', 'deployment/order', '--timeout=120s');
    expect(await type(look!, 'order')).toMatch(new RegExp(`^${namespace} +order-[^ ]+ +1/1 +Running`, 'm'));
    await spansOf('order');
  }, 300_000);

  it('sees by each command of README whether it works', async () => {
    const policy = { sampling: { ratio: 0.2 }, exporters: [{ name: 'default', endpoint: collector.http }] };
    writeFileSync(
      join(directory, 'policy.yaml'),
      JSON.stringify({
        ...{ apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy' },
        ...{ metadata: { name: 'default', namespace }, spec: policy },
      }),
    );
    const pod = (await pods('order')).at(-1)!;
    const blocks = scripts('README.md', '## See whether it works');
    for (const block of blocks) typed.add(placeOf(block));
    const commands = blocks
      .flatMap(({ text }) => text.split('\n'))
      .filter((line) => /^kubectl /.test(line))
      // Runs until it is ended: test/integration/coverage-page.test.ts opens the page.
      .filter((line) => !line.startsWith('kubectl tracing ui'));
    const said = new Map<string, string>();
    for (const command of commands) {
      const name = command.includes('describe') || command.includes('get tracingpolicy') ? 'default' : 'order';
      // What others do in this cluster at this time may be in trouble: 1 is said of that.
      const tolerant = command.startsWith('kubectl tracing status -A') ? ' || test $? -eq 1' : '';
      said.set(command, await type(command.replace(/ +#.*$/, '') + tolerant, name, pod));
    }
    const answer = (start: string) => said.get([...said.keys()].find((command) => command.startsWith(start))!);
    expect([...said].filter(([, text]) => text.trim() === '').map(([command]) => command)).toEqual([]);
    expect(answer('kubectl tracing explain')).toContain(`TracingPolicy ${namespace}/default: in force`);
    expect(answer('kubectl tracing status -A')).toContain(namespace);
    expect(answer('kubectl tracing plan')).toMatch(/0\.1.*0\.2/s);
    expect(answer('kubectl -n NAMESPACE get pod POD')).toContain('"injected"');
    expect(answer('kubectl get --raw')).toContain('# TYPE');
    expect(answer('kubectl tracing off')).toContain(namespace);

    await type('kubectl tracing on -n NAMESPACE', 'order');
    const seen = (await spansOf('order')).length;
    await collector.until('spans after tracing was on again', 60_000, (spans) => spans.length > seen);
  }, 300_000);

  it('has the first trace by the guide, once more with nothing left of before', async () => {
    await kubectl('delete', 'tracingpolicy', '--all');
    await deploy('web');
    for (const script of scripts('docs/guides/first-trace.md', '## In a cluster').slice(0, -1))
      await type(script, 'web');
    await spansOf('web');
    const [explain] = scripts('docs/guides/first-trace.md', '## In a cluster').slice(-1);
    // The reports that it shows come a little later than the first span.
    await until('explain finds nothing wrong', 60_000, () =>
      type(explain!, 'web').then(
        () => true,
        () => false,
      ),
    );
  }, 300_000);

  it('changes what is recorded without a restart, for good and for a while', async () => {
    const identity =
      'jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount}{"\\n"}{end}';
    const before = await kubectl('get', 'pods', '-o', identity);
    const [change, override] = scripts('docs/guides/sampling.md');
    expect(await type(change!, 'order')).toMatch(/patched[^]*^default +0\.5 /m);
    expect(await type(override!, 'order')).toMatch(
      /ratio 0\.5 for deployment\/order until [^]*overridden for deployment\/order: ratio 0\.5 until [^]*is 0\.5 again, before /,
    );
    expect(await kubectl('get', 'pods', '-o', identity)).toBe(before);
  }, 120_000);

  it('asks where its traces are, how restarts go, and what the policy says', async () => {
    const [where] = scripts('docs/guides/troubleshooting.md');
    expect(await untilWell(where!)).toMatch(/No problem found[^]*deployment\/order [^]*Found: its spans arrive/);

    await kubectl(
      'patch',
      'tracingpolicy',
      'default',
      '--type=merge',
      '-p',
      '{"spec":{"rollout":{"strategy":"Restart"}}}',
    );
    const [progress] = scripts('docs/guides/restarts.md', '## How far it is');
    const ofPolicy = { ...progress!, text: progress!.text.replace('tracingpolicy NAME', 'tracingpolicy default') };
    await until('status does not count restarts', 90_000, async () => /"rolledBack":0/.test(await untilWell(ofPolicy)));
    for (const page of ['istio', 'linkerd', 'kong', 'ingress-nginx'])
      for (const block of scripts(`docs/guides/${page}.md`).filter(({ text }) => text.includes(' describe ')))
        expect(await type(block, 'order')).toContain('Kind:         TracingPolicy');
    const annotations = { 'tracing.acme/added-by': '[]' };
    await cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], {
      input: JSON.stringify({
        ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'public', annotations } },
        spec: { defaultBackend: { service: { name: 'order', port: { number: 80 } } } },
      }),
    });
    const [ingresses] = scripts('docs/guides/ingress-nginx.md').filter(({ text }) => text.includes(' get ingress '));
    expect(await type(ingresses!, 'order')).toContain('public: []');
    const [describe] = scripts('docs/reference/status.md');
    expect(await type(describe!, 'default')).toContain('AsExpected');
    const [metrics] = scripts('docs/reference/metrics.md');
    expect(await type(metrics!, 'order')).toContain('# TYPE tracing_');
    const [left] = scripts('docs/guides/upgrade.md').filter(({ text }) => text.includes(' explain '));
    expect(await untilWell(left!)).toContain('No problem found');
    const [off] = scripts('docs/guides/linkerd.md').filter(({ text }) => text.includes(' rollout restart '));
    expect(await type(off!, 'order')).toMatch(/patched[^]*deployment\.apps\/order restarted/);
    for (const app of ['order', 'web']) await kubectl('rollout', 'status', `deployment/${app}`, '--timeout=120s');
  }, 180_000);

  it('writes policies into files: looks at them before, has proxies follow them, and comes from another operator', async () => {
    const [before] = scripts('docs/guides/gitops.md');
    expect(await type(before!, 'order')).toMatch(/1 policy: 0 refused[^]*told nothing new|live, within seconds/);
    for (const proxy of ['envoy', 'nginx']) {
      const [gateway] = scripts(`docs/guides/${proxy}.md`);
      // test/edge has a real NGINX and a real Envoy read what comes out.
      const said = await type(without(gateway!, 'nginx -t'), 'order');
      const made = proxy === 'nginx' ? readFileSync(join(directory, 'tracing.conf'), 'utf8') : said;
      expect(made).toContain(`by TracingPolicy ${namespace}/default`);
    }

    await cluster.run('kubectl', ['apply', '-f', '-'], { input: JSON.stringify(INSTRUMENTATIONS) });
    try {
      await cluster.run('kubectl', ['wait', '--for=condition=Established', `crd/${INSTRUMENTATIONS.metadata.name}`]);
      const instrumentation = {
        ...{ apiVersion: 'opentelemetry.io/v1alpha1', kind: 'Instrumentation', metadata: { name: 'moved' } },
        spec: {
          exporter: { endpoint: collector.http },
          sampler: { type: 'parentbased_traceidratio', argument: '0.25' },
        },
      };
      await cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], {
        input: JSON.stringify(instrumentation),
      });
      const [migrate] = scripts('docs/guides/from-opentelemetry-operator.md').slice(1);
      await type(migrate!, 'order');
      expect(await kubectl('get', 'tracingpolicy', 'moved', '-o', 'jsonpath={.spec.sampling.ratio}')).toBe('0.25');
    } finally {
      await cluster.run('kubectl', ['delete', 'crd', INSTRUMENTATIONS.metadata.name], { tolerant: true });
      await kubectl('delete', 'tracingpolicy', 'moved', '--ignore-not-found');
    }
  }, 180_000);

  it('keeps everything in Git, whose tool finds nothing to do again and again', async () => {
    await kubectl('delete', 'tracingpolicy,deployment', 'default', 'order', 'web', '--ignore-not-found');
    const page = 'docs/guides/gitops.md';
    const shown = blocksOf(page).find(
      ({ language, text }) => language === 'yaml' && text.includes('kind: Deployment'),
    )!;
    expect(shown.text).toContain('tracing.acme/inject: "true"');
    const policy = (ratio: number) => ({
      ...{ apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy', metadata: { name: 'default', namespace } },
      spec: { sampling: { ratio }, exporters: [{ name: 'default', endpoint: collector.http }] },
    });
    const git = (ratio: number) => ({
      apiVersion: 'v1',
      kind: 'List',
      items: [policy(ratio), deployment('web', { 'tracing.acme/inject': 'true' })],
    });
    const ofGit = (args: string[], ratio: number) =>
      cluster.run('kubectl', ['--namespace', namespace, ...args, '-f', '-'], { input: JSON.stringify(git(ratio)) });
    const seen = (await collector.spans()).length;
    await ofGit(['apply'], 1);
    const [waiting] = scripts(page, '## Waiting for a policy');
    typed.add(placeOf(waiting!));
    const [ready, degraded] = waiting!.text.split('\n');
    await type(ready!, 'web');
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
    await collector.until('spans of web', 60_000, (spans) =>
      spans.slice(seen).some(({ service }) => service === 'web'),
    );

    for (let turn = 0; turn < 6; turn++) {
      // `kubectl diff` ends with 1 where there is a difference.
      expect(await ofGit(['diff'], turn < 3 ? 1 : 0.5).catch((error: Error) => error.message)).toBe('');
      await ofGit(['apply'], turn < 2 ? 1 : 0.5);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    const revision = 'jsonpath={.metadata.generation} {.metadata.annotations.deployment\\.kubernetes\\.io/revision}';
    expect(await kubectl('get', 'deployment', 'web', '-o', revision)).toBe('1 1');
    expect(await type(degraded!, 'web')).not.toMatch(/Invalid|Conflict/);
  }, 300_000);

  it('finds no other commands on any page but those of which it is written down who tries them', () => {
    const untyped = shellBlocks().filter((block) => !typed.has(placeOf(block)) && elsewhere(block) === undefined);
    expect(untyped.map((block) => `${placeOf(block)}: ${block.text}`)).toEqual([]);
    expect(typed.size).toBeGreaterThan(20);
  });
});
