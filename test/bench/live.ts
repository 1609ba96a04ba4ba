// How long a changed sampling ratio takes to reach running pods, on a real cluster. `--help` says more.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openCluster, type Cluster } from '../cluster/cluster.ts';
import { announce, step } from '../cluster/progress.ts';
import { installOperator } from '../demo/deploy.ts';
import { podChanges } from '../demo/pods.ts';
import { prepareImages } from '../demo/prepare.ts';
import { Probes } from './live/probes.ts';
import type { Answer } from './live/watch.ts';
import { wholeNumber } from './options.ts';
import { median, result, writeResults, type Result } from './results.ts';
import { table } from './table.ts';

const HELP = `Measures the seconds from typing \`kubectl apply\` of a changed sampling ratio to the first request under it, in pods that
go on running: one, and the last of many. Beside it, what the same takes where a change needs new pods: from typing
\`kubectl set env\` to the first request that a new pod serves (of many pods: until the rollout is over). All of it on a
real cluster of its own, which is removed at the end.
And the seconds from typing \`kubectl apply\` of the kill switch, a cluster policy with \`override: true, enabled: false\`, to
the first request without tracing in the last of many pods; switching on again is not counted.
Adds live.ratio, live.ratio.<N>pods, live.killswitch.<N>pods and the .worst of each to test/bench/results.json.

Usage:
  node test/bench/live.ts [--runs 12] [--rollouts 3] [--pods 50] [--keep]

Options:
  --runs      changes of the ratio, 1 to 0 and 0 to 1 in turn; of the kill switch, off and on in turn
  --rollouts  new rollouts, for comparison
  --pods      how many pods "many" are
  --keep      leave the cluster up; TRACING_CLUSTER_PURPOSE=bench node test/cluster/cli.ts down removes it

Examples:
  node test/bench/live.ts
  node test/bench/live.ts --runs 40 --rollouts 5
  node test/bench/live.ts --runs 12 --pods 20 --keep
`;

const TIMEOUT_MS = 180_000;
// One pod is asked all the time; many are asked less often, so that asking does not slow down what is measured.
const ASK_ONE_MS = 20;
const ASK_MANY_MS = 100;
// A pause of any length between changes: no change may keep step with the agent, which looks once a second.
const PAUSE_MS = 2_000;

/** Switches sampling in running pods off and on in turn; resolves to the seconds until every one of them answered so. */
async function liveChanges(
  probes: Probes,
  runs: number,
  intervalMs: number,
  change: (sampled: boolean) => Promise<void>,
): Promise<number[]> {
  const before = await probes.states();
  const watch = probes.watch(
    (await probes.pods()).map(({ url }) => url),
    intervalMs,
  );
  const all = (wanted: boolean) =>
    watch.until(`not every pod has come to sampled: ${wanted}`, TIMEOUT_MS, (answers) =>
      // null: not traced at all.
      answers.every(({ sampled }) => (wanted ? sampled === true : sampled === false || sampled === null)),
    );
  const seconds: number[] = [];
  try {
    await change(true);
    await all(true);
    for (let run = 0; run < runs; run++) {
      await sleep(Math.random() * PAUSE_MS);
      const sampled = run % 2 === 1;
      const began = performance.now();
      const applied = change(sampled).then(() => performance.now());
      const took = (await Promise.all([all(sampled), applied])).map((at) => (at - began) / 1_000);
      seconds.push(took[0]!);
      announce(`  change ${run + 1} of ${runs}: ${took[0]!.toFixed(2)} s (kubectl itself ${took[1]!.toFixed(2)} s)`);
    }
  } finally {
    watch.stop();
  }
  const changes = podChanges(before, await probes.states());
  if (changes.length > 0) throw new Error(`the pods are not the same any more: ${changes.join(', ')}`);
  return seconds;
}

/** Throws the kill switch under running pods; resolves to the seconds until none of them was traced. */
async function switchedOff(probes: Probes, runs: number): Promise<number[]> {
  try {
    const seconds = await liveChanges(probes, runs, ASK_MANY_MS, (on) => probes.killSwitch(!on));
    return seconds.filter((_, run) => run % 2 === 0);
  } finally {
    await probes.killSwitch(false);
  }
}

/** Replaces the pods; resolves to the seconds until a new one answered, or, where there are many, all of them were new. */
async function rollouts(probes: Probes, runs: number, pods: number): Promise<number[]> {
  const url = await probes.serviceUrl();
  const seconds: number[] = [];
  for (let run = 0; run < runs; run++) {
    await probes.settled(pods);
    const old = new Set((await probes.pods()).map(({ name }) => name));
    const watch = probes.watch([url], ASK_ONE_MS);
    try {
      await watch.until('the Service does not answer', TIMEOUT_MS, ([answer]) => answer?.pod !== undefined);
      const began = performance.now();
      await probes.setEnv('OTEL_TRACES_SAMPLER_ARG', Math.random().toFixed(6));
      const isNew = ([answer]: Answer[]) => answer?.pod !== undefined && !old.has(answer.pod);
      const first = await watch.until('no new pod answers', TIMEOUT_MS, isNew);
      await probes.rolledOut();
      seconds.push(((pods === 1 ? first : performance.now()) - began) / 1_000);
      announce(`  rollout ${run + 1} of ${runs}: ${seconds.at(-1)!.toFixed(2)} s`);
    } finally {
      watch.stop();
    }
  }
  await probes.settled(pods);
  return seconds;
}

interface Settings {
  runs: number;
  rollouts: number;
  pods: number;
}

async function measure(cluster: Cluster, settings: Settings): Promise<void> {
  announce(cluster.why);
  await cluster.up();
  const images = await prepareImages(cluster);
  await step('installing the operator', { usually: '10 s' }, () => installOperator(cluster, images));
  const probes = new Probes(cluster, images.shop.ref);
  await step('starting a probe', { usually: '5 s' }, () => probes.deploy(1));
  const results: Result[] = [];
  const setRatio = (sampled: boolean) => probes.setRatio(sampled ? 1 : 0);
  for (const pods of [1, settings.pods]) {
    const name = pods === 1 ? '' : `.${pods}pods`;
    const interval = pods === 1 ? ASK_ONE_MS : ASK_MANY_MS;
    const running = `${pods} running pod${pods > 1 ? 's' : ''}`;
    if (pods > 1) await step(`starting ${pods} probes`, { usually: '20 s' }, () => probes.scale(pods));
    await probes.settled(pods);
    const live = await step(`changing the ratio under ${running}`, {}, () =>
      liveChanges(probes, settings.runs, interval, setRatio),
    );
    const switched =
      pods === 1 ? [] : await step(`switching ${running} off`, {}, () => switchedOff(probes, settings.runs));
    const rolledOut = await step('rolling out', {}, () => rollouts(probes, settings.rollouts, pods));
    for (const [figure, seconds] of Object.entries({ ratio: live, killswitch: switched }))
      if (seconds.length > 0)
        results.push(
          result(`live.${figure}${name}`, 's', median(seconds), median(rolledOut), seconds.length),
          result(`live.${figure}${name}.worst`, 's', Math.max(...seconds), Math.max(...rolledOut), seconds.length),
        );
  }
  process.stdout.write(table(results));
  writeResults(results);
}

/** Rejects when this process is asked to end, so that the cluster is removed first. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => reject(new Error(signal)));
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '12' },
      rollouts: { type: 'string', default: '3' },
      pods: { type: 'string', default: '50' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const settings = {
    runs: wholeNumber('runs', values.runs),
    rollouts: wholeNumber('rollouts', values.rollouts),
    pods: wholeNumber('pods', values.pods, 2),
  };
  // Beside the demo's and the tests' cluster, neither of which it disturbs.
  process.env['TRACING_CLUSTER_PURPOSE'] = 'bench';
  const cluster = await openCluster();
  try {
    await Promise.race([measure(cluster, settings), interruption()]);
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  } finally {
    if (!values.keep) await cluster.down();
  }
  // What an interruption left behind is not waited for.
  process.exit();
}

await main();
