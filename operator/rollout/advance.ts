import type { Rollout } from '../../crds/rollout.ts';
import type { Restart } from './restart.ts';
import type { Standing } from './workload.ts';

export interface Facts {
  now: number;
  /** Undefined: it is gone. */
  workload: Standing | undefined;
  /** restartMark() of what its pods are given now; undefined: no policy has it restarted any more. */
  mark: string | undefined;
  /** Tracing is switched off in its pods, or nothing is restarted: whatever crashed would not be taken back again. */
  isOff: boolean;
  /** Pods of it still need a restart, as far as is known. */
  isStale: boolean;
  /** The most restarts of a pod that was made since. */
  restarts: number;
  onCrashLoop: NonNullable<Rollout['onCrashLoop']>;
  /** Since when it has been healthy with its new pods, as this process has seen it. */
  healthySince: number | undefined;
}

/** What to do with the workload itself, once what is known of it has been written down. */
export type Act = 'Restart' | 'Revert' | 'Unblock';

export interface Step {
  /** Undefined: nothing is to be remembered any more. */
  restart?: Restart;
  act?: Act;
  /** When to look again, milliseconds from now. */
  again?: number;
}

const POLL = 2_000;
/** A workload that has been well for so long, with all its new pods, is taken for well. */
const SETTLED = 30_000;
/** By then every webhook has heard of a rollback. */
const HEARD = 2_000;
/** Somebody who puts templates back is left alone for so long, then twice as long, and then for good. */
const UNDONE_PAUSE = 600_000;
const MOST_UNDONE = 3;

/** What becomes of a restart. Pure: the replica that leads next goes on from what was written down. */
export function advance(before: Restart, facts: Facts): Step {
  const { workload, mark, isOff } = facts;
  if (!workload || workload.template !== before.template) return {};
  // It is tried again only where it would be taken back again.
  if (mark !== before.mark && !isOff) return {};
  switch (before.phase) {
    case 'Restarting':
    case 'CrashLooping':
      return restarting(before, workload, facts);
    case 'RolledBack':
      return rolledBack(before, workload, facts);
    case 'Undone':
    case 'NoHelp':
      return facts.isStale ? { restart: before } : {};
  }
}

function restarting(before: Restart, workload: Standing, facts: Facts): Step {
  const { now, restarts, onCrashLoop, healthySince, isStale } = facts;
  if (restarts >= before.threshold) {
    if (onCrashLoop === 'Rollback') return { restart: { ...before, ...phase('RolledBack', now) }, again: HEARD };
    const stopped = before.phase === 'CrashLooping' ? before : { ...before, ...phase('CrashLooping', now) };
    return { restart: stopped, again: POLL };
  }
  if (workload.value !== before.value)
    return workload.generation === before.generation
      ? { restart: before, act: 'Restart', again: POLL }
      : { restart: undone(before, now) };
  if (!workload.healthy || healthySince === undefined) return { restart: before, again: POLL };
  if (now - healthySince < SETTLED) return { restart: before, again: POLL };
  if (!isStale) return {};
  return {
    restart: {
      ...before,
      ...phase('NoHelp', now),
      message: 'all its pods were made anew, and are no better for it: kubectl tracing explain says why',
    },
  };
}

function rolledBack(before: Restart, workload: Standing, { now }: Facts): Step {
  if (workload.value === before.value) {
    const early = Date.parse(before.at) + HEARD - now;
    return early > 0 ? { restart: before, again: early } : { restart: before, act: 'Revert', again: POLL };
  }
  // A StatefulSet waits for the pod that crashes: https://github.com/kubernetes/kubernetes/issues/67250
  if (before.kind === 'StatefulSet' && !workload.healthy) return { restart: before, act: 'Unblock', again: 2 * POLL };
  return { restart: before };
}

function undone(before: Restart, now: number): Restart {
  const times = (before.undone ?? 0) + 1;
  const until = times < MOST_UNDONE ? { until: iso(now + UNDONE_PAUSE * 2 ** (times - 1)) } : {};
  const { until: _until, ...rest } = before;
  return { ...rest, ...phase('Undone', now), undone: times, ...until, message: undoneMessage(times, until.until) };
}

function undoneMessage(times: number, until: string | undefined): string {
  const when =
    until === undefined
      ? 'it is not restarted again until it or the policy changes'
      : `it is tried again after ${until}`;
  return `somebody put its pod template back while it was restarted (${times} ${times === 1 ? 'time' : 'times'}): have your GitOps tool ignore the annotation tracing.acme/restarted-at of the template, or restart it yourself; ${when}`;
}

function phase(name: Restart['phase'], now: number): Pick<Restart, 'phase' | 'at'> {
  return { phase: name, at: iso(now) };
}

/** To the second, as Kubernetes writes times. */
export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
}
