import { setTimeout as sleep } from 'node:timers/promises';
import { dump } from 'js-yaml';
import { describePolicy } from '../../injector/resolve.ts';
import { ApiError } from '../../operator/kube/client.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { policiesPath } from '../../operator/policy/policy-path.ts';
import { withCluster } from '../cluster.ts';
import { InputError } from '../input-error.ts';
import { gatherSwitch } from '../switch/facts.ts';
import { findSwitch, isDone, progress, reachOf, SWITCH, switchPolicy } from '../switch/switch.ts';
import type { End, ExitCode } from './verb.ts';
import { allOption, namespaceOption, scopeOf, verb } from './verb.ts';

interface SwitchFlags {
  namespace?: string;
  allNamespaces?: true;
  dryRun?: true;
}

/** Milliseconds. A pod that misses a change is told again for a minute. */
const PATIENCE = 90_000;
/** Of a pod that has said nothing so far it is not known whether it ever will. */
const PATIENCE_WITH_SILENCE = 30_000;
const PAUSE = 1_000;

const WAITS = `It waits until the agents report that they follow, for ${PATIENCE / 1000} seconds at most. Done twice, it does the same as once.`;

export const offVerb = (end: End) =>
  verb({
    usage: 'off',
    summary: 'switches tracing off in running pods, in a namespace or everywhere',
    description: `Switches tracing off in running pods within seconds and without a restart: by the TracingPolicy ${SWITCH} of the namespace with the highest priority, or with -A by a ClusterTracingPolicy of that name which overrides all others. Whoever may edit the namespace may do the one; the other takes a right to write ClusterTracingPolicies.

In one namespace, pods that name a policy by the annotation tracing.acme/policy stay under that, and so do those under a ClusterTracingPolicy with override: they are listed, with what to do. ${WAITS}`,
    examples: [
      'kubectl tracing off -n shop --dry-run',
      'kubectl tracing off -n shop',
      'kubectl tracing off -A',
      'kubectl tracing on -A',
    ],
    codes: ['it is off', 'some pods are not reached, or do not follow in time'],
  })
    .addOption(namespaceOption())
    .addOption(allOption())
    .option('--dry-run', 'change nothing; say what would be made, and which pods it reaches')
    .action(async (flags: SwitchFlags) => end(await switchOff(flags)));

export const onVerb = (end: End) =>
  verb({
    usage: 'on',
    summary: 'takes back what off did',
    description: `Deletes the policy ${SWITCH} of the namespace, or with -A that of the cluster, so that pods come back under the policies that they had. ${WAITS}`,
    examples: ['kubectl tracing on -n shop', 'kubectl tracing on -A'],
    codes: ['the switch is gone', 'some pods do not follow in time'],
  })
    .addOption(namespaceOption())
    .addOption(allOption())
    .option('--dry-run', 'change nothing; say what would be deleted')
    .action(async (flags: SwitchFlags) => end(await switchOn(flags)));

async function switchOff(flags: SwitchFlags): Promise<ExitCode> {
  return withCluster(async (client) => {
    const namespace = scopeOf(flags, client.namespace);
    const facts = await gatherSwitch(client, namespace);
    const there = findSwitch(facts);
    const { pods, unreached } = reachOf(facts);
    const policy = switchPolicy(namespace);
    const name = namespace === undefined ? `${policy.kind} ${SWITCH}` : `${policy.kind} ${namespace}/${SWITCH}`;
    if (flags.dryRun && !there) say(`would make\n\n${dump(policy)}\nwhich reaches ${count(pods, 'pod')}`);
    else if (there)
      say(`${name} is there, since ${there.metadata.creationTimestamp}: it reaches ${count(pods, 'pod')}`);
    else {
      await attempt(`make a ${policy.kind}`, namespace, [409], () =>
        client.request('POST', policiesPath(namespace), { body: policy, query: { fieldManager: 'kubectl-tracing' } }),
      );
      say(`made ${name}: it reaches ${count(pods, 'pod')}`);
    }
    for (const { namespace: where, workload, pods: left, policy: other, why } of unreached)
      say(
        `not reached: ${count(left, 'pod')} of ${workload} in ${where}, under ${describePolicy(other)}, ${why}\n  → ${
          other.kind === 'TracingPolicy'
            ? `kubectl -n ${where} patch tracingpolicy`
            : 'kubectl patch clustertracingpolicy'
        } ${other.metadata.name} --type merge -p '{"spec":{"enabled":false}}'`,
      );
    for (const text of facts.closed) say(`you may not read ${text}`);
    const followed = flags.dryRun || (await follow(client, namespace, true));
    return followed && unreached.length === 0 ? 0 : 1;
  });
}

async function switchOn(flags: SwitchFlags): Promise<ExitCode> {
  return withCluster(async (client) => {
    const namespace = scopeOf(flags, client.namespace);
    const facts = await gatherSwitch(client, namespace);
    const there = findSwitch(facts);
    if (there && flags.dryRun) {
      say(`would delete ${describePolicy(there)}`);
      return 0;
    }
    if (there) {
      await attempt(`delete a ${switchPolicy(namespace).kind}`, namespace, [404, 409], () =>
        client.request('DELETE', `${policiesPath(namespace)}/${SWITCH}`, {
          body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: there.metadata.uid } },
        }),
      );
      say(`deleted ${describePolicy(there)}`);
    } else
      say(
        `there is no switch ${namespace === undefined ? 'of the cluster' : `in namespace ${namespace}`}: nothing to do`,
      );
    const others = [...facts.cluster, ...facts.namespaced].filter(
      (policy) => policy !== there && policy.spec.enabled === false,
    );
    for (const policy of others) say(`${describePolicy(policy)} is switched off by itself, and stays so`);
    return !there || flags.dryRun || (await follow(client, namespace, false)) ? 0 : 1;
  });
}

/** Waits until pods follow, and says how far that went. @returns whether all do, of which anything is heard. */
async function follow(client: KubeClient, namespace: string | undefined, only: boolean): Promise<boolean> {
  const began = Date.now();
  say('waiting until their agents report that they follow');
  for (;;) {
    await sleep(PAUSE);
    const now = progress(await gatherSwitch(client, namespace), only);
    const isLate = Date.now() > began + PATIENCE_WITH_SILENCE;
    if (!isDone(now, isLate) && Date.now() < began + PATIENCE) continue;
    const { pods, told, current, silent } = now;
    say(
      `${Math.min(current, pods)} of ${count(pods, 'pod')} follow${pods === 1 ? 's' : ''}${told < pods ? `, ${pods - told} have not been told` : ''}${silent > 0 ? `, of ${silent} nothing is heard` : ''}`,
    );
    if (isDone(now, isLate)) return true;
    say(
      `after ${PATIENCE / 1000} s not all do. Which: kubectl tracing status ${namespace === undefined ? '-A' : `-n ${namespace}`}`,
    );
    return false;
  }
}

/** @param done statuses by which the API server says that somebody else did the same just now. */
async function attempt(
  what: string,
  namespace: string | undefined,
  done: number[],
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 403)
      throw new InputError(
        `you may not ${what}: ${error.message}${namespace === undefined ? '\nFor one namespace the role edit in it is enough: kubectl tracing off -n NAME' : ''}`,
      );
    if (done.includes(error.status)) return;
    if (error.status !== 404) throw error;
    throw new InputError(
      namespace !== undefined && error.message.includes('namespaces')
        ? `there is no namespace ${namespace}. Which there are: kubectl get namespaces`
        : 'the cluster knows no policies: the operator is not installed in it',
    );
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function count(number: number, of: string): string {
  return `${number} ${of}${number === 1 ? '' : 's'}`;
}
