import type { TracingPolicySpec } from '../crds/tracing-policy.ts';

/**
 * A policy as a process gets it: resolved, complete (defaults filled in) and small. It is one value of the namespace's
 * policy ConfigMap and, at admission, the value of the pod's `tracing.acme/policy-document` annotation.
 */
export interface PolicyDocument {
  /** Key in the namespace's policy ConfigMap, and the value of the pod's `tracing.acme/policy-key` annotation. */
  key: string;
  /** Hash of `spec`: changes exactly when what a process does would change. */
  revision: string;
  /** Whom to blame, for people: `TracingPolicy shop/default`. */
  source: string;
  spec: PolicyDocumentSpec;
}

/** The part of a TracingPolicy that a process acts on: all but how the policy is matched to pods. */
export type PolicyDocumentSpec = Omit<TracingPolicySpec, 'selector'>;
