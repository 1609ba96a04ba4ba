/** A span, as far as people look at one; times in microseconds, `startUs` since the epoch. */
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
