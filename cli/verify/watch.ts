import { setTimeout as sleep } from 'node:timers/promises';
import { POLICY_KEY, POLICY_REVISION, REPORTS_CONFIG_MAP } from '../../injector/names.ts';
import { owner } from '../../injector/resource.ts';
import { policyMark } from '../../injector/resolve.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import { digestKey, readDigest } from '../../operator/digest/digest.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { VERSION } from '../chart.ts';
import { clockOffset } from '../clock.ts';
import { ASKS, explain } from '../explain/explanation.ts';
import type { Facts, LivePod } from '../explain/facts.ts';
import { isWell } from '../explain/facts.ts';
import { isInjected } from '../explain/pods.ts';
import { deliveredTo, isSure } from '../explain/policy.ts';
import { LINKS } from '../explain/problem.ts';
import { diagnose, exporterOf, findReceivers } from '../explain/receivers.ts';
import { InputError } from '../input-error.ts';
import type { Whose } from '../override/entry.ts';
import { timeOf, withEntry, withoutEntry } from '../override/entry.ts';
import type { Target } from '../override/target.ts';
import { documentFor } from '../override/target.ts';
import { changeOverrides } from '../override/write.ts';
import { Reading } from '../reading.ts';
import type { Seen, Verdict } from './chain.ts';
import { hasArrived, verdictOf } from './chain.ts';

/** Milliseconds between two looks at what the agents say. */
const PAUSE = 1_000;
/** What the closer look lasts longer than the command: should that be killed, it ends soon after by itself. */
const GRACE = 30_000;
/** After so many milliseconds a receiver that has taken nothing, and of which agents say why, is not waited for. */
const VAIN = 20_000;
/** Reports a second of one workload, so that a thousand pods are no burden. */
const REPORTS_A_SECOND = 20;

export interface WatchOptions {
  /** Milliseconds. */
  length: number;
  /** Sends what somebody has asked for, once the agents are watched. */
  send: (() => Promise<void>) | undefined;
  /** Says to people what is being done. */
  say: (line: string) => void;
}

/** What it looked like in the end, and how long that took, in milliseconds. */
export interface Watched {
  verdict: Verdict;
  took: number;
  /** Whether agents reported often; otherwise counts are old by up to some minutes. */
  isClose: boolean;
  /** Whether there was no need to watch, as nothing can arrive. */
  isPlain: boolean;
}

/**
 * Watches a workload until its spans arrive, or the time is over. Its agents are told to report every few seconds for so long, by
 * an override of the policy in force that ends by itself, where that may be written; otherwise it reads what there is.
 */
export async function watch(
  client: KubeClient,
  facts: Facts,
  target: Target | undefined,
  { length, send, say }: WatchOptions,
): Promise<Watched> {
  const began = performance.now();
  const { seen, learn } = lookedAt(facts, target);
  // What its agents would say changes nothing about this.
  const { broken } = verdictOf({ ...seen, last: undefined });
  const isPlain = broken !== undefined && LINKS.indexOf(broken) < LINKS.indexOf('started');
  const result = () => ({
    verdict: verdictOf(seen),
    took: performance.now() - began,
    isClose: seen.first !== undefined,
    isPlain,
  });
  if (!target || isPlain) return result();
  const look = await lookCloser(client, facts, target, length).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    say(`${error.message}. So what its agents say may be some minutes old`);
    return undefined;
  });
  // What was said before the look is no answer to it.
  if (look) [seen.last, seen.isStale] = [undefined, facts.digest !== undefined];
  try {
    for (;;) {
      const digest = await digestOf(client, facts);
      if (digest && (!look || look.isAnswer(digest))) {
        if (look && !seen.first) seen.first = digest;
        seen.last = digest;
        if (send && !seen.isSent) {
          await send();
          seen.isSent = true;
        }
      }
      const now = result();
      // What an agent cannot do it does not try.
      const isVain =
        now.verdict.broken === 'accepted' && !!seen.last?.facts.troubles.length && !hasArrived(seen.first, seen.last);
      const isDecided =
        now.verdict.found || (now.isClose && (now.verdict.broken === 'policy' || (isVain && now.took > VAIN)));
      if (!isDecided && now.took <= length) {
        await sleep(PAUSE);
        continue;
      }
      if (now.verdict.broken === 'started' && look && !seen.last) seen.isUntold = !(await look.isTold());
      if (now.verdict.broken === 'accepted') await learn(client);
      return result();
    }
  } finally {
    await look?.end();
  }
}

/** What there is to know before its agents are asked. */
function lookedAt(facts: Facts, target: Target | undefined) {
  const running = facts.pods.filter(({ metadata }) => !metadata.deletionTimestamp);
  const injected = running.filter(isInjected);
  const { kind, workload, namespace, installation } = facts;
  const name = target?.workload ?? `${kind.kind.toLowerCase()}/${workload.metadata.name}`;
  const resolved = documentFor(facts, running[0]?.metadata ?? workload.metadata, facts.now);
  const document = isSure(facts) ? resolved : (deliveredTo(facts) ?? resolved);
  const explanation = explain(facts);
  let { receivers } = facts;
  const seen: Seen = {
    workload: name,
    namespace,
    pods: running.length,
    injected: injected.length,
    well: injected.filter(isWell).length,
    operator:
      typeof installation === 'object'
        ? `${installation.name} in ${installation.namespace}${installation.readyReplicas === undefined ? '' : `, ${installation.readyReplicas} of ${installation.replicas} replicas ready`}`
        : undefined,
    asks: explanation.sections.find(({ title }) => title === ASKS)!.lines[0]!,
    // They are asked anew.
    problems: explanation.problems.filter(({ by }) => by !== 'agents'),
    wishes: explanation.wishes,
    document,
    diagnose: (trouble) =>
      diagnose(trouble, { ...facts, ...(receivers && { receivers }) }, document, target?.policy, name),
    first: undefined,
    last: facts.digest,
    isStale: false,
    isUntold: false,
    isSent: false,
  };
  /** Looks where the exporters send that are in trouble by now. */
  const learn = async (client: KubeClient) => {
    const troubles = seen.last?.facts.troubles ?? [];
    const endpoints = troubles.flatMap((each) => exporterOf(each, document)?.endpoint ?? []);
    receivers = await findReceivers(client, namespace, endpoints);
  };
  return { seen, learn };
}

interface Look {
  /** Whether agents have said this since they were told. */
  isAnswer: (digest: Digest) => boolean;
  /** Whether a pod has been told by now. */
  isTold: () => Promise<boolean>;
  end: () => Promise<void>;
}

/** Has the agents of a workload report often. @throws InputError where that may not be written. */
async function lookCloser(client: KubeClient, facts: Facts, target: Target, length: number): Promise<Look> {
  const offset = await clockOffset(client);
  const now = () => Date.now() + offset;
  const whose: Whose = { namespace: facts.namespace, workload: target.workload, purpose: 'reportSeconds' };
  const since = now();
  const reportSeconds = Math.min(120, Math.max(5, Math.ceil(target.pods.length / REPORTS_A_SECOND)));
  const until = timeOf(since + length + GRACE);
  const changed = await changeOverrides(client, target.policy, (policy) =>
    withEntry(policy, whose, { reportSeconds, until }, now()),
  );
  const mark = policyMark(documentFor(facts, target.pods[0]!.metadata, now(), changed));
  // Every override of a workload is called the same: what was said under the one before is no answer.
  const isSame = (key: string | undefined, revision: string | undefined) =>
    key === mark.key && (!isExact(facts) || revision === mark.revision);
  return {
    isAnswer: ({ facts: { policies }, writtenAt }) =>
      Date.parse(writtenAt) >= since - 1_000 &&
      Object.keys(policies).some((each) => {
        const [key, revision] = each.split(' ');
        return isSame(key, revision);
      }),
    isTold: async () => {
      const { name } = target.pods[0]!.metadata;
      const pod = await new Reading(client).read<LivePod>(
        `/api/v1/namespaces/${facts.namespace}/pods/${name}`,
        'a pod',
      );
      // Of a pod that is gone or may not be read nobody knows.
      const { [POLICY_KEY]: key, [POLICY_REVISION]: revision } = pod?.metadata.annotations ?? {};
      return !pod || isSame(key, revision);
    },
    end: async () => {
      await changeOverrides(client, changed, (policy) => withoutEntry(policy, whose, now()));
    },
  };
}

/** Whether a revision that the operator makes is known here: from all that it goes by, and by the same code. */
function isExact(facts: Facts): boolean {
  return isSure(facts) && typeof facts.installation === 'object' && facts.installation.version === VERSION;
}

/** What the agents of the workload say, as the operator has written it down. */
async function digestOf(
  client: KubeClient,
  { namespace, digest, kind, workload, pods }: Facts,
): Promise<Digest | undefined> {
  const path = `/api/v1/namespaces/${namespace}/configmaps/${REPORTS_CONFIG_MAP}`;
  const found = await new Reading(client).read<{ data?: Record<string, string> }>(path, 'what agents report');
  const maker = digest ?? (pods[0] && owner(pods[0])) ?? { kind: kind.kind, name: workload.metadata.name };
  return readDigest(found?.data?.[digestKey(maker.kind, maker.name)]);
}
