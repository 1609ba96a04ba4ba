import * as z from 'zod';
import { duration } from './duration.ts';
import { cel } from './rules.ts';

const ruleMessage =
  'a rule says one of ratio, maxPerSecond and drop: true, and what it is for, e.g. {paths: ["/healthz"], drop: true} or {methods: [POST], paths: ["/orders*"], ratio: 1}';
const MATCHERS = ['spanKinds', 'methods', 'paths', 'spanNames', 'attributes'] as const;
const OUTCOMES = ['ratio', 'maxPerSecond', 'drop'] as const;
const count = (fields: readonly string[]) => `[${fields.map((field) => `has(self.${field})`).join(', ')}]`;

const pathMessage = 'a path begins with a slash or a *, without host and query, e.g. /healthz or /orders/*';
const pathPattern = /^[/*][^?#\s]*$/;
const lateMessage =
  'http.route and http.response.status_code are not known yet when a span starts, which is when rules decide; take paths, e.g. {paths: ["/orders/*"], ratio: 1}';
const LATE = ['http.route', 'http.response.status_code'];

const pattern = z.string().min(1).max(256);

const rule = z
  .object({
    spanKinds: z
      .array(z.enum(['Server', 'Client', 'Producer', 'Consumer', 'Internal']))
      .min(1)
      .max(5)
      .meta({
        description: 'Kinds of span, any of them. Server: a request that arrives. Consumer: a message that arrives.',
        'x-kubernetes-list-type': 'set',
      })
      .optional(),
    methods: z
      .array(
        z
          .string()
          .min(1)
          .max(32)
          .regex(/^[A-Z]+$/, 'an HTTP method is in capitals, e.g. GET'),
      )
      .min(1)
      .max(9)
      .meta({
        description: 'HTTP methods, any of them, in capitals.',
        'x-kubernetes-list-type': 'set',
        ...cel({
          rule: "self.all(method, method.matches('^[A-Z]+$'))",
          message: 'an HTTP method is in capitals, e.g. GET',
        }),
      })
      .optional(),
    paths: z
      .array(pattern.regex(pathPattern, pathMessage))
      .min(1)
      .max(16)
      .meta({
        description:
          'Paths of requests that arrive (url.path), any of them, without host and query: /healthz, /orders/*. A * stands for any characters, slashes included.',
        'x-kubernetes-list-type': 'set',
        ...cel({ rule: `self.all(path, path.matches(r'''${pathPattern.source}'''))`, message: pathMessage }),
      })
      .optional(),
    spanNames: z
      .array(pattern)
      .min(1)
      .max(16)
      .meta({
        description:
          'Names that spans have when they start, any of them; a * stands for any characters. For a request that arrives that is its method alone: take paths.',
        'x-kubernetes-list-type': 'set',
      })
      .optional(),
    attributes: z
      .record(z.string().min(1).max(128), z.string().max(256))
      .refine((attributes) => LATE.every((name) => !(name in attributes)), lateMessage)
      .meta({
        description:
          'Attributes that a span has when it starts, all of them; in a value a * stands for any characters. Not http.route nor http.response.status_code, which come later.',
        minProperties: 1,
        maxProperties: 8,
        ...cel({
          rule: `!self.exists(name, name in [${LATE.map((name) => `'${name}'`).join(', ')}])`,
          message: lateMessage,
        }),
      })
      .optional(),
    ratio: z
      .number()
      .min(0)
      .max(1)
      .describe('Share of these traces that are recorded, from 0 (none) to 1 (all).')
      .optional(),
    maxPerSecond: z
      .number()
      .gt(0)
      .max(10_000)
      .describe(
        'At most so many of these traces a second are recorded, in each process by itself: ten pods record up to ten times as many. 0.1 is one in ten seconds.',
      )
      .optional(),
    drop: z
      .boolean()
      .describe(
        'true: never recorded, also where the trace began elsewhere. With the span of a request that arrives goes all that this process does for it; of other spans, that one alone.',
      )
      .optional(),
  })
  .refine(
    (value) =>
      OUTCOMES.filter((field) => value[field] !== undefined).length === 1 &&
      value.drop !== false &&
      MATCHERS.some((field) => value[field] !== undefined),
    ruleMessage,
  )
  .describe('What is to be done with some of the traces.')
  .meta(
    cel({
      rule: `${count(OUTCOMES)}.filter(x, x).size() == 1 && (!has(self.drop) || self.drop) && ${count(MATCHERS)}.exists(x, x)`,
      message: ruleMessage,
    }),
  );

const keepMessage = 'keep says which requests, e.g. {errors: true, slowerThan: 2s}';
const keep = z
  .object({
    errors: z
      .boolean()
      .describe(
        'Requests and messages that fail: the span that they begin with here ends with an error, as by an HTTP status of 500 and above. Left out: false.',
      )
      .optional(),
    slowerThan: duration({ least: '1ms', most: '10m', example: '2s' })
      .describe('Requests and messages that take longer than this, e.g. 2s. Left out: none.')
      .optional(),
  })
  .refine(({ errors, slowerThan }) => errors !== undefined || slowerThan !== undefined, keepMessage)
  .describe(
    'Requests that were not sampled and are recorded all the same, by what becomes of them. A service decides for itself, so of a trace there may be fragments. Until a request ends its spans are held in memory, 4 MiB in each process. {errors: false} switches off what the chart says. Left out: nothing is kept.',
  )
  .meta(cel({ rule: 'has(self.errors) || has(self.slowerThan)', message: keepMessage }));

const headerMessage = 'a header has letters, digits, hyphens and underscores, e.g. X-Trace-Me';
const headerPattern = /^[A-Za-z][A-Za-z0-9_-]*$/;
/** Every request has them, or another part of tracing writes them. */
const COMMON = [
  ...['host', 'connection', 'accept', 'accept-encoding', 'accept-language', 'user-agent', 'content-type', 'cookie'],
  ...['content-length', 'authorization', 'traceparent', 'tracestate', 'baggage'],
];
const commonMessage =
  'a header that requests have anyway would force all of them; take one of your own, e.g. X-Trace-Me';

const force = z
  .object({
    header: z
      .string()
      .min(1)
      .max(64)
      .regex(headerPattern, headerMessage)
      .refine((name) => !COMMON.includes(name.toLowerCase()), commonMessage)
      .describe(
        'Name of a request header, e.g. X-Trace-Me. Any value will do but 0, false, no and off. Whoever reaches the service can send it.',
      )
      .meta(
        cel(
          { rule: `self.matches('${headerPattern.source}')`, message: headerMessage },
          {
            rule: `!(self.lowerAscii() in [${COMMON.map((name) => `'${name}'`).join(', ')}])`,
            message: commonMessage,
          },
        ),
      ),
    maxPerSecond: z
      .number()
      .min(0)
      .max(1000)
      .describe(
        'At most so many requests a second are forced, in each process by itself; 0 switches off what the chart says. Left out: 1.',
      )
      .optional(),
  })
  .describe(
    'Has HTTP requests with a header recorded that would not be sampled, where their trace begins: not where a caller has decided (see parentBased), nor what a rule drops. Left out: no header is looked at.',
  );

export const sampling = z
  .object({
    ratio: z
      .number()
      .min(0)
      .max(1)
      .describe(
        'Share of new traces that are recorded, from 0 (none) to 1 (all); 0.1 is one in ten. Decided once, by the trace id, where a trace starts; a request that arrives with a sampling decision keeps it. Left out: 1.',
      )
      .optional(),
    parentBased: z
      .boolean()
      .describe(
        'Whether a request that arrives with a sampling decision keeps it. Switched off, rules and ratio decide here too, and a trace may have gaps. Left out: true.',
      )
      .optional(),
    rules: z
      .array(rule)
      .max(20)
      .meta({
        description:
          "What is decided otherwise than by the ratio, when a span starts: the first rule that matches decides. Where the decision has been made elsewhere (see parentBased) only drop counts. A list here takes the place of the chart's, which drops health checks.",
        'x-kubernetes-list-type': 'atomic',
      })
      .optional(),
    keep: keep.optional(),
    force: force.optional(),
  })
  .describe('Which traces are recorded. Changes reach running pods within seconds, without a restart.');

export type SamplingRule = z.infer<typeof rule>;
