import * as z from 'zod';

/** How often an agent reports while nothing changes, seconds. Agents draw from 10 % to both sides. */
export const REPORT_INTERVAL = 120;

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
  failure: z.string().max(512).optional(),
});

export type Report = z.infer<typeof reportSchema>;

/** The pod a token was made for. */
export interface Sender {
  namespace: string;
  pod: string;
  podUid: string;
}

/** A report as a replica keeps it. */
export interface KeptReport extends Report, Sender {
  /** When it came, by the clock of the replica that took it, milliseconds since 1970. */
  receivedAt: number;
}
