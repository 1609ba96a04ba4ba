import type { ReceivedSpan } from '../otlp.ts';

const MASKS: [RegExp, string][] = [
  [/(?<=\b(127\.0\.0\.1|localhost):)\d+/g, 'PORT'],
  [/(?<!\w)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?!\w)/g, 'UUID'],
];
/** Different in each run, or with each version of Node. */
const VARYING = /(\.port|\.stacktrace|^thread\.\w+)$/;

/**
 * Spans as readable text, a trace after the other, children below their parents, each in order of time: kind, name and
 * service, then attributes, status, events and links (to the nth trace of the text). What differs between any two runs is
 * masked; `masks` has more of that.
 */
export function treeOf(spans: readonly ReceivedSpan[], masks: [RegExp, string][] = []): string {
  const known = new Map(spans.map((span) => [span.spanId, span]));
  const ordered = [...spans].sort((a, b) => Number(a.startNanos - b.startNanos));
  const masked = (text: string): string =>
    [...masks, ...MASKS].reduce((result, [pattern, by]) => result.replaceAll(pattern, by), text);
  const shown = (key: string, value: unknown): string =>
    VARYING.test(key) ? key.split('.').at(-1)!.toUpperCase() : masked(JSON.stringify(value));
  const pairs = (attributes: Record<string, unknown>): string[] =>
    Object.keys(attributes)
      .sort()
      .map((key) => `${key}: ${shown(key, attributes[key])}`);
  const roots = ordered.filter((span) => !known.has(span.parentSpanId));
  const traces = [...new Set(roots.map((span) => span.traceId))];
  const write = (span: ReceivedSpan, indent: string): string[] => {
    const { code, message } = span.status;
    const details = [
      ...pairs(span.attributes),
      ...(code === 0 ? [] : [`status: ${code === 2 ? 'error' : 'ok'} ${masked(message)}`.trimEnd()]),
      ...span.events.flatMap((event) => [
        `event: ${event.name}`,
        ...pairs(event.attributes).map((pair) => `  ${pair}`),
      ]),
      ...span.links.map((link) => {
        const linked = known.get(link.spanId);
        if (linked === undefined) return 'link: to a span that is not here';
        return `link: ${masked(linked.name)}, in trace ${traces.indexOf(linked.traceId) + 1}`;
      }),
    ];
    return [
      `${indent}- ${span.kind} ${masked(span.name)} [${String(span.resource['service.name'])}]`,
      ...details.map((line) => `${indent}    ${line}`),
      ...ordered.filter((each) => each.parentSpanId === span.spanId).flatMap((each) => write(each, `${indent}  `)),
    ];
  };
  return traces
    .map((trace) =>
      roots
        .filter((root) => root.traceId === trace)
        .flatMap((root) => [...(root.parentSpanId ? ['(below a span that is not here)'] : []), ...write(root, '')])
        .map((line) => `${line}\n`)
        .join(''),
    )
    .join('\n');
}

/** How many spans a tree's text has. */
export function countOf(tree: string): number {
  return tree.match(/^ *- /gm)?.length ?? 0;
}
