import * as z from 'zod';
import { AGENT } from '../../injector/names.ts';
import type { PodMeta } from '../policy/cluster-view.ts';
import { startFailure } from './agent-start.ts';
import type { Failure } from './agent-start.ts';

/**
 * An agent that keeps pods of a namespace from starting. From `since` on no pod gets it; from `until` on one may try it;
 * when that has it, the outage is over, and is remembered for a while only so that the next one lasts longer.
 * All times are milliseconds since 1970.
 */
export interface Outage {
  /** As the annotation `tracing.acme/agent` names it. */
  agent: string;
  since: number;
  until: number;
  /** How often in a row. */
  failures: number;
  reason: string;
  message: string;
  /** When a pod had that agent again. */
  closed?: number;
}

export interface OutageFacts {
  now: number;
  /** All pods of the namespace that were given an agent. */
  pods: readonly PodMeta[];
  /** Whether new pods of the namespace may be given that agent, as its policies are now. */
  isWanted: (agent: string) => boolean;
}

export interface Step {
  outages: Outage[];
  /** Pods that hang by an agent that others do not get any more: they can be made anew, without it. */
  stuck: { pod: PodMeta; failure: Failure }[];
  /** When to look again even if nothing has changed. */
  again?: number;
}

const FIRST_PAUSE = 30_000;
const LONGEST_PAUSE = 300_000;
/** A pod that is made so long after the beginning may still come from a webhook that had not heard of it. */
const HEARD = 10_000;
/** An outage that comes back within this time is the same one. */
const REMEMBERED = 600_000;
/** The kubelet may need so long to find that a volume is too full. */
const SURVIVES = 120_000;
/** The most that one namespace has: policies may give it several agents. */
const MOST = 8;

/** What becomes of a namespace's outages. Pure: the one that leads next goes on from what was written down. */
export function step(before: readonly Outage[], { now, pods, isWanted }: OutageFacts): Step {
  const outages = new Map(before.filter(({ agent }) => isWanted(agent)).map((outage) => [outage.agent, outage]));
  const soon: number[] = [];
  const failed = (pod: PodMeta): Failure | undefined => {
    if (!pod.start || pod.metadata.deletionTimestamp) return undefined;
    const outage = outages.get(agentOf(pod));
    const found = startFailure(pod.start, created(pod), now, outage !== undefined && isOpen(outage));
    if (!found || !('due' in found)) return found;
    soon.push(found.due);
    return undefined;
  };

  for (const pod of pods) {
    const found = failed(pod);
    const agent = agentOf(pod);
    if (!found || !isWanted(agent)) continue;
    const known = outages.get(agent);
    if (known && !isNewTo(known, pod)) continue;
    if (!known && outages.size >= MOST) continue;
    const failures = (known?.failures ?? 0) + 1;
    const until = now + Math.min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE);
    outages.set(agent, { agent, since: now, until, failures, ...found });
  }

  for (const outage of outages.values()) {
    if (!isOpen(outage)) continue;
    const survives = outage.reason === 'Evicted' ? SURVIVES : 0;
    const good = pods.filter((pod) => agentOf(pod) === outage.agent && isNewTo(outage, pod) && hasAgent(pod));
    const age = Math.max(...good.map((pod) => now - created(pod)), -1);
    if (age >= survives) outages.set(outage.agent, { ...outage, closed: now });
    else if (age >= 0) soon.push(now + survives - age);
  }

  const stuck: Step['stuck'] = [];
  for (const pod of pods) {
    const found = failed(pod);
    const outage = outages.get(agentOf(pod));
    if (!found || pod.start?.trouble?.ended !== undefined) continue;
    // Those that came to an outage later than any webhook could have made them have their agent from elsewhere.
    if (outage ? !isNewTo(outage, pod) : !isWanted(agentOf(pod))) stuck.push({ pod, failure: found });
  }

  for (const { agent, closed } of [...outages.values()]) {
    if (closed === undefined) continue;
    // One that nobody could make anew hangs on: it is no new outage.
    const lasts = stuck.some(({ pod }) => agentOf(pod) === agent);
    if (now - closed >= REMEMBERED && !lasts) outages.delete(agent);
    else soon.push(Math.max(closed + REMEMBERED, now + 60_000));
  }
  return { outages: [...outages.values()], stuck, ...(soon.length > 0 && { again: Math.min(...soon) }) };
}

/** The outage that a new pod would run into, if any. */
export function openOutage(outages: readonly Outage[], agent: string): Outage | undefined {
  return outages.find((outage) => outage.agent === agent && isOpen(outage));
}

export function isOpen({ closed }: Outage): boolean {
  return closed === undefined;
}

/** Whether a pod was made when its namespace's webhooks knew of the outage: it is one that tries. */
export function isNewTo({ since }: Outage, pod: PodMeta): boolean {
  return created(pod) > since + HEARD;
}

export function agentOf({ metadata }: PodMeta): string {
  return metadata.annotations?.[AGENT] ?? '';
}

export function created({ metadata }: PodMeta): number {
  return Date.parse(metadata.creationTimestamp);
}

function hasAgent({ start, status }: PodMeta): boolean {
  return start === undefined && status?.phase !== 'Failed';
}

const time = z.iso.datetime().transform((text) => Date.parse(text));
const written = z.array(
  z.object({
    agent: z.string(),
    since: time,
    until: time,
    failures: z.int().min(1),
    reason: z.string(),
    message: z.string(),
    closed: time.optional(),
  }),
);

/** Reads the annotation `tracing.acme/agent-outages`. What cannot be read counts as none: then pods get the agent. */
export function readOutages(text: string | undefined): Outage[] {
  if (text === undefined) return [];
  try {
    return written.parse(JSON.parse(text)).map(({ closed, ...outage }) => ({ ...outage, ...(closed && { closed }) }));
  } catch {
    return [];
  }
}

export function writeOutages(outages: readonly Outage[]): string {
  const iso = (milliseconds: number) => new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
  return JSON.stringify(
    outages.map(({ since, until, closed, ...outage }) => ({
      ...outage,
      since: iso(since),
      until: iso(until),
      ...(closed !== undefined && { closed: iso(closed) }),
    })),
  );
}
