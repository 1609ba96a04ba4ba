import type { TracingPolicySpec } from '../../crds/tracing-policy.ts';
import type { Advice } from './advice.ts';

/** What is to be thought about in what a policy says of restarts. Pure. */
export function adviceOnRollout({ rollout, enabled }: TracingPolicySpec): Advice[] {
  if (!rollout) return [];
  const { strategy = 'Never', maxUnavailable, onCrashLoop } = rollout;
  const found: Advice[] = [];
  if (strategy === 'Never' && (maxUnavailable !== undefined || onCrashLoop !== undefined))
    found.push({
      path: ['rollout'],
      rule: 'NothingRestarted',
      what: 'it says how workloads are restarted, and none is',
      why: 'strategy is Never where it is left out',
      example: "rollout: {strategy: Restart, maxUnavailable: 2}, for which the chart's changeWorkloads has to be true",
    });
  if (strategy === 'Restart' && enabled === false)
    found.push({
      path: ['rollout', 'strategy'],
      rule: 'NothingRestarted',
      what: 'no workload is restarted while the policy is switched off',
      why: 'with enabled: false nothing would be gained by it',
      example: 'enabled: true, or leave rollout out',
    });
  return found;
}
