import type { DefaultPolicy, Policy } from '../../injector/resolve.ts';

/** The condition Ready of a policy: its status, reason and message. */
export function ready(policy: Policy, defaults: DefaultPolicy): [boolean, string, string] {
  const { spec } = policy;
  if (spec.enabled === false) return [true, 'SwitchedOff', 'tracing is switched off in its pods'];
  if ((spec.exporters ?? defaults.exporters)?.length) return [true, 'Delivered', 'delivered to the pods it applies to'];
  const { agent, allowedEndpoints } = policy.kind === 'ClusterTracingPolicy' ? policy.spec : {};
  const purposes = [...(allowedEndpoints ? ['allowedEndpoints'] : []), ...(agent ? ['agent'] : [])];
  // Whoever writes such a policy leaves it to others where spans go.
  if (purposes.length > 0 && !spec.exporters)
    return [
      true,
      'Applied',
      `applied: ${purposes.join(' and ')}; where spans go is said by other policies, or nowhere`,
    ];
  return [false, 'NoExporter', "spans have nowhere to go: set spec.exporters, or the chart's defaultPolicy.exporters"];
}
