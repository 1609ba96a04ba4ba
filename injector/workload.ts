import { INJECT, INJECT_FROM_WORKLOAD } from './names.ts';
import type { Decision } from './decision.ts';
import { inject, invalidAnnotation } from './inject.ts';
import type { ObjectMeta } from './pod.ts';

/** A Deployment, StatefulSet, DaemonSet, Job or CronJob, as far as we read it. */
export interface Workload {
  apiVersion?: string;
  kind: string;
  metadata: ObjectMeta;
  spec: {
    template?: { metadata?: ObjectMeta };
    jobTemplate?: { spec?: { template?: { metadata?: ObjectMeta } } };
    [key: string]: unknown;
  };
}

/**
 * Copies `tracing.acme/inject` from the workload's own metadata to its pod template, so that
 * `kubectl annotate deployment web tracing.acme/inject=true` alone starts the rollout that makes its pods traced. A
 * mark beside the copy holds its value: while both are equal the copy is ours and goes, or changes, with the annotation
 * it came from. An annotation that the owner wrote on the template, before or since, is never touched, and decides.
 *
 * @returns the very workload that was given where nothing changes.
 */
export function propagateInject(workload: Workload): { workload: Workload; decisions: Decision[] } {
  const wanted = workload.metadata.annotations?.[INJECT];
  const where = `${workload.kind} ${workload.metadata.name ?? workload.metadata.generateName ?? ''}`;
  const decisions: Decision[] =
    inject(workload.metadata.annotations) === 'invalid' ? [invalidAnnotation(where, wanted)] : [];
  const valid = decisions.length === 0 ? wanted : undefined;

  const current = template(workload)?.metadata?.annotations ?? {};
  // What differs from our copy has been written by the owner since, and is theirs.
  const mark = current[INJECT_FROM_WORKLOAD];
  const ours = mark !== undefined && mark === current[INJECT];
  if (current[INJECT] !== undefined && !ours) return { workload, decisions };
  if (valid === undefined ? mark === undefined : ours && mark === valid) return { workload, decisions };

  const result = structuredClone(workload);
  const target = template(result);
  if (!target) return { workload, decisions };
  const { [INJECT]: _inject, [INJECT_FROM_WORKLOAD]: _mark, ...others } = current;
  const annotations = valid === undefined ? others : { ...others, [INJECT]: valid, [INJECT_FROM_WORKLOAD]: valid };
  target.metadata = { ...target.metadata, annotations };
  if (Object.keys(annotations).length === 0) delete target.metadata.annotations;
  return { workload: result, decisions };
}

function template(workload: Workload): { metadata?: ObjectMeta } | undefined {
  return workload.kind === 'CronJob' ? workload.spec.jobTemplate?.spec?.template : workload.spec.template;
}
