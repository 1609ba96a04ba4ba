import type { SpanContext } from '@opentelemetry/api';
import type { SamplingRule } from '../../crds/sampling.ts';
import type { DocumentForce, DocumentKeep } from '../policy-document.ts';
import { CompiledRule, RateLimit, unknownField, type SpanStart } from './sampling-rules.ts';
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
  /** The same, of those that a header asks for. */
  | 'forced'
  /** Sampled by a ratio. */
  | Threshold;

/** What the decision depends on. */
export interface SamplingSettings {
  /** Anything but 0 to 1 counts as the nearest of the two. */
  ratio: number;
  rule?: ParentRule;
  /** The first that matches decides. */
  rules?: SamplingRule[];
  /** Whether spans that are not sampled may be kept. */
  keep?: DocumentKeep | undefined;
  force?: DocumentForce | undefined;
}

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
  private keeping = false;
  private force: (DocumentForce & { limit: RateLimit }) | undefined;

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  set({ ratio, rule = 'parent', rules = [], keep, force }: SamplingSettings): void {
    if (ratio !== this.ratio) this.threshold = new Threshold(ratio);
    this.ratio = ratio;
    this.useParent = rule === 'parent';
    this.keeping = keep !== undefined;
    if (force?.header !== this.force?.header || force?.maxPerSecond !== this.force?.maxPerSecond)
      this.force = force && { ...force, limit: new RateLimit(force.maxPerSecond, this.now) };
    // Those that stay the same keep what they have counted.
    const given = JSON.stringify(rules);
    if (given === this.given) return;
    this.given = given;
    this.rules = rules
      .filter((each) => unknownField(each) === undefined)
      .map((each) => new CompiledRule(each, this.now));
  }

  /** Whether what a span starts with is looked at. */
  get looksAtStart(): boolean {
    return this.rules.length > 0 || this.force !== undefined;
  }

  /**
   * Decides about a span. Within a process the parent decides, and so it does from elsewhere unless told otherwise; where
   * nobody has decided it is the first rule that matches, else the ratio, and what they leave out a header may ask for. A
   * rule that drops counts everywhere. `start` is needed where it is looked at.
   */
  decide(traceId: string, parent: SpanContext | undefined, start: SpanStart | undefined): Decision {
    const follows = parent !== undefined && (this.useParent || parent.isRemote !== true);
    const isLost = follows && (parent.traceFlags & SAMPLED) === 0;
    if (isLost && !this.keeping) return 'unsampled';
    const rule = start && this.rules.find((each) => each.matches(start));
    if (rule?.drop) return 'dropped';
    if (follows) return isLost ? 'unsampled' : 'followed';
    const threshold = rule?.threshold ?? this.threshold;
    if (rule?.limit) {
      if (rule.limit.take()) return 'admitted';
    } else if (threshold.admits(randomnessOf(traceId, parent?.traceState))) return threshold;
    return this.force && start?.header?.(this.force.header) && this.force.limit.take() ? 'forced' : 'unsampled';
  }
}
