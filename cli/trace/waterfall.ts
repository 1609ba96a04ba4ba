import { styleText } from 'node:util';
import { spanTree } from './span.ts';
import type { Span, SpanNode } from './span.ts';

export interface WaterfallOptions {
  /** Columns of the terminal. */
  width: number;
  color: boolean;
}

type Style = Parameters<typeof styleText>[0];
type Paint = (style: Style, text: string) => string;

const SERVICE_STYLES: Style[] = ['cyan', 'magenta', 'yellow', 'blue', 'green'];
const SMALLEST_BAR = 20;
const SMALLEST_MESSAGE = 40;
const WIDEST_NAME = 56;

/** Draws one trace: a header, then a line for each span with its place in the tree and in time. */
export function waterfall(spans: readonly Span[], { width, color }: WaterfallOptions): string {
  if (spans.length === 0) return 'no spans\n';
  const paint: Paint = (style, text) => (color ? styleText(style, text, { validateStream: false }) : text);
  const start = Math.min(...spans.map((span) => span.startUs));
  const total = Math.max(...spans.map((span) => span.startUs + span.durationUs)) - start;
  const lines = spanTree(spans).flatMap((root) => treeLines(root, '', ''));
  const services = [...new Set(lines.map(({ span }) => span.service))];
  const styleOf = (service: string) => SERVICE_STYLES[services.indexOf(service) % SERVICE_STYLES.length] ?? 'white';

  const serviceWidth = longest(services);
  const nameWidth = Math.min(longest(lines.map((line) => line.label)), WIDEST_NAME);
  const times = lines.map(({ span }) => formatDuration(span.durationUs));
  const timeWidth = longest(times);
  const tails = lines.map(({ span }) => (span.error === undefined ? plainText(span) : `✗ ${errorText(span)}`));
  // Bar and message share what is left of the line, however wide it is: of a long message half of that is shown.
  const room = width - serviceWidth - nameWidth - timeWidth - 4;
  const share = Math.max(SMALLEST_MESSAGE, Math.floor(room / 2));
  const barWidth = Math.max(SMALLEST_BAR, room - Math.min(longest(tails), share));
  const tailWidth = Math.max(SMALLEST_MESSAGE, room - barWidth);

  const traceIds = [...new Set(spans.map((span) => span.traceId))];
  const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;
  const errors = spans.filter((span) => span.error !== undefined).length;
  const header = [
    `trace ${paint('bold', traceIds.join(', '))}`,
    formatDuration(total),
    count(spans.length, 'span'),
    ...(errors > 0 ? [paint('red', count(errors, 'error'))] : []),
    `services: ${services.map((service) => paint(styleOf(service), service)).join(', ')}`,
  ].join(' · ');

  const body = lines.map(({ span, label }, index) => {
    const failed = span.error !== undefined;
    const bar = drawBar(span.startUs - start, span.durationUs, total, barWidth);
    const time = (times[index] ?? '').padStart(timeWidth);
    const tail = shorten(tails[index] ?? '', tailWidth);
    const text = [
      paint(styleOf(span.service), span.service.padEnd(serviceWidth)),
      shorten(label, nameWidth).padEnd(nameWidth),
      paint(failed ? 'red' : styleOf(span.service), bar),
      failed ? paint('red', `${time} ${tail}`) : `${time} ${paint('dim', tail)}`,
    ].join(' ');
    return color ? text : text.trimEnd();
  });
  return `${[header, ...body].join('\n')}\n`;
}

/** Microseconds in the unit a person would choose. */
export function formatDuration(us: number): string {
  if (us < 999.5) return `${Math.round(us)} µs`;
  if (us < 10_000) return `${(us / 1_000).toFixed(2)} ms`;
  if (us < 1_000_000) return `${(us / 1_000).toFixed(1)} ms`;
  return `${(us / 1_000_000).toFixed(2)} s`;
}

interface Line {
  span: Span;
  label: string;
}

function treeLines({ span, children }: SpanNode, lead: string, childLead: string): Line[] {
  return [
    { span, label: `${lead}${span.name}` },
    ...children.flatMap((child, index) => {
      const last = index === children.length - 1;
      return treeLines(child, `${childLead}${last ? '└─ ' : '├─ '}`, `${childLead}${last ? '   ' : '│  '}`);
    }),
  ];
}

function drawBar(offset: number, duration: number, total: number, width: number): string {
  const cells = total === 0 ? 0 : width / total;
  const from = Math.min(Math.round(offset * cells), width - 1);
  const length = Math.min(Math.round(duration * cells), width - from);
  // A span too short for a cell of its own still shows where it was.
  return `${' '.repeat(from)}${length > 0 ? '█'.repeat(length) : '▏'}`.padEnd(width);
}

/**
 * What went wrong: the status message, else the one that came by gRPC, else the code that the protocol gave. Of a request by HTTP
 * its code and path, as where all went well, and then the message.
 */
function errorText(span: Span): string {
  const { error, attributes } = span;
  const said = error || attributes['grpc.error_message'];
  const message = typeof said === 'string' ? said.split('\n')[0]! : '';
  const isHttp = 'http.response.status_code' in attributes || 'http.status_code' in attributes;
  const request = isHttp || !message ? plainText(span) : (pathOf(span) ?? '');
  return [request, message].filter(Boolean).join(': ') || 'error';
}

const detailAttributes: [name: string, prefix: string][] = [
  ['http.response.status_code', 'HTTP '],
  ['http.status_code', 'HTTP '],
  ['db.system.name', ''],
  ['db.system', ''],
  ['messaging.system', ''],
  ['rpc.response.status_code', 'gRPC '],
  ['rpc.grpc.status_code', 'gRPC '],
];

/** The one attribute that says most about a span, if it has one. */
export function detailText(span: Span): string {
  const found = detailAttributes.find(([name]) => span.attributes[name] !== undefined);
  if (found === undefined) return '';
  const [name, prefix] = found;
  const value = span.attributes[name];
  return `${prefix}${name === 'rpc.grpc.status_code' && value === 0 ? 'OK' : String(value)}`;
}

/** What its name leaves open. */
function plainText(span: Span): string {
  return [detailText(span), pathOf(span)].filter(Boolean).join(' ');
}

/** Of a request that has no route, and so none in its name, its path. */
function pathOf({ name, attributes: { 'url.path': path, 'url.full': url } }: Span): string | undefined {
  if (!/^[A-Z]+$/.test(name)) return undefined;
  if (typeof path === 'string') return path;
  return typeof url === 'string' && URL.canParse(url) ? new URL(url).pathname : undefined;
}

function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

function longest(texts: string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}
