import type { TraceState } from '@opentelemetry/api';
import { TraceState as CoreTraceState } from '@opentelemetry/core';

// A trace's probability of being sampled, in its tracestate: what makes counts of traces right later on.
// https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
// https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/

const KEY = 'ot';
const MEMBER = /(?:^|;)(th|rv):([^;]*)/g;
const MAX_LENGTH = 256;
/** Hexadecimal digits of randomness, the last ones of a trace id. */
const DIGITS = 14;
/** As many as the specification recommends; small ratios get more. */
const PRECISION = 4;

/** A ratio as the number below which a trace's randomness is rejected: decided and told with the same digits. */
export class Threshold {
  /** The tracestate of a trace that begins by it. */
  readonly state: TraceState;
  private readonly digits: string;
  private readonly text: string;

  /** Takes a ratio between 0 and 1; anything else counts as the nearest of the two, NaN as 0. */
  constructor(ratio: number) {
    this.digits = rejected(ratio);
    this.text = this.digits.replace(/0+$/, '') || '0';
    this.state = new CoreTraceState(`${KEY}=th:${this.text}`);
  }

  admits(randomness: string): boolean {
    // Numbers of equal length compare as texts; what admits nothing is longer.
    return randomness >= this.digits;
  }

  /** The tracestate of a trace that was admitted, whatever a sampler before had said. */
  stamp(before: TraceState | undefined): TraceState {
    return before === undefined ? this.state : withMember(before, this.text);
  }
}

/** What decides about a trace: 14 lower-case hexadecimal digits, of its id unless its tracestate gives others. */
export function randomnessOf(traceId: string, state: TraceState | undefined): string {
  const { rv } = members(state);
  return rv !== undefined && /^[0-9a-f]{14}$/.test(rv) ? rv : traceId.slice(-DIGITS).toLowerCase();
}

/** The tracestate of a sampled trace that goes on: without a threshold that is none, or by which it would not be here. */
export function continued(state: TraceState | undefined, traceId: string): TraceState | undefined {
  const { th } = members(state);
  if (state === undefined || th === undefined) return state;
  const isRight = /^[0-9a-f]{1,14}$/i.test(th) && randomnessOf(traceId, state) >= th.toLowerCase().padEnd(DIGITS, '0');
  return isRight ? state : withoutThreshold(state);
}

/** The tracestate of a trace whose probability nobody knows. */
export function withoutThreshold(state: TraceState | undefined): TraceState | undefined {
  if (state === undefined || members(state).th === undefined) return state;
  const rest = withMember(state, undefined);
  // An empty header is not to be sent.
  return rest.serialize() === '' ? undefined : rest;
}

function members(state: TraceState | undefined): { th?: string; rv?: string } {
  const found: { th?: string; rv?: string } = {};
  const text = state?.get(KEY);
  if (text !== undefined) for (const [, key, value] of text.matchAll(MEMBER)) found[key as 'th' | 'rv'] = value!;
  return found;
}

function withMember(state: TraceState, th: string | undefined): TraceState {
  const others = (state.get(KEY) ?? '').split(';').filter((member) => member !== '' && !member.startsWith('th:'));
  const wanted = [...(th === undefined ? [] : [`th:${th}`]), ...others].join(';');
  if (wanted === '' || wanted.length > MAX_LENGTH) return state.unset(KEY);
  const next = state.set(KEY, wanted);
  // A tracestate that is full stays as it was: better no threshold than another's.
  return next.get(KEY) === wanted ? next : state.unset(KEY);
}

/** Of 2^56 traces so many are rejected, as 14 digits; more than 14 where it is all of them. */
function rejected(ratio: number): string {
  if (!(ratio > 0)) return 'g';
  if (ratio >= 1) return '0'.repeat(DIGITS);
  // As many digits behind the leading ones that the ratio itself leaves no room for.
  const digits = Math.min(DIGITS, PRECISION + Math.max(0, Math.floor((-Math.floor(Math.log2(ratio)) - 1) / 4)));
  const admitted = BigInt(Math.max(1, Math.round(ratio * 16 ** digits))) * 16n ** BigInt(DIGITS - digits);
  return (16n ** BigInt(DIGITS) - admitted).toString(16).padStart(DIGITS, '0');
}
