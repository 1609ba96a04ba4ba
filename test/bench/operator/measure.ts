// The part of test/bench/operator.ts that talks to the API server: runs where the cluster's addresses can be reached, with
// KUBECONFIG set and the chart installed.
import { parseArgs } from 'node:util';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { announce, formatDuration, step } from '../../cluster/progress.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import { wholeNumber } from '../options.ts';
import { median, result, writeResults } from '../results.ts';
import { table } from '../table.ts';
import { bareWrites } from './floor.ts';
import { fill } from './load.ts';
import { Replica } from './replica.ts';
import type { Memory } from './replica.ts';
import { Switch } from './switch.ts';
import type { Change } from './switch.ts';

interface Start extends Memory {
  /** Seconds until it was ready, and until there was nothing left to do. */
  ready: number;
  quiet: number;
}

/** At rest, per minute where it is not memory. */
interface Rest {
  /** Megabytes. */
  resident: number;
  /** Thousandths of one processor. */
  millicores: number;
  requests: number;
  kilobytes: number;
}

async function start(replica: Replica): Promise<Start> {
  const ready = await replica.start();
  const began = performance.now();
  await replica.quiet();
  const memory = await replica.memory();
  const quiet = ready + (performance.now() - began) / 1000;
  announce(`  ready after ${ready.toFixed(1)} s, ${describe(memory)}`);
  return { ready, quiet, ...memory };
}

async function rest(replica: Replica, seconds: number): Promise<Rest> {
  const before = await replica.counters();
  await sleep(seconds * 1000);
  const after = await replica.counters();
  const { resident } = await replica.memory();
  const minutes = (after.at - before.at) / 60_000;
  const measured = {
    resident,
    millicores: ((after.cpu - before.cpu) / (minutes * 60)) * 1000,
    requests: (after.requests - before.requests) / minutes,
    kilobytes: (after.traffic - before.traffic) / 1000 / minutes,
  };
  announce(
    `  ${resident.toFixed(0)} MB, ${measured.millicores.toFixed(1)} thousandths of a processor, ${measured.requests.toFixed(0)} requests and ${measured.kilobytes.toFixed(0)} kB a minute`,
  );
  return measured;
}

interface Changed extends Change {
  requests: number;
  reconciles: number;
}

async function change(replica: Replica, act: () => Promise<Change>): Promise<Changed> {
  const before = await replica.counters();
  const took = await act();
  await replica.quiet();
  const after = await replica.counters();
  announce(
    `  all ConfigMaps after ${took.configMaps.toFixed(1)} s, all pods after ${took.pods.toFixed(1)} s; ${after.requests - before.requests} requests, ${describe(await replica.memory())}`,
  );
  return { ...took, requests: after.requests - before.requests, reconciles: after.reconciles - before.reconciles };
}

function describe({ resident, peak }: Memory): string {
  return `${resident.toFixed(0)} MB, at most ${peak.toFixed(0)} MB`;
}

const { values } = parseArgs({
  options: {
    namespaces: { type: 'string' },
    pods: { type: 'string' },
    policies: { type: 'string' },
    starts: { type: 'string' },
    rest: { type: 'string' },
  },
});
const number = (name: keyof typeof values) => wholeNumber(name, values[name] ?? '');
const size = { namespaces: number('namespaces'), pods: number('pods'), policies: number('policies') };
const restSeconds = number('rest');

const client = KubeClient.fromDefault();
const replica = new Replica(client);
const load = `${size.namespaces} namespaces, ${size.pods} pods and ${size.policies} policies`;

const empty = await step('the operator in an empty cluster', { usually: '50 s' }, async () => {
  const started = await start(replica);
  return { ...started, ...(await rest(replica, restSeconds / 2)) };
});
await replica.stop();
const began = performance.now();
await step(`making ${load}`, { usually: '1 min' }, () => fill(client, size));
announce(
  `  ${(((size.namespaces * 2 + size.policies + size.pods * 2) / (performance.now() - began)) * 1000).toFixed(0)} writes a second`,
);

const starts: Start[] = [];
for (let run = 0; run < number('starts'); run++)
  starts.push(await step(run === 0 ? 'the first start' : 'another start', { usually: '20 s' }, () => start(replica)));

const everywhere = new Switch(client);
await everywhere.start();
const off = await step('switching tracing off everywhere', {}, () => change(replica, () => everywhere.off()));
const on = await step('switching it on again', {}, () => change(replica, () => everywhere.on()));
const objects = everywhere.objects;
await everywhere.stop();
await step('coming to rest', { usually: '6 min' }, () => replica.settled());
const atRest = await step('at rest', { usually: formatDuration(restSeconds * 1000) }, () => rest(replica, restSeconds));

await replica.stop();
const floor = await step('the same writes, bare', {}, () => bareWrites(client, size));
announce(`  ConfigMaps in ${floor.configMaps.toFixed(1)} s, pods in ${floor.pods.toFixed(1)} s`);
client.close();

const of = (key: keyof Change) => median([off[key], on[key]]);
const results = [
  result('operator.startup', 's', median(starts.map(({ ready }) => ready)), empty.ready, starts.length),
  result('operator.memory', 'MB', atRest.resident, empty.resident, 1),
  result('operator.memory.start', 'MB', Math.max(...starts.map(({ peak }) => peak)), empty.peak, starts.length),
  result('operator.change', 's', of('configMaps'), floor.configMaps, 2),
  result('operator.change.pods', 's', of('pods'), floor.pods, 2),
  result('operator.requests', 'per change', median([off.requests, on.requests]), objects, 2),
  result('operator.cpu.idle', 'millicores', atRest.millicores, empty.millicores, 1),
  result('operator.requests.idle', 'per minute', atRest.requests, empty.requests, 1),
  result('operator.traffic.idle', 'kB per minute', atRest.kilobytes, empty.kilobytes, 1),
];
announce(
  `load average ${loadavg()
    .map((value) => value.toFixed(1))
    .join(', ')}`,
);
process.stdout.write(table(results));
writeResults(results);
