/** A span, as far as the demo and the tests look at one; times in microseconds since the epoch. */
export interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  service: string;
  name: string;
  kind: SpanKind;
  startUs: number;
  durationUs: number;
  attributes: Record<string, AttributeValue>;
  resource: Record<string, AttributeValue>;
  /** Set when the status is ERROR: its message, else the exception's, else an empty string. */
  error?: string;
}

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';
export type AttributeValue = string | number | boolean | AttributeValue[];

/** Spans of one trace as a tree, in the order of their start. */
export interface SpanNode {
  span: Span;
  children: SpanNode[];
}

/** Puts spans under their parents; those whose parent is not there are roots too. */
export function spanTree(spans: readonly Span[]): SpanNode[] {
  const nodes = new Map(spans.map((span) => [span.spanId, { span, children: [] as SpanNode[] }]));
  const roots: SpanNode[] = [];
  for (const node of [...nodes.values()].sort((a, b) => a.span.startUs - b.span.startUs)) {
    const parent = node.span.parentSpanId === undefined ? undefined : nodes.get(node.span.parentSpanId);
    (parent?.children ?? roots).push(node);
  }
  return roots;
}

/** What keeps these spans from being one whole trace, in words; an empty list when nothing does. */
export function traceProblems(spans: readonly Span[]): string[] {
  if (spans.length === 0) return ['there are no spans'];
  const problems: string[] = [];
  const traceIds = new Set(spans.map((span) => span.traceId));
  if (traceIds.size > 1) problems.push(`there are ${traceIds.size} trace ids: ${[...traceIds].join(', ')}`);
  const spanIds = new Set(spans.map((span) => span.spanId));
  if (spanIds.size < spans.length) problems.push(`${spans.length - spanIds.size} span ids occur more than once`);
  const roots = spans.filter((span) => span.parentSpanId === undefined);
  if (roots.length !== 1) problems.push(`there are ${roots.length} root spans: ${roots.map(describe).join(', ')}`);
  for (const span of spans) {
    if (span.parentSpanId !== undefined && !spanIds.has(span.parentSpanId)) {
      problems.push(`${describe(span)} is an orphan: its parent ${span.parentSpanId} is not there`);
    }
  }
  return problems;
}

function describe(span: Span): string {
  return `${span.service} "${span.name}" (${span.spanId})`;
}
