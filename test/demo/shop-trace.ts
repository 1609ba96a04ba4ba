import { traceProblems } from './span.ts';
import type { Span } from './span.ts';

/** What keeps spans from being one whole trace of an order that reached these services and their database. */
export function shopTraceProblems(spans: readonly Span[], services: readonly string[]): string[] {
  const problems = traceProblems(spans);
  const found = new Set(spans.map((span) => span.service));
  for (const service of services.filter((name) => !found.has(name))) problems.push(`there is no span of ${service}`);
  if (!spans.some(isDatabaseSpan)) problems.push('there is no span of the database');
  return problems;
}

function isDatabaseSpan({ attributes }: Span): boolean {
  return (attributes['db.system.name'] ?? attributes['db.system']) === 'postgresql';
}
