import type { Override } from '../crds/override.ts';
import { LONGEST_OVERRIDE, overrides } from '../crds/override.ts';
import { OVERRIDE } from './names.ts';
import type { ObjectMeta } from './pod.ts';
import type { Policies, Policy } from './resolve.ts';
import { owner } from './resource.ts';

/** Other machines' clocks may go ahead of ours by so much, milliseconds. */
const SKEW = 5 * 60_000;

/** What the annotation `tracing.acme/override` of a policy says. */
export interface ReadOverrides {
  entries: Override[];
  /** Why it counts for nothing, as a whole: `[0].ratio has to be at most 1`. Undefined while it is well. */
  problem?: string;
}

/** What is in force for a pod beside its policy, until the first of it ends. */
export interface InForce {
  /** `deployment/order` */
  workload: string;
  until: string;
  ratio?: number;
  reportSeconds?: number;
}

const NONE: ReadOverrides = { entries: [] };
/** Asked for with each pod. A policy that changes comes as another object. */
const known = new WeakMap<Policy, ReadOverrides>();

/** Of an annotation that is wrong anywhere nothing counts: half of it is not what somebody meant. */
export function readOverrides(policy: Policy): ReadOverrides {
  let read = known.get(policy);
  if (!read) known.set(policy, (read = parse(policy)));
  return read;
}

/** Those that have begun and not ended. `now`: milliseconds since 1970. */
export function activeOverrides(policy: Policy, now: number): Override[] {
  return readOverrides(policy).entries.filter((each) => !hasEnded(each, now) && !isTooLong(each, now));
}

export function hasEnded({ until }: Override, now: number): boolean {
  return Date.parse(until) <= now;
}

/** What is wrong with the annotation as it is now; undefined while all is well. */
export function overrideProblem(policy: Policy, now: number): string | undefined {
  const { entries, problem } = readOverrides(policy);
  if (problem !== undefined) return problem;
  const index = entries.findIndex((each) => isTooLong(each, now));
  return index < 0
    ? undefined
    : `[${index}].until is more than ${LONGEST_OVERRIDE / 3_600_000} hours ahead: what is meant for longer belongs into spec.sampling`;
}

/** What is in force for a pod of a namespace; undefined where nothing is. Of two for one workload the later in the list counts. */
export function overrideFor(
  policy: Policy,
  pod: Pick<ObjectMeta, 'name' | 'labels' | 'ownerReferences'>,
  namespace: string,
  now: number,
): InForce | undefined {
  const active = activeOverrides(policy, now);
  if (active.length === 0) return undefined;
  const workload = workloadOf(pod);
  const own = active.filter((each) => each.workload === workload && (each.namespace ?? namespace) === namespace);
  if (own.length === 0) return undefined;
  const ratio = own.findLast((each) => each.ratio !== undefined)?.ratio;
  const reportSeconds = own.findLast((each) => each.reportSeconds !== undefined)?.reportSeconds;
  return {
    workload,
    until: own.map(({ until }) => until).sort()[0]!,
    ...(ratio !== undefined && { ratio }),
    ...(reportSeconds !== undefined && { reportSeconds }),
  };
}

/** Whether agents of a namespace report more often for a while, as somebody watches them. */
export function isWatchedClosely({ namespaced, cluster, now }: Policies, namespace: string): boolean {
  return [...namespaced, ...cluster].some((policy) =>
    activeOverrides(policy, now ?? 0).some(
      (each) => each.reportSeconds !== undefined && (each.namespace ?? namespace) === namespace,
    ),
  );
}

/** As an override calls the workload of a pod. */
export function workloadOf(pod: Pick<ObjectMeta, 'name' | 'labels' | 'ownerReferences'>): string {
  const { kind, name } = owner({ metadata: pod }) ?? { kind: 'Pod', name: pod.name ?? '' };
  return `${kind.toLowerCase()}/${name}`;
}

function parse(policy: Policy): ReadOverrides {
  const text = policy.metadata.annotations?.[OVERRIDE];
  if (text === undefined) return NONE;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { entries: [], problem: `it is no JSON: ${(error as Error).message}` };
  }
  const read = overrides.safeParse(value);
  if (!read.success) {
    const [issue] = read.error.issues;
    return { entries: [], problem: `${place(issue!.path)}${issue!.message}` };
  }
  if (policy.kind === 'ClusterTracingPolicy') {
    const index = read.data.findIndex(({ namespace }) => namespace === undefined);
    if (index >= 0)
      return {
        entries: [],
        problem: `[${index}].namespace is missing: a ClusterTracingPolicy is for many, e.g. "shop"`,
      };
  }
  return { entries: read.data };
}

function isTooLong({ until }: Override, now: number): boolean {
  return Date.parse(until) > now + LONGEST_OVERRIDE + SKEW;
}

function place(path: readonly PropertyKey[]): string {
  const [index, ...fields] = path;
  return index === undefined ? '' : `${[`[${String(index)}]`, ...fields.map(String)].join('.')}: `;
}
