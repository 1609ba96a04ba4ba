import { PATIENCE } from '../../operator/status/behind.ts';
import type { Facts } from './facts.ts';

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

/** What is on its way to the pods of a workload, since when, and how long that takes. */
export function underWayLines(found: readonly UnderWay[], source: string, now: number): string[] {
  const of = (what: UnderWay['what']) => found.filter((each) => each.what === what);
  const ago = (list: UnderWay[]) =>
    `${Math.max(0, Math.round((now - Math.max(...list.map(({ since }) => since))) / 1000))} s`;
  const pods = ({ length }: UnderWay[]) => `${length} of its pods ${length === 1 ? 'has' : 'have'}`;
  const [untold, unheard] = [of('untold'), of('unheard')];
  return [
    ...(untold.length > 0
      ? [
          `${source} was changed ${ago(untold)} ago, and ${pods(untold)} yet to be told: the operator does that within seconds`,
        ]
      : []),
    ...(unheard.length > 0
      ? [
          `${pods(unheard)} been told of a change ${ago(unheard)} ago: as a rule processes act on it after 2 to 5 s, after ${PATIENCE / 1000} at the latest, and that they do shows here up to half a minute later`,
        ]
      : []),
  ];
}
