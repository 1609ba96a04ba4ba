import { isCanaryHalted } from '../injector/canary.ts';
import { isOpen } from './breaker/outage.ts';
import { observeCanaries, observeOutages, observePods, observeQueues } from './metrics.ts';
import type { ClusterView } from './policy/cluster-view.ts';
import { queueFills } from './reports/queues.ts';
import type { ReportStore } from './reports/store.ts';
import type { StatusController } from './status/controller.ts';

/** Metrics that are read from what is known when somebody asks for them: every replica says the same. */
export function gauges(view: ClusterView, store: ReportStore, status: StatusController): void {
  observeCanaries(() =>
    view.canaries().map((policy) => ({ policy: policy.metadata.name, halted: isCanaryHalted(policy) })),
  );
  observeOutages(() =>
    [...view.namespaces()].flatMap(({ metadata: { name } }) =>
      view
        .outages(name)
        .filter(isOpen)
        .map(({ reason }) => ({ namespace: name, reason })),
    ),
  );
  observePods(() => status.podCounts());
  observeQueues(() => queueFills(store.all(), Date.now()));
}
