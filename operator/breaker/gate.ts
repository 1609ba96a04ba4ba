import type { ClusterView } from '../policy/cluster-view.ts';
import { agentOf, created, isNewTo, openOutage } from './outage.ts';

/** A pod that tries an agent is waited for so long, before the next one may. */
const TRIAL = 120_000;
/** So long after it was let through it must have been made: it may have been refused by others. */
const MADE = 15_000;

/** Asked by admission: whether a pod may have its agent. Answers from memory. */
export class Gate {
  readonly #view: Pick<ClusterView, 'outages' | 'injectedPods'>;
  readonly #now: () => number;
  /** When a pod was last let through to try, by namespace and agent. */
  readonly #tries = new Map<string, number>();

  constructor(view: Pick<ClusterView, 'outages' | 'injectedPods'>, now: () => number) {
    this.#view = view;
    this.#now = now;
  }

  /**
   * Why a pod cannot have this agent now; undefined where it can. While an outage is open none can; after its pause one
   * may try (one of each replica at most: they do not ask each other), and the next only when that came to nothing.
   * @param isDryRun nothing is made of the pod: it does not count as the one that tries.
   */
  whyNot(namespace: string, agent: string, isDryRun: boolean): string | undefined {
    const outage = openOutage(this.#view.outages(namespace), agent);
    if (!outage) return undefined;
    const now = this.#now();
    const why = `${outage.reason}: ${outage.message}`;
    if (now < outage.until) return why;
    const tries = this.#view
      .injectedPods(namespace)
      .some((pod) => agentOf(pod) === agent && isNewTo(outage, pod) && now - created(pod) < TRIAL);
    if (tries) return why;
    const key = `${namespace} ${agent}`;
    if (now - (this.#tries.get(key) ?? 0) < MADE) return why;
    if (isDryRun) return undefined;
    for (const [old, at] of this.#tries) if (now - at >= MADE) this.#tries.delete(old);
    this.#tries.set(key, now);
    return undefined;
  }
}
