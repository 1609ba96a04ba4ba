import type { PolicyStatus } from '../../crds/tracing-policy.ts';
import type { ProblemWorkload, StaleWorkload } from '../status/summary.ts';
import type { Hold } from './controller.ts';
import type { Restart } from './restart.ts';

/** What a policy's status says of its restarts. */
export interface Progress {
  counts: NonNullable<PolicyStatus['rollout']>;
  /** Those of the policy, with what keeps them from being restarted where anything does. */
  workloads: ProblemWorkload[];
  /** What is wrong: a reason of the condition Degraded, and for people. */
  problems: [reason: string, message: string][];
}

interface ProgressFacts {
  restarts: readonly (Restart & { namespace: string })[];
  stale: readonly StaleWorkload[];
  workloads: readonly ProblemWorkload[];
  /** Undefined: nothing may be restarted. */
  holds: readonly Hold[] | undefined;
}

const NOT_ALLOWED =
  "spec.rollout asks for restarts, and the chart's value changeWorkloads is false: the operator may change no workload. Restart them yourself, or set it to true";

/** Puts together how far a policy's restarts are. Pure. */
export function progress({ restarts, stale, workloads, holds }: ProgressFacts): Progress {
  const isKnown = (each: StaleWorkload) => restarts.some((restart) => isSame(restart, each));
  const rolledBack = restarts.filter(({ phase }) => phase === 'RolledBack');
  const names = rolledBack.map(({ namespace, kind, name }) => `${kind} ${namespace}/${name}`).sort();
  return {
    counts: {
      waiting: stale.filter((each) => !isKnown(each)).length,
      restarting: restarts.filter(({ phase }) => phase === 'Restarting' || phase === 'CrashLooping').length,
      rolledBack: rolledBack.length,
    },
    workloads: workloads.map((row) => {
      if (!holds || !WAITING.has(row.reason) || !stale.some((each) => isSame(each, row))) return row;
      const hold = holds.find((each) => isSame(each, row));
      if (hold) return { ...row, reason: 'RestartHeld', message: `not restarted: ${hold.why}` };
      return { ...row, message: 'it will be restarted, as spec.rollout says' };
    }),
    problems: [
      ...(holds ? [] : [['RestartsNotAllowed', NOT_ALLOWED] as [string, string]]),
      ...(names.length > 0
        ? [
            [
              'RolledBack',
              `crashed with the agent and have none any more, see status.workloads: ${names.join(', ')}`,
            ] as [string, string],
          ]
        : []),
    ],
  };
}

const WAITING = new Set<ProblemWorkload['reason']>(['Missing', 'Outdated']);

function isSame(a: StaleWorkload, b: StaleWorkload): boolean {
  return a.namespace === b.namespace && a.kind === b.kind && a.name === b.name;
}
