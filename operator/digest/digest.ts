import * as z from 'zod';
import { owner } from '../../injector/resource.ts';
import { isLive } from '../policy/cluster-view.ts';
import type { PodMeta } from '../policy/cluster-view.ts';
import type { KeptReport } from '../reports/report.ts';
import { complaintsOf, obstacle } from '../status/complaints.ts';

const counts = z.record(z.string(), z.number());

/** What the agents of one workload say of themselves, put together. `kubectl tracing explain` shows it. */
const digest = z.object({
  kind: z.string(),
  name: z.string(),
  /** ISO 8601. */
  writtenAt: z.string(),
  /** What changes rarely. Where something is counted, it is by processes. */
  facts: z.object({
    pods: z.number(),
    processes: z.number(),
    /** Agents, versions of Node.js, and `KEY REVISION` of the policy in force. */
    agents: counts,
    nodes: counts,
    policies: counts,
    /** `express@5.1.0` */
    libraries: counts,
    /** `pg@6.4.2: its instrumentation is for other versions` */
    uninstrumented: counts,
    problems: z.array(z.string()),
    troubles: z.array(z.string()),
    failures: z.array(z.string()),
  }),
  /** What runs: sums over the processes, each since its start. */
  numbers: z.object({
    /** By the names of injector/agent/report-body.ts. */
    spans: counts,
    exporters: z.record(z.string(), counts),
    /** By exporter, the id of a trace that arrived there last. */
    traces: z.record(z.string(), z.string()).optional(),
    /** By exporter, what all processes together have to send of late; of those that have said so often enough. */
    rates: z.record(z.string(), z.object({ spansPerSecond: z.number(), bytesPerSecond: z.number() })).optional(),
    /** Of what else than spans is sent. */
    signals: z.record(z.string(), counts),
    /** Bytes that one process needs for the agent, as it guesses itself: the most of any. */
    memory: z.number().optional(),
  }),
});

export type Digest = z.infer<typeof digest>;

/** Of a namespace, so that all together stay far below the mebibyte that an object may have, also in letters of several bytes. */
export const LIMITS = { workloads: 100, characters: 250_000, libraries: 64, texts: 8 } as const;

/** One for each workload of a namespace that has agents which report, by key of the ConfigMap, as many as fit there. Pure. */
export function digestsOf(
  pods: readonly PodMeta[],
  reports: (podUid: string) => KeptReport[],
  now: number,
): Map<string, Digest> {
  const digests = new Map<string, Digest>();
  let characters = 0;
  for (const [key, made] of workloadDigests(pods, reports, now, LIMITS.workloads)) {
    characters += JSON.stringify(made).length;
    if (characters > LIMITS.characters) break;
    digests.set(key, made);
  }
  return digests;
}

/** The same of all workloads, or of so many at most. Pure. */
export function workloadDigests(
  pods: readonly PodMeta[],
  reports: (podUid: string) => KeptReport[],
  now: number,
  most = Infinity,
): Map<string, Digest> {
  const workloads = new Map<string, { kind: string; name: string; pods: number; reports: KeptReport[] }>();
  for (const pod of pods) {
    const said = isLive(pod) ? reports(pod.metadata.uid) : [];
    if (said.length === 0) continue;
    const { kind, name } = owner(pod) ?? { kind: 'Pod', name: pod.metadata.name };
    const key = digestKey(kind, name);
    let workload = workloads.get(key);
    if (!workload) workloads.set(key, (workload = { kind, name, pods: 0, reports: [] }));
    workload.pods++;
    workload.reports.push(...said);
  }
  const writtenAt = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  return new Map(
    [...workloads]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, most)
      .map(([key, { kind, name, pods, reports }]): [string, Digest] => [
        key,
        { kind, name, writtenAt, facts: factsOf(pods, reports), numbers: numbersOf(reports) },
      ]),
  );
}

/** `deployment.web`: what a key of a ConfigMap may be, as names of workloads are DNS names. */
export function digestKey(kind: string, name: string): string {
  return `${kind.toLowerCase()}.${name}`.slice(0, 253);
}

/** Undefined for what is not one, or of a version that we do not know. */
export function readDigest(text: string | undefined): Digest | undefined {
  try {
    return digest.safeParse(JSON.parse(text ?? '')).data;
  } catch {
    return undefined;
  }
}

function factsOf(pods: number, reports: KeptReport[]): Digest['facts'] {
  const { problems, troubles } = complaintsOf(reports);
  const failures = new Set(reports.flatMap(({ failure }) => failure ?? []));
  const tally = (of: (report: KeptReport) => string[], most: number = LIMITS.texts): Record<string, number> => {
    const found = new Map<string, number>();
    for (const report of reports) for (const each of of(report)) found.set(each, (found.get(each) ?? 0) + 1);
    return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, most));
  };
  return {
    pods,
    processes: reports.length,
    agents: tally(({ agentVersion }) => [agentVersion]),
    nodes: tally(({ nodeVersion }) => [nodeVersion]),
    policies: tally(({ key, revision }) => [`${key} ${revision}`]),
    libraries: tally(({ libraries = [] }) => libraries, LIMITS.libraries),
    uninstrumented: tally(
      ({ uninstrumented = [] }) => uninstrumented.map(({ library, why }) => `${library}: ${obstacle(why)}`),
      LIMITS.libraries,
    ),
    problems: problems.sort().slice(0, LIMITS.texts),
    troubles: troubles.sort().slice(0, LIMITS.texts),
    failures: [...failures].sort().slice(0, LIMITS.texts),
  };
}

function numbersOf(reports: KeptReport[]): Digest['numbers'] {
  const spans: Record<string, number> = {};
  const exporters: Record<string, Record<string, number>> = {};
  const traces: Record<string, string> = {};
  const rates: Record<string, { spansPerSecond: number; bytesPerSecond: number }> = {};
  const signals: Record<string, Record<string, number>> = {};
  let memory: number | undefined;
  for (const report of reports.toSorted((a, b) => a.receivedAt - b.receivedAt)) {
    addTo(spans, report.counters ?? {});
    for (const { name, rate, lastTrace, ...exporter } of report.exporters ?? []) {
      addTo((exporters[name] ??= {}), exporter);
      if (lastTrace !== undefined) traces[name] = lastTrace;
      const sum = rates[name];
      if (rate && sum) {
        sum.spansPerSecond += rate.spansPerSecond;
        sum.bytesPerSecond += rate.bytesPerSecond;
      } else if (rate) rates[name] = { ...rate };
    }
    for (const [signal, counted] of Object.entries(report.signals ?? {}))
      addTo((signals[signal] ??= {}), counted ?? {});
    if (report.memory !== undefined) memory = Math.max(memory ?? 0, report.memory);
  }
  return {
    spans,
    exporters,
    ...(Object.keys(traces).length > 0 && { traces }),
    ...(Object.keys(rates).length > 0 && { rates }),
    signals,
    ...(memory !== undefined && { memory }),
  };
}

/** Whatever is counted: a newer agent may count more. */
function addTo(sums: Record<string, number>, counted: object): void {
  for (const [name, value] of Object.entries(counted))
    if (typeof value === 'number') sums[name] = (sums[name] ?? 0) + value;
}
