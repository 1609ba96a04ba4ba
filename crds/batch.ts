import * as z from 'zod';
import { duration } from './duration.ts';
import { cel } from './rules.ts';

const sizesMessage =
  'a batch is not larger than the queue it is taken from, e.g. {maxQueueSize: 2048, maxExportBatchSize: 512}';

/** How what is recorded waits for being sent, in `spec.batch` of both kinds and in the chart's `defaultPolicy`. */
export const batch = z
  .object({
    maxQueueSize: z
      .int()
      .min(16)
      .max(65_536)
      .describe(
        'How many spans may wait, in each process and for each exporter; and no more than 16 MB of them. When it is full the oldest make room, and are counted as queueFull. Left out: 2048.',
      )
      .optional(),
    maxExportBatchSize: z
      .int()
      .min(1)
      .max(8192)
      .describe(
        'How many spans are sent at once; and no more than 3.5 MB of them. So many are sent without waiting any longer. Left out: 512.',
      )
      .optional(),
    scheduleDelay: duration({ least: '10ms', most: '1m', example: '1s' })
      .describe(
        'How long a span waits at most for others to be sent with it. What waits is lost when a process is killed. Left out: 1s.',
      )
      .optional(),
    exportTimeout: duration({ least: '1s', most: '10m', example: '30s' })
      .describe(
        'How long a batch is tried to be delivered, retries included. Then it is dropped, and counted as exportFailed. Left out: 30s.',
      )
      .optional(),
  })
  .refine(
    ({ maxQueueSize, maxExportBatchSize }) =>
      maxQueueSize === undefined || maxExportBatchSize === undefined || maxExportBatchSize <= maxQueueSize,
    sizesMessage,
  )
  .describe(
    'How spans, metrics and log records wait for being sent: in each process a queue for each exporter, so that one that is slow or down does not hold up another.',
  )
  .meta(
    cel({
      rule: '!has(self.maxQueueSize) || !has(self.maxExportBatchSize) || self.maxExportBatchSize <= self.maxQueueSize',
      message: sizesMessage,
    }),
  );

export type Batch = z.infer<typeof batch>;
