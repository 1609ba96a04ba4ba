import * as z from 'zod';
import { cel } from './rules.ts';

/** What OpenTelemetry sends. */
export const SIGNALS = ['traces', 'metrics', 'logs'] as const;
export type Signal = (typeof SIGNALS)[number];

const correlationMessage =
  'without traces there is nothing to name in log lines; leave traces out: {logCorrelation: true}, or logCorrelation: {traces: false, metrics: true}';

/** What processes take and send. */
export const signals = z
  .object({
    traces: z.boolean().describe('Spans, and the context of traces in requests. Left out: true.').optional(),
    metrics: z
      .boolean()
      .describe(
        'Metrics of the Node.js runtime (event loop, garbage collection, heap) and durations of HTTP requests of servers and clients, of all requests whatever the sampling, once a minute. Left out: false.',
      )
      .optional(),
    logs: z
      .boolean()
      .describe(
        'Sends what is logged by pino, winston (from 3 on) and bunyan, with the trace it belongs to, whatever the sampling. Lines are written by the app as before. Left out: false.',
      )
      .optional(),
    logCorrelation: z
      .boolean()
      .describe(
        'Adds trace_id, span_id and trace_flags to the lines that an app writes by pino, winston and bunyan within a trace. Left out: false.',
      )
      .optional(),
  })
  .refine(({ logCorrelation, traces }) => !logCorrelation || traces !== false, correlationMessage)
  .describe(
    'What processes take and send to the exporters. Changes reach running pods within seconds, without a restart.',
  )
  .meta(
    cel({
      rule: '!has(self.logCorrelation) || !self.logCorrelation || !has(self.traces) || self.traces',
      message: correlationMessage,
    }),
  );

export type Signals = z.infer<typeof signals>;
