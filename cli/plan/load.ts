import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Flow } from '../../operator/coverage/flow.ts';
import type { Digest } from '../../operator/digest/digest.ts';

/** What one exporter gets from all pods that are looked at. */
export interface Load {
  /** `TracingPolicy shop/default` */
  policy: string;
  exporter: string;
  endpoint: string;
  now: Flow;
  /** If the file were applied. */
  then: Flow;
}

export interface LoadPlan {
  exporters: Load[];
  /** Workloads of which that cannot be told, as `shop deployment/order`: nothing was counted yet, or nothing is sampled now. */
  unknown: string[];
}

/** A workload whose pods have the agent. */
export interface LoadedWorkload {
  /** `shop deployment/order` */
  id: string;
  before: PolicyDocument | undefined;
  after: PolicyDocument | undefined;
  /** What its agents count; undefined where none does. */
  rates: Digest['numbers']['rates'];
}

/**
 * What each exporter would get, from what the agents have counted of late. A ratio is taken to be what decides: of what callers
 * and rules decide there are as many spans as before, and how many those are nobody counts. Pure.
 */
export function loadOf(workloads: readonly LoadedWorkload[]): LoadPlan {
  const loads = new Map<string, Load>();
  const unknown: string[] = [];
  for (const { id, before, after, rates = {} } of workloads) {
    const known = Object.values(rates);
    const factor = factorOf(before, after);
    if (factor === undefined || (known.length === 0 && factor !== 0)) unknown.push(id);
    // Each exporter gets all spans, also one that is new.
    const most = (field: keyof Flow) => Math.max(0, ...known.map((each) => each[field]));
    const all = { spansPerSecond: most('spansPerSecond'), bytesPerSecond: most('bytesPerSecond') };
    for (const { name, endpoint } of tracesOf(before)) add(before!, name, endpoint, 'now', rates[name], 1);
    for (const { name, endpoint } of tracesOf(after))
      add(after!, name, endpoint, 'then', rates[name] ?? all, factor ?? 0);
  }
  return { exporters: [...loads.values()].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1)), unknown };

  function add(
    { source }: PolicyDocument,
    exporter: string,
    endpoint: string,
    when: 'now' | 'then',
    flow: Flow | undefined,
    times: number,
  ): void {
    const key = idOf({ policy: source, exporter, endpoint });
    const none = { spansPerSecond: 0, bytesPerSecond: 0 };
    const load = loads.get(key) ?? { policy: source, exporter, endpoint, now: { ...none }, then: { ...none } };
    loads.set(key, load);
    load[when].spansPerSecond += (flow?.spansPerSecond ?? 0) * times;
    load[when].bytesPerSecond += (flow?.bytesPerSecond ?? 0) * times;
  }
}

/** How many times as many spans there would be; undefined where nobody can tell, as nothing is sampled now. */
function factorOf(before: PolicyDocument | undefined, after: PolicyDocument | undefined): number | undefined {
  if (tracesOf(after).length === 0) return 0;
  const [old, next] = [tracesOf(before).length > 0 ? before!.spec.sampling.ratio : 0, after!.spec.sampling.ratio];
  if (old === next && old > 0) return 1;
  return old > 0 ? next / old : undefined;
}

/** Exporters that get spans. */
function tracesOf(document: PolicyDocument | undefined): PolicyDocument['spec']['exporters'] {
  if (!document || document.spec.signals?.traces === false) return [];
  return document.spec.exporters.filter(({ signals }) => signals?.includes('traces') ?? true);
}

function idOf({ policy, exporter, endpoint }: Pick<Load, 'policy' | 'exporter' | 'endpoint'>): string {
  return `${policy} ${exporter} ${endpoint}`;
}
