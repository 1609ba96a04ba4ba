import type { AgentSpec } from '../crds/agent.ts';
import type { ClusterTracingPolicy } from '../crds/tracing-policy.ts';
import type { AgentChoice } from './resolve.ts';

/** Condition of a policy whose new agent does not spread any more. Written by the operator, read by every webhook. */
export const CANARY_HALTED = 'CanaryHalted';

/** Left out in a policy. */
export const HALT_ON_RESTARTS = 3;

/** The new agent of a policy, as any other is said: it is pulled as that is. Undefined where there is none. */
export function canaryAgent({ canary, imagePullPolicy }: AgentSpec): AgentChoice | undefined {
  return canary && { image: canary.image, ...(imagePullPolicy && { imagePullPolicy }) };
}

/**
 * Whether the new agent of a policy has been stopped. It is so for the very generation of the policy in which it was, so that
 * whoever changes the policy lets it spread again; and whoever reads policies knows it, after any restart.
 */
export function isCanaryHalted({ metadata, status }: ClusterTracingPolicy): boolean {
  const condition = status?.conditions?.find(({ type }) => type === CANARY_HALTED);
  return condition?.status === 'True' && condition.observedGeneration === metadata.generation;
}
