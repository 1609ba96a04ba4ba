import { GROUP, VERSION } from '../../crds/tracing-policy.ts';
import type { Policy } from '../../injector/resolve.ts';

/** Where the policies of a namespace are in the API; without one, those of the cluster. */
export function policiesPath(namespace: string | undefined): string {
  const api = `/apis/${GROUP}/${VERSION}`;
  return namespace === undefined ? `${api}/clustertracingpolicies` : `${api}/namespaces/${namespace}/tracingpolicies`;
}

/** Where a policy is in the API. */
export function policyPath(policy: Policy): string {
  const namespace = policy.kind === 'TracingPolicy' ? policy.metadata.namespace : undefined;
  return `${policiesPath(namespace)}/${policy.metadata.name}`;
}
