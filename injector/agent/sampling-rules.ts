import { SpanKind } from '@opentelemetry/api';
import type { SamplingRule } from '../../crds/sampling.ts';
import { Threshold } from './threshold.ts';

/** What is known of a span when it starts. */
export interface SpanStart {
  name: string;
  kind: SpanKind;
  attribute(name: string): unknown;
  /** Whether a request has a header, by its name in lower case, that does not say no. */
  header?(name: string): boolean;
}

const KINDS: Record<string, SpanKind | undefined> = {
  Server: SpanKind.SERVER,
  Client: SpanKind.CLIENT,
  Producer: SpanKind.PRODUCER,
  Consumer: SpanKind.CONSUMER,
  Internal: SpanKind.INTERNAL,
};

/** A rule in the form in which it is asked with each span. */
export class CompiledRule {
  readonly threshold: Threshold;
  readonly drop: boolean;
  /** In its stead, where the rule says so. */
  readonly limit: RateLimit | undefined;
  private readonly kinds: readonly (SpanKind | undefined)[] | undefined;
  private readonly names: RegExp | undefined;
  private readonly attributes: readonly (readonly [name: string, pattern: RegExp])[];

  constructor(rule: SamplingRule, now: () => number) {
    const { spanKinds, spanNames, methods, paths, attributes = {}, maxPerSecond }: SamplingRule = rule;
    this.threshold = new Threshold(rule.ratio ?? 1);
    this.drop = rule.drop ?? false;
    const kinds = spanKinds?.map((kind) => KINDS[kind]);
    // Paths are those of requests that arrive; spans of fetch have a url.path as well.
    this.kinds = paths ? [SpanKind.SERVER].filter((kind) => kinds?.includes(kind) ?? true) : kinds;
    this.names = spanNames && anyOf(spanNames);
    this.attributes = [
      ...(methods ? [['http.request.method', anyOf(methods)] as const] : []),
      ...(paths ? [['url.path', anyOf(paths)] as const] : []),
      ...Object.entries(attributes).map(([name, pattern]) => [name, anyOf([pattern])] as const),
    ];
    this.limit = maxPerSecond === undefined ? undefined : new RateLimit(maxPerSecond, now);
  }

  matches(start: SpanStart): boolean {
    if (this.kinds !== undefined && !this.kinds.includes(start.kind)) return false;
    if (this.names !== undefined && !this.names.test(start.name)) return false;
    for (const [name, pattern] of this.attributes) {
      const value = start.attribute(name);
      if (value === undefined || !pattern.test(`${value as string}`)) return false;
    }
    return true;
  }
}

/** So many a second, and after silence as many at once as come in one second, but at least one. */
export class RateLimit {
  private readonly perMilli: number;
  private readonly most: number;
  private readonly now: () => number;
  private left: number;
  private at: number;

  constructor(perSecond: number, now: () => number) {
    this.perMilli = perSecond / 1000;
    this.most = perSecond === 0 ? 0 : Math.max(1, perSecond);
    this.now = now;
    this.left = this.most;
    this.at = now();
  }

  /** Whether one more may be recorded now; to be asked once for each that would be. */
  take(): boolean {
    const now = this.now();
    this.left = Math.min(this.most, this.left + (now - this.at) * this.perMilli);
    this.at = now;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}

/** Whole texts, in which a * stands for any characters. */
export function anyOf(patterns: readonly string[]): RegExp {
  const sources = patterns.map((pattern) =>
    pattern
      .split(/\*+/)
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
      .join('[^]*'),
  );
  return new RegExp(`^(?:${sources.join('|')})$`);
}

const OUTCOMES: readonly string[] = ['ratio', 'maxPerSecond', 'drop'];
const MATCHERS: readonly string[] = ['spanKinds', 'methods', 'paths', 'spanNames', 'attributes'];

/** A field of a rule that an operator newer than this agent has written; such a rule is not to be followed in part. */
export function unknownField(rule: SamplingRule): string | undefined {
  const unknown = Object.keys(rule).find((field) => !OUTCOMES.includes(field) && !MATCHERS.includes(field));
  return unknown ?? rule.spanKinds?.find((kind) => KINDS[kind] === undefined);
}

/** Checks the rules of a policy document; throws with the reason. */
export function checkRules(rules: unknown): void {
  if (!Array.isArray(rules)) throw new Error('spec.sampling.rules is not a list');
  for (const [i, rule] of (rules as unknown[]).entries()) {
    const at = `spec.sampling.rules[${i}]`;
    if (typeof rule !== 'object' || rule === null) throw new Error(`${at} is not an object`);
    for (const [field, value] of Object.entries(rule))
      if (!isRight(field, value)) throw new Error(`${at}.${field} is not what it should be: ${JSON.stringify(value)}`);
  }
}

function isRight(field: string, value: unknown): boolean {
  if (field === 'drop') return value === true;
  if (OUTCOMES.includes(field)) return typeof value === 'number' && value >= 0;
  if (!MATCHERS.includes(field)) return true;
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== (field !== 'attributes')) return false;
  return Object.values(value).every((text) => typeof text === 'string');
}
