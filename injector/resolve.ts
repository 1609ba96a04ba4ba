import { createHash } from 'node:crypto';
import type { TracingPolicy, TracingPolicySpec } from '../crds/tracing-policy.ts';
import { NO_POLICY } from './names.ts';
import type { PolicyDocument, PolicyDocumentSpec } from './policy-document.ts';
import { selects } from './selector.ts';

/** What the chart's `defaultPolicy` says; it fills the fields that a policy leaves out and applies where none matches. */
export type DefaultPolicy = Omit<TracingPolicySpec, 'selector'>;

/** What applies to one pod, and what else would have. */
export interface Resolution {
  /** Undefined where nothing applies: no policy matches and the chart's default has no exporter. */
  document: PolicyDocument | undefined;
  /** Every policy of the namespace that matches, the one in force first. */
  candidates: TracingPolicy[];
}

/**
 * Says which policy applies to a pod. Webhook, controllers and CLI all ask here, so they cannot disagree.
 *
 * Of several policies whose selector matches, the oldest wins, then the first by name: adding a policy never silently
 * changes what pods under an existing one do.
 */
export function resolve(
  policies: readonly TracingPolicy[],
  pod: { namespace: string; labels?: Record<string, string> | undefined },
  defaults: DefaultPolicy,
): Resolution {
  const candidates = policies
    .filter((policy) => policy.metadata.namespace === pod.namespace && selects(policy.spec.selector, pod.labels))
    .sort(
      (a, b) =>
        a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
        (a.metadata.name < b.metadata.name ? -1 : 1),
    );
  const winner = candidates[0];
  return { document: winner ? policyDocument(winner, defaults) : defaultDocument(defaults), candidates };
}

/** The document of one policy; the chart's default fills what it leaves out. */
export function policyDocument(policy: TracingPolicy, defaults: DefaultPolicy): PolicyDocument {
  const { name, namespace } = policy.metadata;
  return document(`policy.${name}.json`, `TracingPolicy ${namespace}/${name}`, complete(policy.spec, defaults));
}

/** The document of the chart's default alone; undefined while it would send spans nowhere. */
export function defaultDocument(defaults: DefaultPolicy): PolicyDocument | undefined {
  if (!defaults.exporters?.length) return undefined;
  return document('chart-default.json', 'chart default', complete({}, defaults));
}

/** The values of the pod annotations `tracing.acme/policy-key` and `-revision` for a resolution. */
export function policyMark(document: PolicyDocument | undefined): { key: string; revision: string } {
  return document ? { key: document.key, revision: document.revision } : { key: NO_POLICY, revision: NO_POLICY };
}

function document(key: string, source: string, spec: PolicyDocumentSpec): PolicyDocument {
  const revision = createHash('sha256').update(canonical(spec)).digest('hex').slice(0, 12);
  return { key, revision, source, spec };
}

function complete(spec: TracingPolicySpec, defaults: DefaultPolicy): PolicyDocumentSpec {
  return {
    sampling: { ratio: spec.sampling?.ratio ?? defaults.sampling?.ratio ?? 1 },
    exporters: (spec.exporters ?? defaults.exporters ?? []).map((exporter) => ({
      name: exporter.name,
      protocol: exporter.protocol ?? 'http/protobuf',
      endpoint: exporter.endpoint,
      headers: exporter.headers ?? [],
    })),
    propagators: spec.propagators ?? defaults.propagators ?? ['tracecontext', 'baggage'],
    resource: { attributes: { ...defaults.resource?.attributes, ...spec.resource?.attributes } },
  };
}

/** JSON with sorted keys: two equal values give one text, whatever order the API server kept. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, node: unknown) =>
    node && typeof node === 'object' && !Array.isArray(node)
      ? Object.fromEntries(Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1)))
      : node,
  );
}
