import { setTimeout as sleep } from 'node:timers/promises';
import { REPORTS_CONFIG_MAP } from '../../injector/names.ts';
import { owner } from '../../injector/resource.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import { digestKey, readDigest } from '../../operator/digest/digest.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { explain } from '../explain/explanation.ts';
import type { Facts } from '../explain/facts.ts';
import { isInjected } from '../explain/pods.ts';
import { InputError } from '../input-error.ts';
import type { Whose } from '../override/entry.ts';
import { timeOf, withEntry, withoutEntry } from '../override/entry.ts';
import type { Target } from '../override/target.ts';
import { documentFor } from '../override/target.ts';
import { changeOverrides, clockOffset } from '../override/write.ts';
import { Reading } from '../reading.ts';
import type { Seen, Verdict } from './chain.ts';
import { verdictOf } from './chain.ts';

/** Milliseconds between two looks at what the agents say. */
const PAUSE = 1_000;
/** What the closer look lasts longer than the command: should that be killed, it ends soon after by itself. */
const GRACE = 30_000;
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
  const running = facts.pods.filter(({ metadata }) => !metadata.deletionTimestamp);
  const seen: Seen = {
    workload: target?.workload ?? `${facts.kind.kind.toLowerCase()}/${facts.workload.metadata.name}`,
    namespace: facts.namespace,
    pods: running.length,
    injected: running.filter(isInjected).length,
    problems: explain(facts).problems,
    document: documentFor(facts, running[0]?.metadata ?? facts.workload.metadata, facts.now),
    first: undefined,
    last: facts.digest,
    isStale: false,
  };
  const result = () => ({
    verdict: verdictOf(seen),
    took: performance.now() - began,
    isClose: seen.first !== undefined,
  });
  if (!target || seen.injected === 0) return result();
  const look = await lookCloser(client, facts, target, length).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    say(`${error.message}. So what its agents say may be some minutes old`);
    return undefined;
  });
  // What was said before the look is no answer to it.
  if (look) [seen.last, seen.isStale] = [undefined, facts.digest !== undefined];
  try {
    let isSent = false;
    for (;;) {
      const digest = await digestOf(client, facts);
      if (digest && (!look || look.isAnswer(digest))) {
        if (look && !seen.first) seen.first = digest;
        seen.last = digest;
        if (send && !isSent) await send();
        isSent = true;
      }
      const now = result();
      if (now.verdict.found || now.took > length) return now;
      await sleep(PAUSE);
    }
  } finally {
    await look?.end();
  }
}

interface Look {
  /** Whether agents have said this since they were told. */
  isAnswer: (digest: Digest) => boolean;
  end: () => Promise<void>;
}

/** Has the agents of a workload report often. @throws InputError where that may not be written. */
async function lookCloser(client: KubeClient, facts: Facts, target: Target, length: number): Promise<Look> {
  const offset = await clockOffset(client, target.policy);
  const now = () => Date.now() + offset;
  const whose: Whose = { namespace: facts.namespace, workload: target.workload, purpose: 'reportSeconds' };
  const since = now();
  const reportSeconds = Math.min(120, Math.max(5, Math.ceil(target.pods.length / REPORTS_A_SECOND)));
  const until = timeOf(since + length + GRACE);
  const changed = await changeOverrides(client, target.policy, (policy) =>
    withEntry(policy, whose, { reportSeconds, until }, now()),
  );
  const key = documentFor(facts, target.pods[0]!.metadata, now(), changed)?.key;
  return {
    isAnswer: ({ facts: { policies }, writtenAt }) =>
      Date.parse(writtenAt) >= since - 1_000 && Object.keys(policies).some((each) => each.startsWith(`${key} `)),
    end: async () => {
      await changeOverrides(client, changed, (policy) => withoutEntry(policy, whose, now()));
    },
  };
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
