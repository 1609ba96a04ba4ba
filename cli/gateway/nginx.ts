import { Threshold } from '../../injector/agent/threshold.ts';
import type { Edge } from './edge.ts';
import { headline } from './edge.ts';

/**
 * A traceparent that can be read: of this version, and of later ones what they have in common with it.
 * https://www.w3.org/TR/trace-context/#versioning-of-traceparent
 */
const REST = '-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}';
const TRACEPARENT = [`^00${REST}$`, `^(?!00|ff)[0-9a-f]{2}${REST}(?:-|$)`];
/** Flags of trace context, level 2: the id is random; and it is sampled. https://www.w3.org/TR/trace-context-2/#trace-flags */
const [UNSAMPLED, SAMPLED] = ['02', '03'];
/** Of a trace id, the digits before its random part, by which is decided (injector/agent/threshold.ts). */
const BEFORE = '^.{18}';

type Entry = [source: string, value: string];

/** Part of a configuration: what goes into the context http, and headers that are set of each request. */
interface Part {
  maps: string[];
  headers: Entry[];
}

/**
 * Configuration for NGINX as it comes, without modules: it keeps the context of a trace, or makes one. What it makes is what
 * the agent would make: decided by the trace's id, and with its probability in the tracestate.
 */
export function nginxConfig(edge: Edge): string {
  const { begins, trusts, otherFormats } = edge;
  const context = 'ratio' in begins ? beginning(edge, begins.ratio) : trusts ? NOTHING : forgetting();
  const others = trusts ? [] : [...otherFormats.traces, ...otherFormats.rest].map((name): Entry => [name, '""']);
  const { maps, headers } = baggage(edge);
  const parts = [
    comment([...headline(edge), 'For the context http, e.g. as /etc/nginx/conf.d/tracing.conf. NGINX makes no spans.']),
    ...context.maps,
    ...maps,
    ...setting([...context.headers, ...headers, ...others]),
  ];
  return `${parts.join('\n\n')}\n`;
}

const NOTHING: Part = { maps: [], headers: [] };

/** Passes no context on: a header that is empty is not sent. */
function forgetting(): Part {
  return {
    maps: [],
    headers: [
      ['traceparent', '""'],
      ['tracestate', '""'],
    ],
  };
}

/** Keeps a context, and makes one where there is none. */
function beginning({ trusts, otherFormats: { traces } }: Edge, ratio: number): Part {
  const threshold = thresholdOf(ratio);
  const made = '"00-$request_id-$tracing_span_id-$tracing_flags"';
  const sampledFrom = threshold === undefined ? 'No trace is sampled.' : sampledBy(threshold);
  const decided = [
    map('$request_id', '$tracing_span_id', [['"~^(?<tracing_found>.{16})"', '$tracing_found']]),
    [comment([sampledFrom]), map('$request_id', '$tracing_flags', flags(threshold))].join('\n'),
    map('$tracing_flags', '$tracing_probability', [
      ['default', '""'],
      ...(threshold === undefined ? [] : [[SAMPLED, `"ot=th:${threshold}"`] as Entry]),
    ]),
  ];
  if (!trusts) {
    const always = map('$request_id', '$tracing_traceparent', [['default', made]]);
    return { maps: [...decided, always], headers: contextHeaders('$tracing_probability') };
  }
  // What comes in another format alone goes on as it is: a second trace beside it would be one too many.
  const incoming = `"$tracing_incoming,${traces.map(variable).join('')}"`;
  const either = (name: string, kept: string, begun: string) =>
    map(incoming, name, [
      ['default', '""'],
      ['"~^[^,]"', kept],
      ['","', begun],
    ]);
  const kept = [
    [
      comment(['What comes with a request, if it can be read: https://www.w3.org/TR/trace-context/']),
      map('$http_traceparent', '$tracing_incoming', [
        ['default', '""'],
        ...TRACEPARENT.map((pattern): Entry => [`"~${pattern}"`, '$http_traceparent']),
      ]),
    ].join('\n'),
    ...decided,
    either('$tracing_traceparent', '$tracing_incoming', made),
    either('$tracing_tracestate', '$http_tracestate', '$tracing_probability'),
  ];
  return { maps: kept, headers: contextHeaders('$tracing_tracestate') };
}

function contextHeaders(tracestate: string): Entry[] {
  return [
    ['traceparent', '$tracing_traceparent'],
    ['tracestate', tracestate],
  ];
}

function sampledBy(threshold: string): string {
  return `A trace is sampled when the random part of its id is ${threshold.padEnd(14, '0')} or more.`;
}

/** The leading digits by which a ratio is decided; undefined: nothing is sampled. */
function thresholdOf(ratio: number): string | undefined {
  return ratio > 0 ? new Threshold(ratio).state.get('ot')!.slice('th:'.length) : undefined;
}

function flags(threshold: string | undefined): Entry[] {
  if (threshold === undefined) return [['default', UNSAMPLED]];
  return [
    ['default', UNSAMPLED],
    [`"~${BEFORE}(?:${atLeast(threshold).join('|')})"`, SAMPLED],
  ];
}

const HEXADECIMAL = '0123456789abcdef';

/** Patterns of the numbers that begin with these hexadecimal digits, or are greater: `e6` is `e6`, `e[7-9a-f]` and `f`. */
export function atLeast(digits: string): string[] {
  const greater = [...digits].flatMap((digit, place) => {
    const others = HEXADECIMAL.slice(HEXADECIMAL.indexOf(digit) + 1);
    return others === '' ? [] : [digits.slice(0, place) + range(others)];
  });
  return [digits, ...greater.reverse()];
}

/** A class of neighboring digits. */
function range(digits: string): string {
  if (digits.length === 1) return digits;
  const parts = [digits.replace(/[a-f]/g, ''), digits.replace(/[0-9]/g, '')].filter((part) => part !== '');
  return `[${parts.map((part) => (part.length < 3 ? part : `${part[0]}-${part.at(-1)}`)).join('')}]`;
}

/** For each key its part of the header, and all of those one after the other. */
function baggage({ baggage: keys }: Edge): Part {
  if (keys === undefined) return NOTHING;
  if (keys.length === 0) return { maps: [], headers: [['baggage', '""']] };
  const [first, ...others] = keys.map((key, i) => {
    const name = `tracing_member_${i + 1}`;
    return map('$http_baggage', `$${name}`, [
      ['default', '""'],
      [`"~(?:^|,)[ \\t]*(?<tracing_found>${escaped(key)}[ \\t]*=[^,]*)"`, '$tracing_found'],
    ]);
  });
  const joined = others.flatMap((member, i) => {
    const both = `"${i === 0 ? '$tracing_member_1' : `$tracing_members_${i + 1}`},$tracing_member_${i + 2}"`;
    const name = `tracing_members_${i + 2}`;
    const join = map(both, `$${name}`, [
      ['default', both],
      ['"~^,(?<tracing_found>.*)$"', '$tracing_found'],
      ['"~^(?<tracing_found>.*),$"', '$tracing_found'],
    ]);
    return [member, join];
  });
  const last = keys.length === 1 ? '$tracing_member_1' : `$tracing_members_${keys.length}`;
  return {
    maps: [comment([`Of the baggage is passed on: ${keys.join(', ')}.`]), first!, ...joined],
    headers: [['baggage', last]],
  };
}

function setting(headers: readonly Entry[]): string[] {
  if (headers.length === 0) return [];
  const lines = (directive: string) => headers.map(([name, value]) => `${directive} ${name} ${value};`);
  return [
    [
      comment(['A server or location that sets headers itself takes none from here: repeat these lines there.']),
      ...lines('proxy_set_header'),
      comment(['The same for grpc_pass:']),
      ...lines('grpc_set_header'),
    ].join('\n'),
  ];
}

function map(source: string, name: string, entries: readonly Entry[]): string {
  return [`map ${source} ${name} {`, ...entries.map(([from, to]) => `    ${from} ${to};`), '}'].join('\n');
}

function variable(header: string): string {
  return `$http_${header.replaceAll('-', '_')}`;
}

function comment(lines: readonly string[]): string {
  return lines.map((line) => `# ${line}`).join('\n');
}

/** What is a letter of a pattern stands for itself. */
function escaped(key: string): string {
  return key.replace(/[$*+.|^]/g, (sign) => (sign === '^' ? '\\^' : `[${sign}]`));
}
