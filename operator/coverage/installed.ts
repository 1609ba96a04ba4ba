import type { StatusFacts } from './facts.ts';

/** What removes all that `helm uninstall` keeps of ours for the whole cluster (docs/guides/upgrade.md). */
export const REMOVE_DEFINITIONS = 'kubectl delete crd tracingpolicies.tracing.acme clustertracingpolicies.tracing.acme';

/** Whether it can be seen that no operator is installed: then nobody injects, and nobody delivers a policy. */
export function isUninstalled({
  installation,
  namespaced,
  closed,
}: Pick<StatusFacts, 'installation' | 'namespaced' | 'closed'>): boolean {
  const noDefinitions = namespaced === undefined && !closed.some((text) => text.startsWith('TracingPolicies'));
  return installation === 'absent' || (installation === undefined && noDefinitions);
}
