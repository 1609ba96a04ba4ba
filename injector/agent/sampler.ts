import type { SpanContext } from '@opentelemetry/api';
import type { SamplingRule } from '../../crds/sampling.ts';
import { CompiledRule, unknownField, type SpanStart } from './sampling-rules.ts';
import { randomnessOf, Threshold } from './threshold.ts';

const SAMPLED = 1;

/** Who decides about spans whose parent is another process's. */
export type ParentRule = 'parent' | 'ignore-parent';

/** What becomes of a span, and why: a closed list. */
export type Decision =
  /** A rule takes it out, whatever else is said. */
  | 'dropped'
  | 'unsampled'
  /** Sampled, as its parent is. */
  | 'followed'
  /** Sampled because there were not too many lately: how probable that was nobody knows. */
  | 'admitted'
  /** Sampled by a ratio. */
  | Threshold;

/**
 * The sampling decision, changeable while it runs. It is made by a trace's randomness (threshold.ts), so every process
 * with the same ratio samples the same traces, and a higher ratio samples a superset.
 */
export class LiveSampler {
  private readonly now: () => number;
  private threshold = new Threshold(0);
  private ratio = 0;
  private useParent = true;
  private rules: CompiledRule[] = [];
  private given = '[]';

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  /** Takes a ratio between 0 and 1 (anything else counts as the nearest of the two), and rules, the first one first. */
  set(ratio: number, rule: ParentRule = 'parent', rules: readonly SamplingRule[] = []): void {
    if (ratio !== this.ratio) this.threshold = new Threshold(ratio);
    this.ratio = ratio;
    this.useParent = rule === 'parent';
    // Those that stay the same keep what they have counted.
    const given = JSON.stringify(rules);
    if (given === this.given) return;
    this.given = given;
    this.rules = rules
      .filter((each) => unknownField(each) === undefined)
      .map((each) => new CompiledRule(each, this.now));
  }

  /** Whether what a span starts with is looked at. */
  get hasRules(): boolean {
    return this.rules.length > 0;
  }

  /**
   * Decides about a span. Within a process the parent decides, and so it does from elsewhere unless told otherwise; where
   * nobody has decided it is the first rule that matches, else the ratio. A rule that drops counts everywhere. `start` is
   * needed where there are rules.
   */
  decide(traceId: string, parent: SpanContext | undefined, start: SpanStart | undefined): Decision {
    const follows = parent !== undefined && (this.useParent || parent.isRemote !== true);
    if (follows && (parent.traceFlags & SAMPLED) === 0) return 'unsampled';
    const rule = start && this.rules.find((each) => each.matches(start));
    if (rule?.drop) return 'dropped';
    if (follows) return 'followed';
    if (rule?.limit) return rule.limit.take() ? 'admitted' : 'unsampled';
    const threshold = rule?.threshold ?? this.threshold;
    return threshold.admits(randomnessOf(traceId, parent?.traceState)) ? threshold : 'unsampled';
  }
}
