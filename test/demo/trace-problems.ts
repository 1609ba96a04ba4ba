import type { Span } from '../../cli/trace/span.ts';

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
