import { spanTree } from '../../cli/trace/span.ts';
import type { Span, SpanNode } from '../../cli/trace/span.ts';
import { detailText, formatDuration } from '../../cli/trace/waterfall.ts';

const WIDTH = 1180;
const ROW = 19;
const TOP = 58;
const MARGIN = 16;
const INDENT = 9;
const BARS = { from: 470, to: 1000 };
/** Of each service in the order in which they appear; readable on light and on dark. */
const COLORS = ['#2f81f7', '#d29922', '#a371f7', '#2da44e', '#db61a2'];
const STYLE = `
  text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328 }
  .page { fill: #ffffff; stroke: #d1d9e0 }
  .quiet { fill: #59636e }
  .lane { fill: #818b98; opacity: .12 }
  .error { fill: #d1242f }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .page { fill: #0d1117; stroke: #3d444d }
    .quiet { fill: #9198a1 }
    .error { fill: #f85149 }
  }`;

interface Row {
  span: Span;
  depth: number;
}

/** An SVG of the traces that spans are of: a row for each span, at its depth in the tree and in its place in time. */
export function picture(spans: readonly Span[], title: string): string {
  if (spans.length === 0) throw new Error('there are no spans to draw');
  const roots = spanTree(spans);
  const rows = roots.flatMap((root) => rowsOf(root, 0));
  const services = [...new Set(rows.map(({ span }) => span.service))];
  const colorOf = (service: string) => COLORS[services.indexOf(service) % COLORS.length]!;
  const start = Math.min(...spans.map(({ startUs }) => startUs));
  const total = Math.max(...spans.map(({ startUs, durationUs }) => startUs + durationUs)) - start;
  const scale = total === 0 ? 0 : (BARS.to - BARS.from) / total;
  const height = TOP + rows.length * ROW + MARGIN;

  const legend = services.map(
    (service, i) =>
      `<circle cx="${MARGIN + 5 + i * 110}" cy="43" r="5" fill="${colorOf(service)}"/>` +
      `<text x="${MARGIN + 15 + i * 110}" y="47">${escape(service)}</text>`,
  );
  const body = rows.map(({ span, depth }, i) => {
    const y = TOP + i * ROW;
    const failed = span.error !== undefined;
    const from = BARS.from + (span.startUs - start) * scale;
    const width = Math.max(2, span.durationUs * scale);
    const indent = MARGIN + depth * INDENT;
    const tail = [formatDuration(span.durationUs), detailText(span)].filter((text) => text !== '').join('  ');
    return [
      ...(i % 2 === 0 ? [`<rect class="lane" x="1" y="${y}" width="${WIDTH - 2}" height="${ROW}"/>`] : []),
      `<circle cx="${indent + 4}" cy="${y + ROW / 2}" r="3" fill="${colorOf(span.service)}"/>`,
      `<text x="${indent + 12}" y="${y + 14}">${escape(shorten(span.name, Math.floor((BARS.from - indent - 20) / 7.3)))}</text>`,
      `<rect class="bar" x="${from.toFixed(1)}" y="${y + 4}" width="${width.toFixed(1)}" height="${ROW - 8}" rx="2" fill="${colorOf(span.service)}"/>`,
      `<text class="${failed ? 'error' : 'quiet'}" x="${BARS.to + 8}" y="${y + 14}">${escape(tail)}</text>`,
    ].join('');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${escape(title)}</title>
<style>${STYLE}
</style>
<rect class="page" x=".5" y=".5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
<text x="${MARGIN}" y="24">${escape(title)}</text>
${legend.join('\n')}
${body.join('\n')}
</svg>
`;
}

function rowsOf({ span, children }: SpanNode, depth: number): Row[] {
  return [{ span, depth }, ...children.flatMap((child) => rowsOf(child, depth + 1))];
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
