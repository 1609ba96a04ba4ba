import type { Digest } from '../digest/digest.ts';
import { flowText } from './flow.ts';

/** What became of spans, in the order in which one follows from the other; whatever else is counted comes after. */
const FATES = ['started', 'sampled', 'kept', 'exported'];
/** Of an exporter. */
const OWN_WORDS = ['queued', 'queueSize', 'bytes'];

/** What the agents of a workload say, a line for each thing. Pure. @param now milliseconds since 1970. */
export function reportLines({ facts, numbers, writtenAt }: Digest, now: number): string[] {
  const { exceptions = 0, ...spans } = numbers.spans;
  const fates = FATES.filter((name) => name in spans).map((name) => `${spans[name]} ${name}`);
  const losses = Object.entries(spans).filter(([name, count]) => !FATES.includes(name) && count > 0);
  const exporters = Object.entries(numbers.exporters).map(([name, counted]) => {
    const { queued = 0, queueSize = 0 } = counted;
    const others = Object.entries(counted).filter(([each]) => !OWN_WORDS.includes(each));
    const rate = numbers.rates?.[name];
    const trace = numbers.traces?.[name];
    return [
      `exporter ${name}: ${others.map(([each, count]) => `${count} ${each}`).join(', ')}, ${queued} of ${queueSize} places in its queue taken`,
      ...(rate && rate.spansPerSecond > 0 ? [`about ${flowText(rate)} of late`] : []),
      ...(trace === undefined ? [] : [`last trace ${trace}`]),
    ].join('; ');
  });
  const memory = numbers.memory;
  return [
    `as of ${ago(Date.parse(writtenAt), now)}: ${count(facts.processes, 'process', 'es')} in ${count(facts.pods, 'pod')}, agent ${versions(facts.agents)}, Node.js ${versions(facts.nodes)}`,
    `acting on ${Object.entries(facts.policies)
      .map(([policy, processes]) => `${policy} (${count(processes, 'process', 'es')})`)
      .join(', ')}`,
    ...(fates.length > 0
      ? [
          `spans since the processes started: ${fates.join(', ')}; ${losses.length > 0 ? `lost: ${losses.map(([name, lost]) => `${lost} ${name}`).join(', ')}` : 'none lost'}`,
        ]
      : []),
    ...exporters,
    ...Object.entries(numbers.signals).map(
      ([signal, counted]) =>
        `${signal}: ${Object.entries(counted)
          .map(([each, number]) => `${number} ${each}`)
          .join(', ')}`,
    ),
    `instrumented: ${list(facts.libraries, facts.processes)}`,
    ...(Object.keys(facts.uninstrumented).length > 0
      ? [`not instrumented: ${list(facts.uninstrumented, facts.processes)}`]
      : []),
    ...facts.problems.map((text) => `cannot do: ${text}`),
    ...facts.troubles.map((text) => `spans are lost: ${text}`),
    ...facts.failures.map((text) => `does not trace: ${text}`),
    ...(exceptions > 0 ? [`${count(exceptions, 'error')} of the agent's own, on standard error of the processes`] : []),
    ...(memory === undefined ? [] : [`memory of the agent in a process: about ${(memory / 1e6).toFixed(1)} MB`]),
  ];
}

function versions(found: Record<string, number>): string {
  const names = Object.keys(found);
  return names.length === 1
    ? names[0]!
    : Object.entries(found)
        .map(([name, n]) => `${name} (${n})`)
        .join(', ');
}

/** Where not all processes are alike, how many it is true of. */
function list(found: Record<string, number>, processes: number): string {
  const texts = Object.entries(found).map(([name, n]) => (n === processes ? name : `${name} (${n} of ${processes})`));
  return texts.length > 0 ? texts.join(', ') : 'no library yet';
}

function count(number: number, of: string, plural = 's'): string {
  return `${number} ${of}${number === 1 ? '' : plural}`;
}

function ago(then: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  return `${Math.round(seconds / 60)} min ago`;
}
