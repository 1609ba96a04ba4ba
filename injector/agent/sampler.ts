import type { SpanContext } from '@opentelemetry/api';
import type { SamplingRule } from '../../crds/sampling.ts';
import { CompiledRule, unknownField, type SpanStart } from './sampling-rules.ts';

const RANDOM_BITS = 2 ** 52;
const SAMPLED = 1;

/** Who decides about spans whose parent is another process's. */
export type ParentRule = 'parent' | 'ignore-parent';

/**
 * The sampling decision, changeable while it runs. The rightmost 56 bits of a trace id are its randomness (W3C Trace
 * Context level 2); a trace is kept when that number is not below (1 - ratio), so every process with the same ratio
 * keeps the same traces, and a higher ratio keeps a superset. 52 of the 56 bits are used: they fit a double.
 */
export class LiveSampler {
  private readonly now: () => number;
  private threshold = 0;
  private useParent = true;
  private rules: CompiledRule[] = [];
  private given = '[]';

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  /** Takes a ratio between 0 and 1 (anything else counts as the nearest of the two), and rules, the first one first. */
  set(ratio: number, rule: ParentRule = 'parent', rules: readonly SamplingRule[] = []): void {
    this.threshold = thresholdOf(ratio);
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
   * Decides for a span. Within a process the parent decides, and so it does from elsewhere unless told otherwise; where
   * nobody has decided it is the first rule that matches, else the trace id. A rule that drops counts everywhere. `start`
   * is needed where there are rules.
   */
  keeps(traceId: string, parent: SpanContext | undefined, start: SpanStart | undefined): boolean {
    const follows = parent !== undefined && (this.useParent || parent.isRemote !== true);
    if (follows && (parent.traceFlags & SAMPLED) === 0) return false;
    const rule = start && this.rules.find((each) => each.matches(start));
    if (rule?.drop) return false;
    if (follows) return true;
    return rule === undefined
      ? isAbove(traceId, this.threshold)
      : isAbove(traceId, thresholdOf(rule.ratio)) && rule.admits();
  }
}

function thresholdOf(ratio: number): number {
  const share = Number.isNaN(ratio) ? 0 : Math.min(1, Math.max(0, ratio));
  return Math.round((1 - share) * RANDOM_BITS);
}

function isAbove(traceId: string, threshold: number): boolean {
  if (threshold === 0) return true;
  if (threshold === RANDOM_BITS) return false;
  return parseInt(traceId.slice(18, 31), 16) >= threshold;
}
