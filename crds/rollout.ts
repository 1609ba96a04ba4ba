import * as z from 'zod';

/** `spec.rollout`: whether pods that only a restart would help are restarted, and how. */
export const rollout = z
  .object({
    strategy: z
      .enum(['Never', 'Restart'])
      .describe(
        'Never: pods that have no agent, or are older than a Secret or ConfigMap that the policy uses, are left to their owners. Restart: their Deployment, StatefulSet or DaemonSet is restarted, as kubectl rollout restart would. Left out: Never.',
      )
      .optional(),
    maxUnavailable: z
      .int()
      .min(1)
      .max(100)
      .describe(
        'How many workloads are restarted at a time, over all namespaces of the policy: the next one begins when one is healthy again. How many pods of one are away at a time is for the workload itself to say. Left out: 1.',
      )
      .optional(),
    onCrashLoop: z
      .enum(['Rollback', 'Stop'])
      .describe(
        'What is done when new pods with the agent crash again and again, and those before did not. Rollback: its pods are made without the agent, until the policy, the agent or the pod template changes. Stop: it is left as it is, and no further workload is restarted. Left out: Rollback.',
      )
      .optional(),
  })
  .describe(
    'Restarts of pods that cannot follow the policy as they are. Changes count from the next workload on, without a restart by themselves.',
  );

export type Rollout = z.infer<typeof rollout>;
