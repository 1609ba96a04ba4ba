import type { Decision } from '../injector/decision.ts';
import type { InjectOptions } from '../injector/inject.ts';
import { injectPod } from '../injector/inject.ts';
import { NAMESPACE_LABEL } from '../injector/names.ts';
import type { Pod } from '../injector/pod.ts';
import type { Policies } from '../injector/resolve.ts';
import { resolve } from '../injector/resolve.ts';
import type { Workload } from '../injector/workload.ts';
import { propagateInject } from '../injector/workload.ts';
import { diff } from './json-patch.ts';
import type { AdmissionReply, AdmissionRequest } from './review.ts';

/** What admission needs to know about the cluster; all of it answered from memory. */
export interface AdmitContext {
  policies(namespace: string): Policies;
  namespaceLabels(namespace: string): Record<string, string>;
  options: InjectOptions;
}

/** Answers one admission request: injects a pod, or copies the annotation of a workload to its template. */
export function admit(
  request: AdmissionRequest,
  namespaceAsked: boolean,
  context: AdmitContext,
): { reply: AdmissionReply; decisions: Decision[] } {
  const { object } = request;
  if (!object) return { reply: {}, decisions: [] };
  if (request.kind.kind === 'Pod') {
    const pod = object as unknown as Pod;
    const name = request.namespace ?? pod.metadata?.namespace ?? 'default';
    // The API server has read the label just now; our copy of it may be a moment behind.
    const labels = { ...context.namespaceLabels(name), ...(namespaceAsked && { [NAMESPACE_LABEL]: 'true' }) };
    const namespace = { name, labels };
    const subject = {
      namespace: name,
      namespaceLabels: labels,
      labels: pod.metadata?.labels,
      annotations: pod.metadata?.annotations,
    };
    const result = injectPod(pod, namespace, resolve(context.policies(name), subject), context.options);
    return { reply: reply(pod, result.pod, result.decisions), decisions: result.decisions };
  }
  const workload = object as unknown as Workload;
  const result = propagateInject(workload);
  return { reply: reply(workload, result.workload, result.decisions), decisions: result.decisions };
}

function reply(before: unknown, after: unknown, decisions: Decision[]): AdmissionReply {
  return {
    patch: before === after ? [] : diff(before, after),
    warnings: decisions.filter((decision) => decision.warn).map((decision) => `tracing: ${decision.message}`),
    ...(decisions.length > 0 && {
      auditAnnotations: {
        decisions: decisions
          .map(({ container, reason }) => (container ? `${container}=${reason}` : reason))
          .join(',')
          .slice(0, 1000),
      },
    }),
  };
}
