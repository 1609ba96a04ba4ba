// What the page is sent, in JSON. The browser's code imports these types and nothing else of the operator.

/** Something that is not as it should be, as `kubectl tracing status` says it. */
export interface Trouble {
  reason: string;
  message: string;
}

/** A mesh or gateway, as the status of a policy has it. */
export interface SystemState {
  name: string;
  state: string;
  message: string;
}

export interface PolicyState {
  /** `TracingPolicy shop/default` */
  policy: string;
  matched: number;
  current: number;
  health: string;
  troubles: Trouble[];
  systems: SystemState[];
}

/** What became of spans, summed up over the processes of a workload, each since its start. */
export interface SpanSums {
  started: number;
  sampled: number;
  exported: number;
  lost: number;
}

export interface WorkloadState {
  kind: string;
  name: string;
  pods: number;
  traced: number;
  reporting: number;
  policy: string;
  /** One word: docs/reference/status.md and decisions.md. */
  state: string;
  troubles: Trouble[];
  /** What its policy says now: 0 to 1. Undefined where no policy applies, or it is off. */
  ratio?: number;
  /** Rules beside the ratio. */
  rules?: number;
  spans?: SpanSums;
}

export interface NamespaceState {
  namespace: string;
  policies: PolicyState[];
  /** Trouble first. */
  workloads: WorkloadState[];
}

/** Who looks, and at what. */
export interface ViewerState {
  user: string;
  /** Whether all namespaces are seen. */
  all: boolean;
  /** Policies of the cluster; of nobody who may not list them. */
  policies: PolicyState[];
}

export interface EventState {
  /** ISO 8601. */
  at: string;
  type: string;
  reason: string;
  note: string;
  /** `Deployment web` */
  about: string;
  count: number;
}

/** What is asked for when somebody looks at one workload. */
export interface WorkloadDetails {
  /** What its agents report, a line for each thing, as `kubectl tracing explain` says it. */
  reports: string[];
  /** Of its namespace, those about it or its pods first, then the newest first. */
  events: EventState[];
}
