import { OVERRIDE } from '../../injector/names.ts';
import { activeOverrides, overrideProblem } from '../../injector/override.ts';
import type { Policy } from '../../injector/resolve.ts';

const EXAMPLE = '[{"workload":"deployment/order","ratio":0.5,"until":"2026-01-31T12:00:00Z"}]';

/** The condition Overridden of a policy: its status, reason and message; undefined where nobody has overridden anything. */
export function overridden(policy: Policy, now: number): [boolean, string, string] | undefined {
  const problem = overrideProblem(policy, now);
  if (problem !== undefined)
    return [
      false,
      'InvalidAnnotation',
      `the annotation ${OVERRIDE} counts for nothing: ${problem}. Example: ${EXAMPLE}. To write one: kubectl tracing sampling deployment/order --ratio 0.5 --for 10m`,
    ];
  const active = activeOverrides(policy, now);
  if (active.length === 0) return undefined;
  const parts = active.map(({ namespace, workload, until, ratio, reportSeconds }) => {
    const where = namespace === undefined ? workload : `${namespace} ${workload}`;
    const what = [
      ...(ratio === undefined ? [] : [`ratio ${ratio}`]),
      ...(reportSeconds === undefined ? [] : [`a report every ${reportSeconds} s`]),
    ];
    return `${where}: ${what.join(', ')} until ${until}`;
  });
  return [true, 'Temporary', parts.join('; ')];
}
