import type { KubeClient } from '../kube/client.ts';
import { WorkQueue } from '../kube/workqueue.ts';
import type { QueueOptions } from '../kube/workqueue.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import type { Hold, RolloutOptions } from './controller.ts';
import { RolloutController } from './controller.ts';

/** A rollout of many pods makes few looks at its policy. */
const SETTLE = 1_000;

interface PartsOptions extends RolloutOptions {
  /** Whether the chart lets the operator change workloads. */
  allowed: boolean;
  queue: Pick<QueueOptions, 'observer' | 'onError'>;
}

/** What restarts workloads, put together; nothing of it does anything where the chart does not allow it. */
export interface Rollouts {
  queues: WorkQueue[];
  /** Something has changed that a policy's restarts may depend on. */
  changed(id: string): void;
  /** What is remembered of policies that are gone, or that nobody has looked at, is seen to. */
  everyMinute(): void;
  /** What keeps workloads of a policy from being restarted; undefined where the chart does not let any be. */
  holds(id: string): Hold[] | undefined;
}

export function rollouts(
  client: KubeClient,
  view: ClusterView,
  { allowed, queue, ...options }: PartsOptions,
): Rollouts {
  if (!allowed) return { queues: [], changed: () => {}, everyMinute: () => {}, holds: () => undefined };
  const controller = new RolloutController(client, view, options);
  // One worker: policies may write into the record of the same namespace.
  const work = new WorkQueue((id, signal) => controller.reconcile(id, signal), { ...queue, maxDelay: 60_000 });
  return {
    queues: [work],
    changed: (id) => work.addAfter(id, SETTLE),
    everyMinute: () => {
      for (const id of new Set(controller.remembered())) work.add(id);
    },
    holds: (id) => controller.holds(id),
  };
}
