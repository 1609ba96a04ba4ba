import { OVERRIDE } from '../../injector/names.ts';
import type { Policy } from '../../injector/resolve.ts';
import { describePolicy } from '../../injector/resolve.ts';
import { ApiError, MERGE_PATCH } from '../../operator/kube/client.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { policyPath } from '../../operator/policy/policy-path.ts';
import { InputError } from '../input-error.ts';

const FIELD_MANAGER = 'kubectl-tracing';
/** Times that somebody else may change the policy meanwhile. */
const TRIES = 5;

/**
 * Writes a policy's annotation from what it is now; what somebody else writes at the same time is not lost.
 * @param change gives the new text, null to take the annotation away, undefined to leave it.
 * @returns the policy as it is then.
 * @throws InputError where it may not be written, or is gone.
 */
export async function changeOverrides(
  client: KubeClient,
  policy: Policy,
  change: (now: Policy) => string | null | undefined,
): Promise<Policy> {
  for (let attempt = 1; ; attempt++) {
    const found = attempt === 1 ? policy : await client.request<Policy>('GET', policyPath(policy));
    const now = { ...found, kind: policy.kind } as Policy;
    const text = change(now);
    if (text === undefined) return now;
    const { resourceVersion } = now.metadata;
    const metadata = { resourceVersion, annotations: { [OVERRIDE]: text } };
    const changed = await patch(client, policy, { metadata }).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 409 || attempt === TRIES) throw error;
    });
    if (changed) return { ...changed, kind: policy.kind } as Policy;
  }
}

async function patch(client: KubeClient, policy: Policy, body: unknown): Promise<Policy> {
  try {
    return await client.request<Policy>('PATCH', policyPath(policy), {
      query: { fieldManager: FIELD_MANAGER },
      contentType: MERGE_PATCH,
      body,
    });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) throw new InputError(`${describePolicy(policy)} is gone`);
    if (error.status !== 401 && error.status !== 403) throw error;
    const role =
      policy.kind === 'TracingPolicy'
        ? 'the role edit in its namespace is enough'
        : 'that takes a right to patch ClusterTracingPolicies';
    throw new InputError(`you may not patch ${describePolicy(policy)}: ${role}`);
  }
}
