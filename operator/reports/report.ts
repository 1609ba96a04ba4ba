import * as z from 'zod';
import { LIMITS } from '../../injector/agent/report-body.ts';

/** How often an agent reports while nothing changes, seconds. Agents draw from 10 % to both sides. */
export const REPORT_INTERVAL = 120;

const count = z.int().min(0);
const library = z.string().max(LIMITS.library);
const text = z.string().max(LIMITS.text);
const signal = z.object({ exported: count, dropped: count });

/**
 * What one process says of itself. Which pod it runs in is not part of it: that is in the token it comes with. Unknown
 * fields are dropped, as agents of several versions may run.
 */
export const reportSchema = z.object({
  container: z.string().max(63),
  pid: z.int().min(0),
  /** Key and revision of the policy document in force; `none` where tracing is off. */
  key: z.string().max(300),
  revision: z.string().max(64),
  agentVersion: z.string().max(64),
  nodeVersion: z.string().max(64),
  /** Why the process is not traced; absent while all is well. */
  failure: z.string().max(LIMITS.failure).optional(),
  // injector/agent/report-body.ts says what these mean. An older agent leaves them out.
  startedAt: count.optional(),
  counters: z
    .object({
      started: count,
      sampled: count,
      // Agents from before sampling.keep do not say.
      kept: count.optional(),
      heldDropped: count.optional(),
      exported: count,
      queueFull: count,
      exportFailed: count,
      rejected: count.optional(),
      shutdown: count,
      exceptions: count,
    })
    .optional(),
  exporters: z
    .array(
      z.object({
        name: z.string().max(63),
        exported: count,
        dropped: count,
        errors: count,
        queued: count,
        queueSize: count,
        bytes: count.optional(),
        lastTrace: z.string().max(32).optional(),
        trouble: text.optional(),
      }),
    )
    .max(LIMITS.exporters)
    .optional(),
  signals: z.object({ metrics: signal.optional(), logs: signal.optional() }).optional(),
  libraries: z.array(library).max(LIMITS.libraries).optional(),
  /** Why: a word of report-body.ts, or one of a newer agent's. */
  uninstrumented: z
    .array(z.object({ library, why: z.string().max(64) }))
    .max(LIMITS.uninstrumented)
    .optional(),
  problems: z.array(text).max(LIMITS.problems).optional(),
  memory: count.optional(),
});

export type Report = z.infer<typeof reportSchema>;

/** The pod a token was made for. */
export interface Sender {
  namespace: string;
  pod: string;
  podUid: string;
}

/** What an exporter has to send of late, as agents encode it before compression. */
export interface Rate {
  spansPerSecond: number;
  bytesPerSecond: number;
}

/** A report as a replica keeps it. */
export interface KeptReport extends Omit<Report, 'exporters'>, Sender {
  exporters?: (NonNullable<Report['exporters']>[number] & { rate?: Rate })[] | undefined;
  /** When it came, by the clock of the replica that took it, milliseconds since 1970. */
  receivedAt: number;
}
