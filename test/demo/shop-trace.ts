import type { Span } from '../../cli/trace/span.ts';
import { traceProblems } from './trace-problems.ts';

/** What is in the trace of an order: spans of which services, and of which systems by their names in the conventions. */
export interface Expected {
  services: readonly string[];
  systems: readonly string[];
}

/** What keeps spans from being one whole trace of an order that reached these services and systems. */
export function shopTraceProblems(spans: readonly Span[], { services, systems }: Expected): string[] {
  const problems = traceProblems(spans);
  const found = new Set(spans.map((span) => span.service));
  for (const service of services.filter((name) => !found.has(name))) problems.push(`there is no span of ${service}`);
  for (const system of systems)
    if (!spans.some((span) => isLastOf(system, span))) problems.push(`there is no span of ${system}`);
  return problems;
}

/** Whether a span is of a system: of a message that was sent, the one of who got it. */
function isLastOf(system: string, { attributes, kind }: Span): boolean {
  if (attributes['messaging.system'] === system) return kind === 'consumer';
  return (attributes['db.system.name'] ?? attributes['db.system']) === system;
}
