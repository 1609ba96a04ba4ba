import type { LabelSelector } from '../../crds/tracing-policy.ts';
import { selects } from '../../injector/selector.ts';
import type { RestartedKind } from './restart.ts';
import type { WorkloadObject } from './workload.ts';
import { standing, takesAway } from './workload.ts';

/** A pod of the workload, as the API server sends it. */
export interface OldPod {
  metadata: { name: string; annotations?: Record<string, string> };
  status?: { containerStatuses?: ContainerStatus[] };
}

export interface ContainerStatus {
  name: string;
  restartCount?: number;
  state?: { waiting?: { reason?: string }; terminated?: Ended };
  lastState?: { terminated?: Ended };
}

interface Ended {
  exitCode?: number;
  reason?: string;
  finishedAt?: string | null;
}

export interface DisruptionBudget {
  metadata: { name: string };
  spec?: { selector?: LabelSelector };
  status?: { disruptionsAllowed?: number };
}

export interface Candidate {
  kind: RestartedKind;
  workload: WorkloadObject;
  pods: readonly OldPod[];
  budgets: readonly DisruptionBudget[];
  /** Milliseconds since 1970. */
  now: number;
}

/** A container that was restarted so lately does not run well by itself. */
const LATELY = 600_000;

/** What keeps a workload from being restarted now, for people; undefined where nothing does. Pure. */
export function obstacle(candidate: Candidate): string | undefined {
  const { kind, workload } = candidate;
  const { spec } = workload;
  if (spec.paused) return 'it is paused; kubectl rollout resume lets it be restarted';
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  if (type === 'OnDelete') return 'its updateStrategy is OnDelete; delete its pods yourself, one by one';
  if ((rollingUpdate?.partition ?? 0) > 0)
    return `its updateStrategy has the partition ${rollingUpdate!.partition}: pods below that would stay as they are; set it to 0`;
  return isUnwell(candidate) ?? byBudget(kind, candidate);
}

/** How often a container of these pods was restarted at most. */
export function mostRestarts(pods: readonly OldPod[]): number {
  const counts = pods.flatMap(({ status }) => (status?.containerStatuses ?? []).map((each) => each.restartCount ?? 0));
  return Math.max(0, ...counts);
}

/** Of pods that crash: which container, and how it ended, for people; rather one of which that is known. */
export function lastWords(pods: readonly OldPod[]): string {
  const crashed = pods.flatMap(({ metadata, status }) =>
    (status?.containerStatuses ?? [])
      .filter(({ restartCount = 0 }) => restartCount > 0)
      .map((container) => ({ pod: metadata.name, ...container })),
  );
  const told = crashed.find((each) => exitOf(each) !== undefined) ?? crashed[0];
  if (!told) return 'its containers ended again and again';
  const { pod, name, restartCount = 0, state } = told;
  const times = `container ${name} of pod ${pod} ended ${restartCount + (state?.terminated ? 1 : 0)} times`;
  const { exitCode, reason } = exitOf(told) ?? {};
  // Error is said of every exit code but 0.
  const why = reason === undefined || reason === 'Error' ? '' : ` (${reason})`;
  return exitCode === undefined ? times : `${times}, last with exit code ${exitCode}${why}`;
}

/**
 * Whether it is known how a container of these pods ended. Of one that has just been started again the kubelet may have forgotten it,
 * until it ends the next time.
 */
export function knowsEnd(pods: readonly OldPod[]): boolean {
  return pods.some(({ status }) =>
    status?.containerStatuses?.some((each) => (each.restartCount ?? 0) > 0 && exitOf(each) !== undefined),
  );
}

function exitOf({ state, lastState }: ContainerStatus): Ended | undefined {
  return [state?.terminated, lastState?.terminated].find((ended) => ended?.exitCode !== undefined);
}

function isUnwell({ kind, workload, pods, now }: Candidate): string | undefined {
  const { healthy, available, wanted, updated } = standing(kind, workload);
  if (!healthy)
    return `it is not well, or in a rollout: ${available} of ${wanted} pods available, ${updated} up to date`;
  const crashed = pods.find(({ status }) =>
    status?.containerStatuses?.some(({ state, lastState }) => {
      const ended = state?.terminated?.finishedAt ?? lastState?.terminated?.finishedAt;
      return typeof ended === 'string' && now - Date.parse(ended) < LATELY;
    }),
  );
  return crashed && `its pods crash by themselves: ${lastWords([crashed])}`;
}

/** Rollouts heed no PodDisruptionBudget: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/ */
function byBudget(kind: RestartedKind, { workload, budgets }: Candidate): string | undefined {
  const takes = takesAway(kind, workload);
  const { labels } = workload.spec.template.metadata ?? {};
  for (const { metadata, spec, status } of budgets) {
    // An empty selector of policy/v1 selects all pods of the namespace, a missing one none.
    if (!spec?.selector || !selects(spec.selector, labels)) continue;
    const allowed = status?.disruptionsAllowed ?? 0;
    if (takes > allowed)
      return `the PodDisruptionBudget ${metadata.name} lets ${allowed} of its pods be away, and its rollout would take ${takes} at a time`;
  }
  return undefined;
}
