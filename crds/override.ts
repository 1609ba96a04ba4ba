import * as z from 'zod';
import { sampling } from './sampling.ts';

/** For so long an override may last at most, milliseconds: what is meant for longer belongs into the policy. */
export const LONGEST_OVERRIDE = 24 * 3_600_000;

const workloadMessage = 'a workload is KIND/NAME in lower case, e.g. deployment/order';
const untilMessage = 'a time in UTC to the second, e.g. 2026-01-31T12:00:00Z';
const namespaceMessage = 'a name of a namespace, e.g. shop';

const override = z
  .strictObject({
    namespace: z
      .string()
      .max(63)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, namespaceMessage)
      .optional(),
    workload: z
      .string()
      .max(320)
      .regex(/^[a-z]+\/[a-z0-9][-a-z0-9.]*$/, workloadMessage),
    until: z.iso.datetime(untilMessage),
    /** As `sampling.ratio` of the policy. */
    ratio: sampling.shape.ratio,
    /** How often its agents report, so that somebody can watch them. */
    reportSeconds: z.int().min(5).max(120).optional(),
  })
  .refine(
    ({ ratio, reportSeconds }) => ratio !== undefined || reportSeconds !== undefined,
    'it says neither ratio nor reportSeconds, e.g. {"workload":"deployment/order","ratio":0.5,"until":"2026-01-31T12:00:00Z"}',
  );

/**
 * What the annotation `tracing.acme/override` of a policy says, as JSON: for some workloads under it something else, until
 * a time at which it ends by itself. In a ClusterTracingPolicy each says its namespace; in a TracingPolicy it may be left out.
 */
export const overrides = z.array(override, 'a list is expected').max(16);

export type Override = z.infer<typeof override>;
