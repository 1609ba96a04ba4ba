import type * as z from 'zod';
import type { ClusterTracingPolicy, TracingPolicy } from '../crds/tracing-policy.ts';
import { clusterTracingPolicySpec, GROUP, tracingPolicySpec, VERSION } from '../crds/tracing-policy.ts';
import type { Policy } from '../injector/resolve.ts';
import type { StoredPolicies } from '../operator/coverage/facts.ts';
import { policiesPath } from '../operator/policy/policy-path.ts';
import type { Read } from './reading.ts';
import { readAll } from './reading.ts';

/** The policies of a namespace, or of all, and of the cluster. */
export async function readPolicies(read: Read, namespace: string | undefined): Promise<StoredPolicies> {
  const [namespaced, cluster] = await Promise.all([
    readAll<TracingPolicy>(
      read,
      namespace === undefined ? `/apis/${GROUP}/${VERSION}/tracingpolicies` : policiesPath(namespace),
      namespace === undefined ? 'TracingPolicies' : 'TracingPolicies of the namespace',
    ),
    readAll<ClusterTracingPolicy>(
      read,
      policiesPath(undefined),
      'ClusterTracingPolicies: one may apply that is not named here',
    ),
  ]);
  const unreadable: string[] = [];
  const readable = <P extends Policy>(list: P[] | undefined, kind: P['kind'], schema: z.ZodType<P['spec']>) =>
    list?.flatMap((policy): P[] => {
      const spec = schema.safeParse(policy.spec);
      if (spec.success) return [{ ...policy, kind, spec: spec.data }];
      const why = spec.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
      unreadable.push(`${kind} ${policy.metadata.name}: ${why}`);
      return [];
    });
  const here = readable(namespaced, 'TracingPolicy', tracingPolicySpec);
  const wide = readable(cluster, 'ClusterTracingPolicy', clusterTracingPolicySpec);
  return { ...(here && { namespaced: here }), ...(wide && { cluster: wide }), unreadable };
}
