import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { WebhookMetrics } from '../webhook/server.ts';
import type { DropReason } from './events/recorder.ts';
import type { QueueObserver } from './kube/workqueue.ts';
import type { QueueFill } from './reports/queues.ts';
import type { SpanCounts } from './reports/spans.ts';

export const registry = new Registry();
collectDefaultMetrics({ register: registry });

// The names are controller-runtime's: dashboards and alerts for them exist.
// https://book.kubebuilder.io/reference/metrics-reference
const registers = [registry];
const reconciles = new Counter({
  name: 'controller_runtime_reconcile_total',
  help: 'Reconciles by controller and result',
  labelNames: ['controller', 'result'],
  registers,
});
const reconcileTime = new Histogram({
  name: 'controller_runtime_reconcile_time_seconds',
  help: 'Duration of one reconcile',
  labelNames: ['controller'],
  buckets: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
  registers,
});
const queueDepth = new Gauge({
  name: 'workqueue_depth',
  help: 'Keys waiting to be reconciled',
  labelNames: ['name'],
  registers,
});
const queueRetries = new Counter({
  name: 'workqueue_retries_total',
  help: 'Keys put back after an error',
  labelNames: ['name'],
  registers,
});
const webhookRequests = new Counter({
  name: 'controller_runtime_webhook_requests_total',
  help: 'Admission requests by HTTP status code',
  labelNames: ['webhook', 'code'],
  registers,
});
const webhookLatency = new Histogram({
  name: 'controller_runtime_webhook_latency_seconds',
  help: 'Time to answer an admission request',
  labelNames: ['webhook'],
  buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 3],
  registers,
});
const webhookInFlight = new Gauge({
  name: 'controller_runtime_webhook_requests_in_flight',
  help: 'Admission requests being answered',
  labelNames: ['webhook'],
  registers,
});
const certificateReads = new Counter({
  name: 'certwatcher_read_certificate_total',
  help: 'How often the serving certificate was looked at',
  registers,
});
const certificateReadErrors = new Counter({
  name: 'certwatcher_read_certificate_errors_total',
  help: 'How often there was no good serving certificate when it was looked at',
  registers,
});
const certificateEnd = new Gauge({
  name: 'tracing_operator_certificate_expiry_timestamp_seconds',
  help: 'When the certificate that is served ends, seconds since 1970',
  registers,
});
const decisions = new Counter({
  name: 'tracing_operator_admission_decisions_total',
  help: 'What was decided about pods, containers and workloads, by reason',
  labelNames: ['kind', 'reason'],
  registers,
});
const failures = new Counter({
  name: 'tracing_operator_admission_failures_total',
  help: 'Objects admitted unchanged because of an error in the operator',
  registers,
});
const reportsTaken = new Counter({
  name: 'tracing_operator_reports_total',
  help: 'Reports that agents gave to this replica',
  registers,
});
const nudged = new Counter({
  name: 'tracing_operator_pod_nudges_total',
  help: 'Pods told of a changed policy',
  registers,
});

// client-go's name: https://github.com/kubernetes/client-go/blob/master/tools/metrics/metrics.go
const requests = new Counter({
  name: 'rest_client_requests_total',
  help: 'Requests to the API server by method and HTTP status code; <error> where no answer came',
  labelNames: ['method', 'code'],
  registers,
});
const eventsDropped = new Counter({
  name: 'tracing_operator_events_dropped_total',
  help: 'Kubernetes events that were not written: too many about one object, too many overall, or refused',
  labelNames: ['reason'],
  registers,
});
// Each replica counts what it was told itself: the sum over replicas is right.
const spansExported = new Counter({
  name: 'tracing_operator_spans_exported_total',
  help: 'Spans that agents delivered, as they report; one that goes to two exporters counts twice',
  labelNames: ['namespace'],
  registers,
});
const spansDropped = new Counter({
  name: 'tracing_operator_spans_dropped_total',
  help: 'Spans that agents lost, as they report: the queue was full, the receiver did not take them or rejected them, or the policy took the exporter away',
  labelNames: ['namespace', 'reason'],
  registers,
});
const spansKept = new Counter({
  name: 'tracing_operator_spans_kept_total',
  help: 'Spans of requests that were not sampled, exported because those failed or were slow, as agents report',
  labelNames: ['namespace'],
  registers,
});
const heldDropped = new Counter({
  name: 'tracing_operator_held_spans_dropped_total',
  help: 'Spans of requests that were not sampled, for which agents had no room while it was not known whether to keep them',
  labelNames: ['namespace'],
  registers,
});
const exportErrors = new Counter({
  name: 'tracing_operator_export_errors_total',
  help: 'Batches that agents could not deliver, retries included, as they report',
  labelNames: ['namespace', 'exporter'],
  registers,
});
let readQueues: () => Iterable<QueueFill> = () => [];
new Gauge({
  name: 'tracing_operator_export_queue_fill_ratio',
  help: 'How full the fullest queue of an exporter is among the processes of a namespace, as they last reported; every replica says the same',
  labelNames: ['namespace', 'exporter'],
  registers,
  collect() {
    this.reset();
    for (const { namespace, exporter, fill } of readQueues()) this.set({ namespace, exporter }, fill);
  },
});
let readOutages: () => Iterable<{ namespace: string; reason: string }> = () => [];
new Gauge({
  name: 'tracing_operator_agent_unavailable',
  help: '1 for a namespace in which pods do not get the agent, because it kept them from starting; every replica says the same',
  labelNames: ['namespace', 'reason'],
  registers,
  collect() {
    this.reset();
    for (const { namespace, reason } of readOutages()) this.set({ namespace, reason }, 1);
  },
});
let readCanaries: () => Iterable<{ policy: string; halted: boolean }> = () => [];
new Gauge({
  name: 'tracing_operator_agent_canary_halted',
  help: '1 for a ClusterTracingPolicy whose new agent was stopped because its pods restart more often, 0 while it spreads; every replica says the same',
  labelNames: ['policy'],
  registers,
  collect() {
    this.reset();
    for (const { policy, halted } of readCanaries()) this.set({ policy }, halted ? 1 : 0);
  },
});
let readPods: () => Iterable<{ namespace: string; pods: Record<string, number> }> = () => [];
new Gauge({
  name: 'tracing_operator_pods',
  help: 'Pods that policies of a namespace concern, by state as in their status: matched, and of those injected, missing, and so on; every replica says the same',
  labelNames: ['namespace', 'state'],
  registers,
  collect() {
    this.reset();
    for (const { namespace, pods } of readPods())
      for (const [state, count] of Object.entries(pods)) this.set({ namespace, state }, count);
  },
});
const replaced = new Counter({
  name: 'tracing_operator_pods_replaced_total',
  help: 'Pods that never started, because of their agent, and were deleted to be made anew',
  registers,
});
const leader = new Gauge({
  name: 'leader_election_master_status',
  help: 'Whether this replica leads: 1 or 0',
  labelNames: ['name'],
  registers,
});

export const webhookMetrics: WebhookMetrics = {
  request(webhook) {
    webhookInFlight.inc({ webhook });
    return (code, seconds) => {
      webhookInFlight.dec({ webhook });
      webhookRequests.inc({ webhook, code });
      webhookLatency.observe({ webhook }, seconds);
    };
  },
  decision: (kind, reason) => decisions.inc({ kind, reason }),
  failure: () => failures.inc(),
};

/** What becomes of the serving certificate. */
export const certificateMetrics = {
  read: () => certificateReads.inc(),
  failed: () => certificateReadErrors.inc(),
  /** @param end milliseconds since 1970. */
  serving: (end: number) => certificateEnd.set(end / 1000),
};

export function queueMetrics(name: string): QueueObserver {
  return {
    depth: (length) => queueDepth.set({ name }, length),
    retried: () => queueRetries.inc({ name }),
    finished(result, seconds) {
      reconciles.inc({ controller: name, result });
      reconcileTime.observe({ controller: name }, seconds);
    },
  };
}

const SPAN_REASONS = ['queueFull', 'exportFailed', 'rejected', 'shutdown'] as const;
/** With the exporters that failed in them. */
const spanNamespaces = new Map<string, Set<string>>();
/** Agents name their exporters; of a namespace no more are listed than policies can have at a time. */
const EXPORTERS = 64;

export function countReport(namespace: string, spans: SpanCounts): void {
  reportsTaken.inc();
  let exporters = spanNamespaces.get(namespace);
  if (!exporters) spanNamespaces.set(namespace, (exporters = new Set()));
  spansExported.inc({ namespace }, spans.exported);
  spansKept.inc({ namespace }, spans.kept);
  heldDropped.inc({ namespace }, spans.heldDropped);
  for (const reason of SPAN_REASONS) spansDropped.inc({ namespace, reason }, spans[reason]);
  for (const [exporter, count] of Object.entries(spans.errors)) {
    if (exporters.size >= EXPORTERS && !exporters.has(exporter)) continue;
    exporters.add(exporter);
    exportErrors.inc({ namespace, exporter }, count);
  }
}

/** A namespace that is gone is no longer listed: there may be any number of them in the life of a cluster. */
export function forgetSpans(isThere: (namespace: string) => boolean): void {
  for (const [namespace, exporters] of spanNamespaces) {
    if (isThere(namespace)) continue;
    spanNamespaces.delete(namespace);
    for (const counter of [spansExported, spansKept, heldDropped]) counter.remove({ namespace });
    for (const reason of SPAN_REASONS) spansDropped.remove({ namespace, reason });
    for (const exporter of exporters) exportErrors.remove({ namespace, exporter });
  }
}

export const leaderMetric = (name: string) => (leads: boolean) => leader.set({ name }, leads ? 1 : 0);
export const countDroppedEvents = (reason: DropReason, count: number): void => eventsDropped.inc({ reason }, count);
export const countRequest = (method: string, code: number): void => requests.inc({ method, code: code || '<error>' });
export const countNudge = (): void => nudged.inc();
export const countReplaced = (): void => replaced.inc();
export const observeCanaries = (read: typeof readCanaries): void => void (readCanaries = read);
export const observeOutages = (read: typeof readOutages): void => void (readOutages = read);
export const observePods = (read: typeof readPods): void => void (readPods = read);
export const observeQueues = (read: typeof readQueues): void => void (readQueues = read);
