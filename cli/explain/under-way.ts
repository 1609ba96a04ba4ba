import { PATIENCE } from '../../operator/status/behind.ts';
import { NO_POLICY, POLICY_FIELD_MANAGER, POLICY_KEY, POLICY_REVISION } from '../../injector/names.ts';
import type { Facts } from './facts.ts';
import { isInjected } from './pods.ts';
import { writtenAt } from './written.ts';

/** In this time the operator has told all pods of a change, milliseconds; as a rule it takes a second. */
export const SOON = 30_000;

/** A change that a pod has yet to hear of, or of which nobody has written down yet that it acts on it. */
export interface UnderWay {
  /** `untold`: the operator has not told the pod. `unheard`: it has, and no report shows the change. */
  what: 'untold' | 'unheard';
  /** Since when, milliseconds since 1970. */
  since: number;
}

/** Whether what a pod has been told is too new for its agents to have said so; `isSaid`: they do. */
export function isUnheard(toldAt: number | undefined, isSaid: boolean, { now, digest }: Facts): boolean {
  // What agents say is written down after half a minute at the latest; where they say nothing there is nothing to wait for.
  return toldAt !== undefined && !isSaid && now - toldAt < (digest ? PATIENCE : SOON);
}

/**
 * What processes of a workload act on, long after all its pods have been told otherwise; undefined where there are none, or nobody
 * can tell. The operator says that too (Outdated), but some time later, and of the first workloads alone.
 */
export function unfollowed({ now, digest, pods, installation }: Facts): string | undefined {
  const running = pods.filter(isInjected);
  const told = running.map(({ metadata: { annotations = {} } }) =>
    annotations[POLICY_KEY] === undefined || annotations[POLICY_KEY] === NO_POLICY
      ? undefined
      : `${annotations[POLICY_KEY]} ${annotations[POLICY_REVISION]}`,
  );
  const toldAt = running.flatMap(({ metadata }) => writtenAt(metadata, POLICY_FIELD_MANAGER) ?? []);
  // What agents said is from before where nobody hears them, and may be said by pods that are not among these, or are on their way out.
  const isHeard = typeof installation !== 'object' || installation.readyReplicas !== 0;
  const isTheirs = digest && digest.facts.pods <= running.length;
  if (!isHeard || !isTheirs || told.includes(undefined)) return undefined;
  if (running.some(({ metadata }) => metadata.deletionTimestamp)) return undefined;
  if (toldAt.length === 0 || now - Math.max(...toldAt) < PATIENCE) return undefined;
  const { policies, processes } = digest.facts;
  const [mark] = Object.keys(policies).filter((each) => !told.includes(each));
  if (mark === undefined) return undefined;
  return `${policies[mark]} of ${processes} ${processes === 1 ? 'process acts' : 'processes act'} on ${mark}, not on ${[...new Set(told)].join(' or ')}`;
}

/** What is on its way to the pods of a workload, since when, and how long that takes. */
export function underWayLines(found: readonly UnderWay[], now: number): string[] {
  const of = (what: UnderWay['what']) => found.filter((each) => each.what === what);
  const ago = (list: UnderWay[]) =>
    `${Math.max(0, Math.round((now - Math.max(...list.map(({ since }) => since))) / 1000))} s`;
  const pods = ({ length }: UnderWay[]) => `${length} of its pods ${length === 1 ? 'has' : 'have'}`;
  const [untold, unheard] = [of('untold'), of('unheard')];
  return [
    ...(untold.length > 0
      ? [
          `what its pods are to follow was changed ${ago(untold)} ago, and ${pods(untold)} yet to be told: the operator does that within seconds`,
        ]
      : []),
    ...(unheard.length > 0
      ? [
          `${pods(unheard)} been told of a change ${ago(unheard)} ago: as a rule processes act on it after 2 to 5 s, after ${PATIENCE / 1000} at the latest, and that they do shows here up to half a minute later`,
        ]
      : []),
  ];
}
