import type { TracingPolicySpec } from '../../crds/tracing-policy.ts';
import type { Advice } from './advice.ts';

/** What is to be thought about in what a policy says of meshes and gateways. Pure. */
export function adviceOnGateways({ selector, exporters, mesh, gateway }: TracingPolicySpec): Advice[] {
  const found: Advice[] = [];
  const selects = Object.keys(selector?.matchLabels ?? {}).length + (selector?.matchExpressions?.length ?? 0) > 0;
  for (const [field, said] of Object.entries({ mesh, gateway }))
    if (selects && said)
      found.push({
        path: [field],
        rule: 'ForWholeNamespace',
        what: `nothing goes by this ${field}: the policy selects some pods`,
        why: 'meshes and gateways go by the policy that applies to pods without labels',
        example: 'leave it out here; or a policy of its own without selector',
      });
  if (gateway?.kong?.mode === 'Enabled' && exporters?.length && exporters.every(({ protocol }) => protocol === 'grpc'))
    found.push({
      path: ['gateway', 'kong', 'mode'],
      rule: 'KongNeedsHttp',
      what: 'Kong cannot send where the exporters do, and the policy will be Degraded',
      why: 'its plug-in speaks OTLP over HTTP alone',
      example: 'an exporter with protocol: http/protobuf and endpoint: http://otel-collector.observability:4318',
    });
  return found;
}
