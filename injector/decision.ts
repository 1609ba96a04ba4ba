/**
 * Why a pod, a container or a workload got the agent or did not. Closed, because it is a label of metrics and what tools
 * compare with. docs/reference/decisions.md explains each: a test fails when one is missing there.
 */
export const REASONS = [
  'Injected',
  'AlreadyInjected',
  'TakenOver',
  'NotAsked',
  'OptedOut',
  'InvalidAnnotation',
  'MirrorPod',
  'WindowsPod',
  'NameTaken',
  'OtherTracer',
  'EphemeralStorage',
  'AnnotationsFull',
  'AgentUnavailable',
  'RolledBack',
  'NoContainer',
  'NotSelected',
  'MeshSidecar',
  'SwitchedOff',
  'NodePermissions',
  'MountConflict',
  'SELinuxMismatch',
  'OwnerSettings',
  'MeshSettings',
  'PolicyProblem',
] as const;

export type Reason = (typeof REASONS)[number];

export interface Decision {
  /** Absent: the decision is about the whole object. */
  container?: string;
  reason: Reason;
  /** For people: what happened and, where they can act, what to do. */
  message: string;
  /** Whether the user should see it as a warning when the object is created. */
  warn?: boolean;
  /** Of OwnerSettings: the variables that the container sets itself. */
  variables?: string[];
}

/** Reasons beside which a container is traced all the same, or that speak of the policy. */
const REMARKS = new Set<Reason>(['Injected', 'TakenOver', 'OwnerSettings', 'MeshSettings', 'PolicyProblem']);

/** What is left in the annotation `tracing.acme/status` of a pod that asked for the agent. */
export interface InjectionStatus {
  /** Containers with the agent. */
  injected: string[];
  /** Containers without it, and why. */
  skipped?: Record<string, Reason>;
  /** Variables by which a container overrules its policy. */
  own?: Record<string, string[]>;
  /** Why the pod as a whole was left alone. */
  reason?: Reason;
}

export function statusOf(decisions: readonly Decision[]): InjectionStatus {
  const status: InjectionStatus = { injected: [] };
  for (const { container, reason, variables } of decisions) {
    if (container === undefined) {
      if (!REMARKS.has(reason)) status.reason = reason;
    } else if (reason === 'Injected') status.injected.push(container);
    else if (variables) (status.own ??= {})[container] = variables;
    else (status.skipped ??= {})[container] = reason;
  }
  return status;
}

/** Reasons that may not hold any more when the pod is made anew from the same template. */
const PASSING = new Set<Reason>(['NotAsked', 'OptedOut', 'AgentUnavailable', 'RolledBack']);

/** Why a pod was left alone by what its own template says, from its `tracing.acme/status`: made anew it would be again. */
export function whyLeftAlone(status: string | undefined): Reason | undefined {
  if (status === undefined) return undefined;
  try {
    const { injected, reason } = JSON.parse(status) as InjectionStatus;
    return injected.length === 0 && reason !== undefined && !PASSING.has(reason) ? reason : undefined;
  } catch {
    return undefined;
  }
}
