import type { ClusterTracingPolicy, TracingPolicy } from '../../crds/tracing-policy.ts';
import type { ObjectMeta } from '../../injector/pod.ts';
import type { DefaultPolicy } from '../../injector/resolve.ts';
import type { Digest } from '../digest/digest.ts';
import type { Reach } from '../reach.ts';

/** What the installed operator says of itself. */
export interface Installation {
  namespace: string;
  name: string;
  /** Which namespaces' pods it looks at. */
  reach: Reach;
  /** Namespaces in which pods that ask opentelemetry-operator are traced. */
  takenOver: string[];
  /** PEM of the authorities by which the API server knows the webhook; undefined while there is none. */
  authority?: string;
  /** Undefined where its Deployment cannot be read. */
  readyReplicas?: number;
  replicas?: number;
  version?: string;
  defaults?: DefaultPolicy;
  agentImage?: string;
  /** Whether it may patch workloads. */
  changeWorkloads?: boolean;
}

export interface StoredPolicies {
  /** Undefined where they cannot be read. */
  namespaced?: TracingPolicy[];
  cluster?: ClusterTracingPolicy[];
  /** Policies that this version cannot read, with why. */
  unreadable: string[];
}

/** A pod that runs or is still to, by its metadata alone. */
export interface PodMeta {
  metadata: ObjectMeta & { name: string; namespace: string; creationTimestamp?: string; deletionTimestamp?: string };
}

/** Who leads the operator's replicas. */
export interface Leader {
  /** The pod's name. */
  name: string;
  /** Whether there is no such pod any more. */
  isGone?: boolean;
  /** Milliseconds since 1970. */
  renewedAt: number;
}

/** All that is known about a namespace, or about all of them. */
export interface StatusFacts extends StoredPolicies {
  /** Undefined: all namespaces. */
  namespace?: string;
  /** Undefined where they cannot be read. */
  pods?: PodMeta[];
  /** By name; undefined where it cannot be read. */
  namespaceLabels: Map<string, Record<string, string>>;
  /** What agents report, by namespace. */
  digests: Map<string, Digest[]>;
  /** `absent`: it can be seen that there is none. Undefined: it cannot be seen. */
  installation?: Installation | 'absent';
  leader?: Leader;
  closed: string[];
  /** Milliseconds since 1970. */
  now: number;
}
