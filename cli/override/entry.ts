import type { Override } from '../../crds/override.ts';
import { overrides } from '../../crds/override.ts';
import { hasEnded, readOverrides } from '../../injector/override.ts';
import type { Policy } from '../../injector/resolve.ts';
import { InputError, firstIssue, fieldPath } from '../input-error.ts';

/** What an entry is about: how many traces are recorded, or how often agents report. */
export type Purpose = 'ratio' | 'reportSeconds';

/** Whose entry it is, and of what. */
export interface Whose {
  namespace: string;
  /** `deployment/order` */
  workload: string;
  purpose: Purpose;
}

/**
 * The annotation of a policy with another entry in the place of the one before, and without those that have ended. `now`:
 * milliseconds since 1970, as the operator has it.
 * @throws InputError where the result is not what the annotation may be.
 */
export function withEntry(policy: Policy, whose: Whose, entry: Pick<Override, Purpose | 'until'>, now: number): string {
  const { namespace, workload } = whose;
  const list = [
    ...others(policy, whose, now),
    { ...(policy.kind === 'ClusterTracingPolicy' && { namespace }), workload, ...entry },
  ];
  const checked = overrides.safeParse(list);
  const issue = firstIssue(checked);
  if (issue && issue.path.length === 0)
    throw new InputError(
      `the policy has ${list.length - 1} overrides already, and 16 are allowed. Take one back: kubectl tracing sampling KIND/NAME --cancel`,
    );
  if (issue) throw new InputError(`${fieldPath(issue.path.slice(1))} ${issue.message}, e.g. --ratio 0.5`);
  return JSON.stringify(list);
}

/** The annotation without an entry; null, as a merge patch takes something away, where nothing is left. */
export function withoutEntry(policy: Policy, whose: Whose, now: number): string | null {
  const left = others(policy, whose, now);
  return left.length > 0 ? JSON.stringify(left) : null;
}

/** The entry as it stands there; undefined where there is none that counts. */
export function entryOf(policy: Policy, whose: Whose, now: number): Override | undefined {
  return readOverrides(policy).entries.findLast((each) => !hasEnded(each, now) && isOf(each, policy, whose));
}

function others(policy: Policy, whose: Whose, now: number): Override[] {
  return readOverrides(policy).entries.filter((each) => !hasEnded(each, now) && !isOf(each, policy, whose));
}

function isOf(entry: Override, { metadata }: Policy, { namespace, workload, purpose }: Whose): boolean {
  const own = 'namespace' in metadata ? metadata.namespace : undefined;
  return entry.workload === workload && (entry.namespace ?? own) === namespace && entry[purpose] !== undefined;
}

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of `90s`, `10m` or `2h`. @param option as it is called on the command line. @throws InputError */
export function lengthOf(text: string, option: string, [least, most]: [least: string, most: string]): number {
  const millis = millisOf(text);
  if (millis === undefined || millis < millisOf(least)! || millis > millisOf(most)!)
    throw new InputError(
      `${option} ${JSON.stringify(text)}: a whole number of s, m or h from ${least} to ${most} is expected, e.g. ${option} 10m`,
    );
  return millis;
}

function millisOf(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,6})([smh])$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * UNITS[unit as keyof typeof UNITS];
}

/** A time as an annotation has it, to the second. */
export function timeOf(millis: number): string {
  return new Date(millis).toISOString().replace(/\.\d+Z$/, 'Z');
}
