/** Policies that are remembered; the oldest is forgotten, and begins anew. */
const KEPT = 1_000;

/**
 * Says of each new pod whether it is a canary, so that of any number of pods in a row the share of canaries is what the policy
 * says, up to one: drawing lots would leave a small rollout without any, or with nothing else. Pods have no name yet when
 * they are admitted, and a review's own id changes with each call, so nothing of a pod would decide better. Each replica deals for
 * itself and begins at a place of its own; one that is started again goes on anywhere.
 */
export class Dealer {
  readonly #random: () => number;
  /** By the policy's UID: percent points that have come together since the last canary. */
  readonly #dealt = new Map<string, number>();

  /** @param random from 0 to 1, as Math.random. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /**
   * @param percent 0 to 100.
   * @param isDryRun nothing is made of the pod: it does not count.
   */
  deal(policyUid: string, percent: number, isDryRun: boolean): boolean {
    if (percent <= 0) return false;
    const sum = (this.#dealt.get(policyUid) ?? this.#random() * 100) + percent;
    const isCanary = sum >= 100;
    if (isDryRun) return isCanary;
    if (!this.#dealt.has(policyUid) && this.#dealt.size >= KEPT) this.#dealt.delete(this.#dealt.keys().next().value!);
    this.#dealt.set(policyUid, isCanary ? sum - 100 : sum);
    return isCanary;
  }
}
