const RANDOM_BITS = 2 ** 52;

/** Who decides about spans that have a parent. */
export type ParentRule = 'parent' | 'ignore-parent';

/**
 * The sampling decision, changeable while it runs. The rightmost 56 bits of a trace id are its randomness (W3C Trace
 * Context level 2); a trace is kept when that number is not below (1 - ratio), so every process with the same ratio
 * keeps the same traces, and a higher ratio keeps a superset. 52 of the 56 bits are used: they fit a double.
 */
export class LiveSampler {
  private threshold = 0;
  private useParent = true;

  /** Takes a ratio between 0 and 1 (anything else counts as the nearest of the two). */
  set(ratio: number, rule: ParentRule = 'parent'): void {
    const share = Number.isNaN(ratio) ? 0 : Math.min(1, Math.max(0, ratio));
    this.threshold = Math.round((1 - share) * RANDOM_BITS);
    this.useParent = rule === 'parent';
  }

  /** Decides for a span: its parent's flag where there is one and it counts, else the trace id. */
  keeps(traceId: string, parentSampled: boolean | undefined): boolean {
    if (parentSampled !== undefined && this.useParent) return parentSampled;
    if (this.threshold === 0) return true;
    if (this.threshold === RANDOM_BITS) return false;
    return parseInt(traceId.slice(18, 31), 16) >= this.threshold;
  }
}
