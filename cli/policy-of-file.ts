import { POLICY } from '../injector/names.ts';
import type { PolicyDocument } from '../injector/policy-document.ts';
import type { DefaultPolicy, Policy } from '../injector/resolve.ts';
import { resolve } from '../injector/resolve.ts';
import { InputError } from './input-error.ts';
import { parseManifest } from './manifest/manifest.ts';
import type { WrittenPolicies } from './policy-file.ts';
import { policiesOf } from './policy-file.ts';

/**
 * The policy of a file that applies to a pod without labels, complete. The only TracingPolicy of a file is meant, whatever its
 * selector says.
 * @param defaults what a policy leaves out.
 * @param namespace of the pod; undefined: that of the TracingPolicies in the file.
 * @throws InputError for a file that the API server would refuse, and where no policy in it applies.
 */
export function policyOfFile(
  text: string,
  file: string,
  defaults: DefaultPolicy,
  namespace?: string,
): { policy: Policy; document: PolicyDocument } {
  const written = policiesOf(parseManifest(text, file), namespace ?? 'default', file);
  const place = namespace ?? namespaceOf(written, file);
  const [only, ...others] = written.namespaced;
  const { policy, document } = resolve(
    { ...written, defaults },
    {
      namespace: place,
      namespaceLabels: { 'kubernetes.io/metadata.name': place },
      ...(only && others.length === 0 && { annotations: { [POLICY]: only.metadata.name } }),
    },
  );
  if (!policy || !document)
    throw new InputError(
      `${file}: no policy in it applies in the namespace ${place} to a pod without labels. A TracingPolicy of that namespace is expected, or a ClusterTracingPolicy without selectors`,
    );
  return { policy, document };
}

function namespaceOf({ namespaced }: WrittenPolicies, file: string): string {
  const [first, ...others] = new Set(namespaced.map(({ metadata }) => metadata.namespace));
  if (others.length > 0)
    throw new InputError(
      `${file}: there are policies of the namespaces ${[first, ...others].join(', ')}. Which is meant? e.g. -n ${first}`,
    );
  return first ?? 'default';
}
