import type { Logger } from 'pino';
import type { AdmitContext } from '../../webhook/admit.ts';
import type { Config } from '../config.ts';
import type { KubeClient } from '../kube/client.ts';
import { WorkQueue } from '../kube/workqueue.ts';
import type { QueueOptions } from '../kube/workqueue.ts';
import type { Part } from '../manager.ts';
import { systems } from './systems.ts';
import { sidecarTracing } from '../mesh/istio.ts';
import { linkerdTracing } from '../mesh/linkerd.ts';
import type { ClusterView } from '../policy/cluster-view.ts';
import type { Reach } from '../reach.ts';
import { IntegrationController } from './controller.ts';
import { IntegrationView } from './view.ts';

export interface Integrations {
  controller: IntegrationController;
  /** What new pods tell their proxies. */
  ofPods: AdmitContext['meshes'];
  /** Of namespaces. */
  queue: WorkQueue;
  /** Watches, which every replica has. */
  part: Part;
}

interface Options {
  config: Config;
  reach: Reach;
  logger: Logger;
  queue: QueueOptions;
  /** Milliseconds in which changes of many things become one look at a namespace. */
  settle: number;
  onOutcome: (namespace: string) => void;
}

/** Everything that has meshes and gateways go by policies. */
export function integrations(
  clients: { client: KubeClient; leading: KubeClient },
  view: ClusterView,
  { config, reach, logger, queue: queueOptions, settle, onOutcome }: Options,
): Integrations {
  const all = systems(config.integrations);
  const seen = new IntegrationView(clients.client, {
    watched: all.flatMap(({ watched }) => watched),
    logger,
    onChange: (name) => {
      if (name !== undefined) queue.addAfter(name, settle);
      else for (const each of view.namespaces()) queue.addAfter(each.metadata.name, settle);
    },
  });
  const controller = new IntegrationController(clients.leading, view, seen, {
    systems: all,
    reach,
    logger,
    onOutcome,
  });
  const queue = new WorkQueue((name, signal) => controller.reconcile(name, signal), queueOptions);
  return {
    controller,
    ofPods: (resolution, labels) => {
      const linkerd = linkerdTracing(seen, config.integrations.linkerd, resolution.policy);
      // What is not known yet must not be taken for absent.
      const isKnown = seen.waitingFor() === undefined;
      const istio = isKnown ? sidecarTracing(seen, config.integrations.istio, resolution, labels) : undefined;
      return { ...(linkerd && { linkerd }), ...(istio && { istio }) };
    },
    queue,
    part: { name: 'integrations', start: () => seen.start(), stop: () => seen.stop() },
  };
}
