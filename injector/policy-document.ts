import type { Exporter } from '../crds/exporter.ts';
import type { Signal } from '../crds/signals.ts';
import type { Instrumentation } from '../crds/instrumentation.ts';
import type { SamplingRule } from '../crds/sampling.ts';
import type { Propagator } from '../crds/tracing-policy.ts';

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
  sampling: DocumentSampling;
  /** Absent: traces alone. */
  signals?: DocumentSignals;
  /** Empty: nothing is recorded. */
  exporters: DocumentExporter[];
  /** Absent: as the agent does by itself; so for each of its fields. */
  batch?: DocumentBatch;
  propagators: Propagator[];
  /** Absent: all of it is passed on. */
  baggage?: { allow: string[] };
  /** Absent: labels of the pod say nothing of its service. */
  resource: { attributes: Record<string, string>; useLabels?: true };
  /** Absent: each as it is without a policy. */
  instrumentations?: Instrumentation[];
  /** Absent: as the semantic conventions say. */
  spanNames?: 'ServiceOperation';
  /** How often a process reports to the operator, while somebody watches; absent: as it does by itself. */
  reportSeconds?: number;
}

/** Absent: `parentBased` is true, there are no rules, nothing is kept and no header is looked at. */
export interface DocumentSampling {
  ratio: number;
  parentBased?: false;
  rules?: SamplingRule[];
  keep?: DocumentKeep;
  force?: DocumentForce;
}

/** Which requests are kept that were not sampled: those that fail, those that take longer. One of them at least is there. */
export interface DocumentKeep {
  errors?: true;
  slowerThanMillis?: number;
}

/** Requests that are sampled because they have a header, and how many of them. */
export interface DocumentForce {
  /** In lower case. */
  header: string;
  maxPerSecond: number;
}

/** What is not as it is when nothing is said. */
export interface DocumentSignals {
  traces?: false;
  metrics?: true;
  logs?: true;
  logCorrelation?: true;
}

/** For each destination and signal. */
export interface DocumentBatch {
  maxQueue?: number;
  maxBatch?: number;
  delayMillis?: number;
  timeoutMillis?: number;
}

/** A destination. A `file` is a path below the pod's credentials directory (injector/credentials.ts). */
export interface DocumentExporter {
  name: string;
  protocol: NonNullable<Exporter['protocol']>;
  endpoint: string;
  headers: ({ name: string; value: string } | { name: string; file: string })[];
  /** Absent: Node.js' own authorities, and no client certificate. */
  tls?: { ca?: string; cert?: string; key?: string };
  /** Absent: none. */
  compression?: 'gzip';
  /** Of one request; absent: 10 s. */
  timeoutMillis?: number;
  /** Absent: as the agent does by itself; false: a batch is tried once. */
  retry?: { initialMillis?: number; maxMillis?: number } | false;
  /** Absent: all that are on. */
  signals?: Signal[];
}
