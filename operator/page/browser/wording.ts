import type { SystemState, WorkloadState } from '../state.ts';

/** How a state looks: `bad` where something is in trouble, `odd` where no spans are to be expected. */
export type Tone = 'good' | 'bad' | 'odd';

const ODD = new Set(['NoPolicy', 'NoExporter', 'SwitchedOff', 'Unknown']);

export function toneOf({ state, troubles }: Pick<WorkloadState, 'state' | 'troubles'>): Tone {
  if (troubles.length > 0) return 'bad';
  return ODD.has(state) ? 'odd' : 'good';
}

/** `10 %` */
export function percent(ratio: number): string {
  return `${Number((ratio * 100).toPrecision(3))} %`;
}

/** What the policy says of traces that begin in a workload, in a word. */
export function samplingWord({ ratio, rules = 0, state }: WorkloadState): string {
  if (ratio === undefined || state === 'SwitchedOff') return '–';
  return rules > 0 ? `${percent(ratio)} +${rules}` : percent(ratio);
}

/** The same in a sentence, and what its agents have measured. */
export function samplingLines({ ratio, rules = 0, spans }: WorkloadState): string[] {
  const lines: string[] = [];
  if (ratio !== undefined)
    lines.push(
      `${percent(ratio)} of the traces that begin here${rules > 0 ? `, but for what ${rules} ${rules === 1 ? 'rule says' : 'rules say'}` : ''}`,
    );
  if (spans && spans.started > 0)
    lines.push(
      `measured: ${percent(spans.sampled / spans.started)} of ${count(spans.started, 'span')} recorded, ${count(spans.exported, 'span')} arrived, ${spans.lost === 0 ? 'none lost' : `${spans.lost.toLocaleString('en')} lost`}`,
    );
  return lines;
}

/** The kind and namespace of a policy are plain from where it is shown, but for those of the cluster. */
export function shortPolicy(policy: string): string {
  return policy.replaceAll(/(?<!Cluster)TracingPolicy [^/ ,]+\//g, '').replaceAll('ClusterTracingPolicy ', 'cluster/');
}

/** Meshes and gateways that a namespace has to do with; those that are not there are no news. */
export function systemsInUse(systems: readonly SystemState[]): SystemState[] {
  return systems.filter(({ state }) => state !== 'NotInstalled' && state !== 'NotUsed');
}

export function count(number: number, of: string): string {
  return `${number.toLocaleString('en')} ${of}${number === 1 ? '' : 's'}`;
}
