import { setTimeout as sleep } from 'node:timers/promises';
import { Option } from 'commander';
import { hasEnded } from '../../injector/override.ts';
import type { Policy } from '../../injector/resolve.ts';
import { describePolicy } from '../../injector/resolve.ts';
import { clockOffset } from '../clock.ts';
import { withCluster } from '../cluster.ts';
import { gather } from '../explain/facts.ts';
import type { Facts } from '../explain/facts.ts';
import { parseWorkload, WORKLOAD } from '../explain/kinds.ts';
import { InputError } from '../input-error.ts';
import { entryOf, lengthOf, timeOf, withEntry, withoutEntry } from '../override/entry.ts';
import type { Whose } from '../override/entry.ts';
import type { Target } from '../override/target.ts';
import { targetOf, toldOf } from '../override/target.ts';
import { changeOverrides } from '../override/write.ts';
import type { End, ExitCode } from './verb.ts';
import { namespaceOption, once, verb } from './verb.ts';

interface SamplingFlags {
  namespace?: string;
  ratio?: string;
  for?: string;
  cancel?: true;
}

/** Milliseconds. */
const PATIENCE = 20_000;
const PAUSE = 500;

export const samplingVerb = (end: End) =>
  verb({
    usage: 'sampling',
    summary: 'another sampling ratio for one workload, for a while, without a restart',
    description: `Has another share of the new traces of one workload recorded, for a while: its pods follow within a second or two, those of other workloads under the same policy are told nothing, and it ends by itself. Without --ratio and --cancel it says what is in force.

It is written into the annotation tracing.acme/override of the policy in force, which the operator takes away when the time is over, also where it was away at that moment. So it takes the right to change that policy (the role edit in the namespace, where it is a TracingPolicy), and kubectl apply and GitOps tools leave it alone. Rules of the policy decide before the ratio, as ever; so does whoever calls the workload and has decided already.

WORKLOAD is as for explain.`,
    examples: [
      'kubectl tracing sampling order --ratio 0.5 --for 10m',
      'kubectl tracing sampling deployment/order -n shop',
      'kubectl tracing sampling statefulset/stock --cancel',
    ],
    codes: ['it is done, and its pods have been told', 'not all of its pods have been told in time'],
  })
    .argument('<workload...>', WORKLOAD)
    .addOption(namespaceOption())
    .addOption(once('--ratio <number>', 'share of new traces that are recorded, from 0 (none) to 1 (all)'))
    .addOption(
      once('--for <time>', 'how long: a whole number of s, m or h, from 10s to 24h, e.g. 10m; goes with --ratio'),
    )
    .addOption(new Option('--cancel', 'end it now').conflicts(['ratio', 'for']))
    .action(async (words: string[], flags: SamplingFlags) => end(await overrideSampling(words, flags)));

async function overrideSampling(words: string[], flags: SamplingFlags): Promise<ExitCode> {
  const named = parseWorkload(words);
  const wanted = wantedOf(flags);
  return withCluster(async (client) => {
    const look = () => gather(client, named, flags.namespace ?? client.namespace ?? 'default');
    const facts = await look();
    const target = targetOf(facts);
    const whose: Whose = { namespace: facts.namespace, workload: target.workload, purpose: 'ratio' };
    if (!wanted && !flags.cancel) return show(facts, target, whose);
    if (target.policy.spec.enabled === false)
      throw new InputError(`${describePolicy(target.policy)} is switched off (enabled: false): no ratio counts`);
    const offset = await clockOffset(client);
    const now = () => Date.now() + offset;
    const before = entryOf(target.policy, whose, now());
    if (flags.cancel && !before) {
      say(`nothing is overridden for ${target.workload}: nothing to do`);
      return 0;
    }
    const until = wanted && timeOf(now() + wanted.millis);
    const changed = await changeOverrides(client, target.policy, (policy) =>
      wanted
        ? withEntry(policy, whose, { ratio: wanted.ratio, until: until! }, now())
        : withoutEntry(policy, whose, now()),
    );
    const { ratio: own } = changed.spec.sampling ?? {};
    const usual = own === undefined ? "as the chart's default or 1" : String(own);
    say(
      wanted
        ? `${describePolicy(changed)}: ratio ${wanted.ratio} for ${target.workload} until ${until} (in ${flags.for}), then ${usual} again`
        : `${describePolicy(changed)}: the ratio of ${target.workload} is ${usual} again, before ${before!.until}`,
    );
    return follow(look, changed, now);
  });
}

function wantedOf({ ratio, for: length, cancel }: SamplingFlags): { ratio: number; millis: number } | undefined {
  if (ratio === undefined && length === undefined) return undefined;
  if (cancel) return undefined;
  if (ratio === undefined || length === undefined)
    throw new InputError('--ratio and --for go together, e.g. --ratio 0.5 --for 10m');
  if (!/^\d*\.?\d+$/.test(ratio) || Number(ratio) > 1)
    throw new InputError(
      `--ratio ${JSON.stringify(ratio)}: a number from 0 (none) to 1 (all) is expected, e.g. --ratio 0.5`,
    );
  return { ratio: Number(ratio), millis: lengthOf(length, '--for', ['10s', '24h']) };
}

function show(facts: Facts, { workload, policy }: Target, whose: Whose): ExitCode {
  const { ratio } = policy.spec.sampling ?? {};
  say(`${describePolicy(policy)}: ratio ${ratio ?? "as the chart's default, or 1"}`);
  const entry = entryOf(policy, whose, facts.now);
  say(
    entry && !hasEnded(entry, facts.now)
      ? `overridden for ${workload}: ratio ${entry.ratio} until ${entry.until}`
      : `nothing is overridden for ${workload}`,
  );
  return 0;
}

/** Waits until the pods that run carry what the policy says now. */
async function follow(look: () => Promise<Facts>, policy: Policy, now: () => number): Promise<ExitCode> {
  const began = Date.now();
  for (;;) {
    const facts = await look();
    const { pods } = targetOf(facts);
    const told = toldOf(facts, policy, pods, now());
    if (told === pods.length) {
      say(
        pods.length === 0
          ? 'no pod of it runs with the agent; new ones will follow it'
          : `${told} of ${pods.length} ${pods.length === 1 ? 'pod has' : 'pods have'} been told; their agents follow within about a second`,
      );
      return 0;
    }
    if (Date.now() > began + PATIENCE) {
      say(
        `after ${PATIENCE / 1000} s only ${told} of ${pods.length} pods have been told. Is the operator well? kubectl tracing status`,
      );
      return 1;
    }
    await sleep(PAUSE);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
