import type { LabelSelector } from '../../crds/tracing-policy.ts';
import type { KubeObject } from '../kube/reflector.ts';
import { restartedAt, templateHash } from './restart.ts';
import type { RestartedKind, Template } from './restart.ts';

type Share = number | string;

/** A Deployment, StatefulSet or DaemonSet as the API server sends it, as far as it is read here. */
export interface WorkloadObject extends KubeObject {
  metadata: KubeObject['metadata'] & {
    namespace: string;
    uid: string;
    generation: number;
    deletionTimestamp?: string;
    managedFields?: { manager?: string; time?: string; subresource?: string }[];
  };
  spec: {
    replicas?: number;
    paused?: boolean;
    selector: LabelSelector;
    template: Template;
    strategy?: { type?: string; rollingUpdate?: { maxUnavailable?: Share } };
    updateStrategy?: { type?: string; rollingUpdate?: { maxUnavailable?: Share; partition?: number } };
  };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    availableReplicas?: number;
    desiredNumberScheduled?: number;
    updatedNumberScheduled?: number;
    numberAvailable?: number;
  };
}

/** How a workload stands with its own rollout. */
export interface Standing {
  generation: number;
  /** templateHash() of its template. */
  template: string;
  /** `tracing.acme/restarted-at` of its template. */
  value: string | undefined;
  wanted: number;
  /** Pods of the newest template, and pods that are available. */
  updated: number;
  available: number;
  /** All its pods are of the newest template and available, and its controller has seen the newest. */
  healthy: boolean;
}

export function standing(kind: RestartedKind, { metadata, spec, status = {} }: WorkloadObject): Standing {
  const isDaemonSet = kind === 'DaemonSet';
  const wanted = isDaemonSet ? (status.desiredNumberScheduled ?? 0) : (spec.replicas ?? 1);
  const updated = (isDaemonSet ? status.updatedNumberScheduled : status.updatedReplicas) ?? 0;
  const available = (isDaemonSet ? status.numberAvailable : status.availableReplicas) ?? 0;
  // Old pods of a Deployment count in this one until they are gone.
  const all = isDaemonSet ? wanted : (status.replicas ?? 0);
  return {
    generation: metadata.generation,
    template: templateHash(spec.template),
    value: restartedAt(spec.template),
    ...{ wanted, updated, available },
    healthy:
      (status.observedGeneration ?? 0) >= metadata.generation &&
      updated >= wanted &&
      available >= wanted &&
      all <= wanted,
  };
}

/** How many of its pods its own rollout may take away at a time. */
export function takesAway(kind: RestartedKind, workload: WorkloadObject): number {
  const { wanted } = standing(kind, workload);
  const { spec } = workload;
  if (kind === 'Deployment') {
    if (spec.strategy?.type === 'Recreate') return wanted;
    return share(spec.strategy?.rollingUpdate?.maxUnavailable ?? '25%', wanted, Math.floor);
  }
  return share(spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, wanted, Math.ceil);
}

function share(value: Share, of: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value;
  return round((Number.parseFloat(value) * of) / 100);
}

/** A selector as a query of the API server has it. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
  });
  return [...labels, ...expressions].join(',');
}
