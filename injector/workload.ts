import { INJECT, INJECT_FROM_WORKLOAD } from './names.ts';
import type { Decision } from './decision.ts';
import { inject, invalidAnnotation } from './inject.ts';
import type { ObjectMeta } from './pod.ts';

/** Kinds whose own annotation counts for the pods they make. */
export const WORKLOAD_KINDS = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'];

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

/** What a workload and its pod template say of injection. */
export interface InjectAnnotations {
  /** `tracing.acme/inject` of the workload itself. */
  own?: string | undefined;
  /** `tracing.acme/inject` of its pod template. */
  copy?: string | undefined;
  /** `tracing.acme/inject-from-workload` of its pod template. */
  mark?: string | undefined;
}

export function injectAnnotations(workload: Workload): InjectAnnotations {
  const current = template(workload)?.metadata?.annotations;
  return {
    own: workload.metadata.annotations?.[INJECT],
    copy: current?.[INJECT],
    mark: current?.[INJECT_FROM_WORKLOAD],
  };
}

/**
 * What has to become of the copy on the pod template, and of the mark beside it, which holds its value: while both are
 * equal the copy is ours and goes, or changes, with the annotation it came from. An annotation that the owner wrote on the
 * template, before or since, is never touched, and decides.
 *
 * @returns the value that both must have; null where both must go; undefined where nothing has to change.
 */
export function wantedCopy({ own, copy, mark }: InjectAnnotations): string | null | undefined {
  const valid = own === 'true' || own === 'false' ? own : undefined;
  // What differs from our copy has been written by the owner since, and is theirs.
  const ours = mark !== undefined && mark === copy;
  if (copy !== undefined && !ours) return undefined;
  if (valid === undefined ? mark === undefined : ours && mark === valid) return undefined;
  return valid ?? null;
}

/**
 * Copies `tracing.acme/inject` from the workload's own metadata to its pod template, so that
 * `kubectl annotate deployment web tracing.acme/inject=true` alone starts the rollout that makes its pods traced.
 *
 * @returns the very workload that was given where nothing changes.
 */
export function propagateInject(workload: Workload): { workload: Workload; decisions: Decision[] } {
  const where = `${workload.kind} ${workload.metadata.name ?? workload.metadata.generateName ?? ''}`;
  const { annotations: own } = workload.metadata;
  const decisions: Decision[] = inject(own) === 'invalid' ? [invalidAnnotation(where, own?.[INJECT])] : [];
  const wanted = wantedCopy(injectAnnotations(workload));
  if (wanted === undefined) return { workload, decisions };

  const current = template(workload)?.metadata?.annotations ?? {};
  const { [INJECT]: _inject, [INJECT_FROM_WORKLOAD]: _mark, ...others } = current;
  const annotations = wanted === null ? others : { ...others, [INJECT]: wanted, [INJECT_FROM_WORKLOAD]: wanted };
  return { workload: withAnnotations(workload, annotations), decisions };
}

/** A copy whose pod template has these annotations and no others; the very workload where it has no template. */
function withAnnotations(workload: Workload, annotations: Record<string, string>): Workload {
  const before = template(workload);
  if (!before) return workload;
  const { annotations: _, ...others } = before.metadata ?? {};
  const metadata = Object.keys(annotations).length > 0 ? { ...others, annotations } : others;
  const after = { ...before, metadata };
  const { spec } = workload;
  if (workload.kind !== 'CronJob') return { ...workload, spec: { ...spec, template: after } };
  const { jobTemplate } = spec;
  return {
    ...workload,
    spec: { ...spec, jobTemplate: { ...jobTemplate, spec: { ...jobTemplate?.spec, template: after } } },
  };
}

function template(workload: Workload): { metadata?: ObjectMeta } | undefined {
  return workload.kind === 'CronJob' ? workload.spec.jobTemplate?.spec?.template : workload.spec.template;
}
