import type { Exporter, Propagator } from '../crds/tracing-policy.ts';

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

/** The part of a policy that a process acts on, with nothing left to default. */
export interface PolicyDocumentSpec {
  sampling: { ratio: number };
  /** Empty: nothing is recorded. */
  exporters: Required<Exporter>[];
  propagators: Propagator[];
  resource: { attributes: Record<string, string> };
}
