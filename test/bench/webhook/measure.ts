// The part of test/bench/webhook.ts that talks to the API server and to both webhooks: runs where the cluster's addresses can
// be reached, with KUBECONFIG set.
import { readdirSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { load as parse } from 'js-yaml';
import { APPLY, KubeClient } from '../../../operator/kube/client.ts';
import { openCluster } from '../../cluster/cluster.ts';
import { announce, step, until } from '../../cluster/progress.ts';
import { installOperator } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { applyCrds, makeNamespace } from '../../integration/api-server.ts';
import { wholeNumber } from '../options.ts';
import { median, percentile, result, writeResults } from '../results.ts';
import type { Result } from '../results.ts';
import { table } from '../table.ts';
import { Creations } from './creations.ts';
import { load } from './load.ts';
import { INSTRUMENTATION, peerFolder } from './peer.ts';
import { review } from './reviews.ts';
import { Webhook } from './servers.ts';

const SIZES = [4, 16, 200];
const IN_FLIGHT = [1, 8, 32];
/** Where the processor time of a review is taken: busy, and nobody waits for long. */
const BUSY = 8;
/** Reviews by which a webhook has come up to speed, by size. */
const WARM: Record<number, number> = { 4: 4_000, 16: 1_000, 200: 200 };
const PROCESSOR = 1;
const APPLIED = { query: { fieldManager: 'bench', force: true }, contentType: APPLY };

type Side = 'ours' | 'theirs';
interface Samples {
  latencies: number[];
  /** Reviews a second, and seconds of processor time of one, by round. */
  rates: number[];
  cpu: number[];
}

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, seconds: { type: 'string' }, pods: { type: 'string' } },
});
const number = (name: keyof typeof values) => wholeNumber(name, values[name] ?? '');
const rounds = number('rounds');
const milliseconds = number('seconds') * 1000;
const images = JSON.parse(process.env['TRACING_TEST_IMAGES'] ?? 'null') as Pick<Images, 'operator' | 'agent'>;

const client = KubeClient.fromDefault();
const sides: Partial<Record<Side, Webhook>> = {};
const samples = new Map<string, Samples>();
const of = (side: Side, size: number, inFlight: number): Samples => {
  const key = `${side} ${size} ${inFlight}`;
  const known = samples.get(key) ?? { latencies: [], rates: [], cpu: [] };
  samples.set(key, known);
  return known;
};

/** The namespace of the reviews' pods, with what each side needs there to inject, and the pods' owner. */
async function subject(name: string) {
  const policy = `/apis/tracing.acme/v1alpha1/namespaces/${name}/tracingpolicies/default`;
  await client.request('PATCH', policy, {
    ...APPLIED,
    body: {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default' },
      spec: { sampling: { ratio: 0.1 }, exporters: [{ name: 'default', endpoint: 'http://collector.example:4318' }] },
    },
  });
  const instrumentation = `/apis/opentelemetry.io/v1alpha1/namespaces/${name}/instrumentations/default`;
  await client.request('PATCH', instrumentation, {
    ...APPLIED,
    body: {
      apiVersion: 'opentelemetry.io/v1alpha1',
      kind: 'Instrumentation',
      metadata: { name: 'default' },
      spec: INSTRUMENTATION,
    },
  });
  const labels = { app: 'order', 'pod-template-hash': '5d9c7b8f6d' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app:1' }] } };
  const replicaSet = await client.request<{ metadata: { uid: string } }>(
    'PATCH',
    `/apis/apps/v1/namespaces/${name}/replicasets/order-5d9c7b8f6d`,
    {
      ...APPLIED,
      body: {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: { name: 'order-5d9c7b8f6d' },
        spec: { replicas: 0, selector: { matchLabels: labels }, template },
      },
    },
  );
  const owner = { name: 'order-5d9c7b8f6d', uid: replicaSet.metadata.uid, hash: '5d9c7b8f6d' };
  return { namespace: name, owner };
}

/** Both webhooks as they are, one at work while the other rests. */
async function reviews(name: string): Promise<void> {
  const about = await subject(name);
  const webhook = async (side: Side): Promise<Webhook> =>
    (sides[side] ??= side === 'ours' ? await Webhook.ours(name, PROCESSOR) : await Webhook.theirs(PROCESSOR));
  const order: Side[] = ['ours', 'theirs'];
  for (const side of order) {
    const { port, path } = await webhook(side);
    const body = review(SIZES[0]!, { ...about, asks: side });
    // Until it has seen the policy, it does not inject; then until it runs as fast as it does.
    await until(`${side} does not inject`, 60_000, () =>
      load({ port, path, body, inFlight: 1, milliseconds: 1 }).then(
        () => true,
        () => false,
      ),
    );
    for (const size of SIZES) {
      // By number, not by time: on a busy machine a program that is compiled as it runs needs longer to be at its best.
      const warm = {
        body: review(size, { ...about, asks: side }),
        inFlight: BUSY,
        milliseconds: 0,
        atLeast: WARM[size]!,
      };
      await load({ port, path, ...warm });
    }
  }
  for (let round = 0; round < rounds; round++)
    for (const size of SIZES)
      for (const inFlight of IN_FLIGHT)
        for (const side of round % 2 === 0 ? order : order.toReversed()) {
          const server = await webhook(side);
          const before = server.cpu();
          const body = review(size, { ...about, asks: side });
          const { latencies, seconds } = await load({ ...server, path: server.path, body, inFlight, milliseconds });
          const all = of(side, size, inFlight);
          for (const latency of latencies) all.latencies.push(latency);
          all.rates.push(latencies.length / seconds);
          all.cpu.push((server.cpu() - before) / latencies.length);
        }
}

async function peerDefinitions(): Promise<void> {
  const folder = join(await peerFolder(), 'crds');
  for (const file of readdirSync(folder)) {
    const body = parse(readFileSync(join(folder, file), 'utf8')) as { metadata: { name: string } };
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${body.metadata.name}`;
    await client.request('PATCH', path, { ...APPLIED, body });
  }
  await until('the definitions are not established', 30_000, () =>
    client.request('GET', '/apis/opentelemetry.io/v1alpha1/instrumentations').then(
      () => true,
      () => false,
    ),
  );
}

/** Figures are kept as soon as they are there: what comes after them may fail. */
function keep(figures: Result[]): void {
  process.stdout.write(table(figures));
  writeResults(figures);
}

const results: Result[] = [];
const namespace = await makeNamespace(client);
try {
  await step('definitions of both operators', {}, peerDefinitions);
  const removeCrds = await applyCrds(client);
  await step('reviews', { usually: '3 min' }, () => reviews(namespace.name));
  for (const size of SIZES) {
    const [ours, theirs] = [of('ours', size, BUSY), of('theirs', size, BUSY)];
    const tag = `[${size}KB]`;
    const add = (name: string, unit: string, figure: (all: Samples) => number, at = BUSY) =>
      results.push(result(`${name}${tag}`, unit, figure(of('ours', size, at)), figure(of('theirs', size, at)), rounds));
    add('webhook.cpu-per-review', 'ms', ({ cpu }) => median(cpu) * 1000);
    add('webhook.reviews', 'a second on one processor', ({ rates }) => median(rates), 32);
    for (const at of IN_FLIGHT) {
      add(`webhook.p50.${at}`, 'ms', ({ latencies }) => median(latencies), at);
      add(`webhook.p99.${at}`, 'ms', ({ latencies }) => percentile(latencies, 0.99), at);
    }
    announce(`  ${tag}: ${ours.latencies.length} of ours, ${theirs.latencies.length} of theirs at ${BUSY} in flight`);
  }
  results.push(result('webhook.memory', 'MB', sides.ours!.resident(), sides.theirs!.resident(), 1));
  keep(results);
  await sides.ours!.stop();
  await removeCrds();

  // Ours from here on is what the chart installs, called by the API server as theirs is.
  const cluster = await openCluster();
  await step('installing the operator', { usually: '15 s' }, () => installOperator(cluster, images));
  const made = new Creations(client, cluster, sides.theirs!);
  const created = await step('making pods', { usually: '1 min' }, () => made.measure(number('pods')));
  keep([
    result('webhook.create', 'ms, median, and without', created.ours, created.bare, number('pods')),
    result(
      'webhook.create.added',
      'ms added, median',
      created.ours - created.bare,
      created.theirs - created.bare,
      number('pods'),
    ),
    result(
      'webhook.create.called',
      'ms of that for asking',
      created.ours - created.whole,
      created.ours - created.bare,
      number('pods'),
    ),
  ]);
  await step('taking a namespace over, and giving it back', { usually: '1 min' }, () => made.takeOver());
} finally {
  for (const webhook of Object.values(sides)) await webhook.stop();
  await namespace.delete();
  client.close();
}
announce(
  `load average ${loadavg()
    .map((value) => value.toFixed(1))
    .join(', ')}`,
);
