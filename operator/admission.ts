import type { RequestListener } from 'node:http';
import type { Logger } from 'pino';
import type { InjectOptions } from '../injector/inject.ts';
import { owner } from '../injector/resource.ts';
import type { AdmitContext } from '../webhook/admit.ts';
import { admit } from '../webhook/admit.ts';
import { app } from '../webhook/server.ts';
import { Gate } from './breaker/gate.ts';
import { Dealer } from './canary/dealer.ts';
import type { EventRecorder } from './events/recorder.ts';
import { webhookMetrics } from './metrics.ts';
import type { ClusterView } from './policy/cluster-view.ts';
import { whyRolledBack } from './rollout/restart.ts';

interface AdmissionOptions {
  /** As of each request: the authorities change. */
  inject: () => InjectOptions;
  meshes: AdmitContext['meshes'];
  events: EventRecorder;
  logger: Logger;
  now: () => number;
}

/** The webhook as the operator runs it: what admission needs to know is answered from what is watched. */
export function admission(
  view: ClusterView,
  { inject, meshes, events, logger, now }: AdmissionOptions,
): RequestListener {
  const gate = new Gate(view, now);
  const dealer = new Dealer();
  return app({
    metrics: webhookMetrics,
    logger,
    // A pod that is being made may have no name yet: the event is about its namespace.
    onFailure: ({ kind, namespace: where = 'default' }) =>
      events.record({
        regarding: { apiVersion: 'v1', kind: 'Namespace', name: where },
        type: 'Warning',
        reason: 'NotInjected',
        action: 'Inject',
        note: `a ${kind.kind} was admitted without tracing, because of an error in tracing-operator; its log has the details`,
      }),
    admit: (request, entry) =>
      admit(request, entry, {
        policies: (name) => view.policies(name),
        namespaceLabels: (name) => view.namespace(name)?.metadata.labels ?? {},
        namespaceAnnotations: (name) => view.namespace(name)?.metadata.annotations ?? {},
        whyNoAgent: (name, wanted, isDryRun) => gate.whyNot(name, wanted, isDryRun),
        whyRolledBack: (name, pod, policy, agent) => whyRolledBack(view.restarts(name), owner(pod), policy, agent),
        isCanary: (policyUid, percent, isDryRun) => dealer.deal(policyUid, percent, isDryRun),
        options: inject(),
        meshes,
      }),
  });
}
