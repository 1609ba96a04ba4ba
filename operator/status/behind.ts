/**
 * For so long a pod may act on what was before, milliseconds, until that is said to be wrong. A change mostly takes seconds; where the
 * kubelet misses that a pod was told, it is its own next look that brings it, after a minute or so.
 */
export const PATIENCE = 90_000;

interface Behind {
  mark: string;
  since: number;
}

/** Since when pods of a namespace have been behind: what is seen for the first time has just become so. */
export class BehindPods {
  #before = new Map<string, Behind>();
  #now = new Map<string, Behind>();

  /** Another look at all pods of the namespace: those that are not asked about by the next one are not behind any more. */
  next(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }

  /** Milliseconds for which a pod has not followed what it is to act on. */
  for(podUid: string, mark: string, now: number): number {
    const known = this.#before.get(podUid);
    const behind = known?.mark === mark ? known : { mark, since: now };
    this.#now.set(podUid, behind);
    return now - behind.since;
  }
}
