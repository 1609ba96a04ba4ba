// What the page is sent, in JSON. The browser's code imports these types and nothing else of the operator.

/** Something that is not as it should be, as `kubectl tracing status` says it. */
export interface Trouble {
  /** One word, as in a policy's status or in a pod's `tracing.acme/status`. */
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

/** How it stands with a workload, as `kubectl tracing status` says it. */
export interface WorkloadStanding {
  kind: string;
  name: string;
  /** Pods that run or are still to. */
  pods: number;
  /** Of those, with the agent. */
  traced: number;
  /** Pods whose agents have reported, as of the last minutes. */
  reporting: number;
  /** `TracingPolicy shop/default`, `chart default`, `none`; several with commas. */
  policy: string;
  /**
   * `Traced`, `SwitchedOff`, `NoPolicy`, `NoExporter`, or the first reason of its troubles: docs/reference/status.md and
   * decisions.md.
   */
  state: string;
  troubles: Trouble[];
}

export interface WorkloadState extends WorkloadStanding {
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
