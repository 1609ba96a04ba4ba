import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import type { Problem } from '../explain/problem.ts';

/** What has to hold before a span arrives, in the order in which one follows from the other. */
export const LINKS = ['injected', 'started', 'instrumented', 'asked', 'sampled', 'exported', 'accepted'] as const;
export type Link = (typeof LINKS)[number];

export interface Step {
  link: Link;
  /** `unknown`: a link before it is broken, or nobody can tell. */
  state: 'ok' | 'broken' | 'unknown';
  /** For people. */
  text: string;
}

export interface Verdict {
  /** Whether spans arrive at every exporter. */
  found: boolean;
  steps: Step[];
  /** The first link that is broken. */
  broken?: Link;
  /** The command to type next, where one is. */
  next?: string;
}

/** What was seen of a workload while it was watched. */
export interface Seen {
  /** `deployment/order` */
  workload: string;
  namespace: string;
  /** Pods that run, and those of them with the agent. */
  pods: number;
  injected: number;
  /** What `explain` finds of the pods themselves. */
  problems: Problem[];
  document: PolicyDocument | undefined;
  /** What its agents said when they began to be watched; undefined: counts are those since their processes began. */
  first: Digest | undefined;
  /** And what they said last. */
  last: Digest | undefined;
  /** Whether they have said something before, and nothing since. */
  isStale: boolean;
}

/** Where the chain from a pod to its receivers is broken, by what its agents count. Pure. */
export function verdictOf(seen: Seen): Verdict {
  const { namespace, workload } = seen;
  const kubectl = `kubectl -n ${namespace}`;
  const logs = `${kubectl} logs ${workload} | grep tracing-operator:`;
  const nexts: Record<Link, string | undefined> = {
    injected: seen.problems[0]?.next ?? `kubectl tracing explain ${workload} -n ${namespace}`,
    started: logs,
    instrumented: logs,
    asked: `kubectl tracing verify ${workload} -n ${namespace} --request PORT/PATH`,
    sampled: `kubectl tracing sampling ${workload} -n ${namespace} --ratio 1 --for 5m`,
    exported: `kubectl tracing explain ${workload} -n ${namespace}`,
    accepted: `kubectl tracing explain ${workload} -n ${namespace}`,
  };
  const steps: Step[] = [];
  for (const link of LINKS) {
    const isOver = steps.some(({ state }) => state === 'broken');
    steps.push(isOver ? { link, state: 'unknown', text: '' } : { link, ...CHECKS[link](seen) });
  }
  const broken = steps.find(({ state }) => state === 'broken')?.link;
  const next = broken && nexts[broken];
  return {
    found: steps.every(({ state }) => state === 'ok'),
    steps,
    ...(broken && { broken }),
    ...(next !== undefined && { next }),
  };
}

type Check = (seen: Seen) => Omit<Step, 'link'>;
const ok = (text: string) => ({ state: 'ok' as const, text });
const broken = (text: string) => ({ state: 'broken' as const, text });

const CHECKS: Record<Link, Check> = {
  injected({ pods, injected, problems }) {
    const text = `${injected} of ${count(pods, 'pod')} with the agent`;
    if (injected > 0) return ok(text);
    return broken(pods === 0 ? 'no pod of it runs' : `${text}${problems[0] ? `: ${problems[0].text}` : ''}`);
  },
  started({ last, isStale }) {
    if (!last && isStale) return broken('its agents have reported before, and have not answered in time');
    if (!last)
      return broken('no Node.js process of it has reported: does it run one, and does it run for five seconds?');
    const { processes, nodes, failures } = last.facts;
    if (failures.length > 0) return broken(failures.join('; '));
    return ok(`${count(processes, 'process', 'es')} with the agent at work, Node.js ${Object.keys(nodes).join(', ')}`);
  },
  instrumented({ last, first }) {
    const { libraries, uninstrumented } = last!.facts;
    const names = Object.keys(libraries);
    const none = Object.keys(uninstrumented);
    const without = none.length > 0 ? `; without spans: ${none.join(', ')}` : '';
    // What Node.js has itself, as its HTTP, is in no list of libraries.
    if (names.length > 0 || begun(first, last) > 0) return ok(`${names.join(', ') || 'Node.js itself'}${without}`);
    return none.length > 0 ? broken(`no library that it uses${without}`) : ok('no library yet');
  },
  asked({ first, last }) {
    const spans = begun(first, last);
    const since = first ? 'while it was watched' : 'since its processes began';
    if (spans > 0) return ok(`${count(spans, 'span')} began ${since}`);
    return broken(`no span began ${since}: no request came, and no job ran`);
  },
  sampled({ first, last, document }) {
    const recorded = counted(first, last, 'sampled') + counted(first, last, 'kept');
    const { ratio, rules = [] } = document?.spec.sampling ?? {};
    const by = ratio === undefined ? '' : ` (ratio ${ratio}${rules.length > 0 ? ', and rules' : ''})`;
    if (recorded > 0) return ok(`${recorded} of them recorded${by}`);
    return broken(`none of them is recorded${by}: the policy leaves them out, or whoever calls has decided so`);
  },
  exported({ first, last, document }) {
    const exporters = Object.keys(last!.numbers.exporters);
    if (exporters.length === 0)
      return broken(document?.spec.exporters.length === 0 ? 'the policy has no exporter' : 'there is no exporter');
    const tried = exporters.filter((name) => sent(first, last, name) + lost(first, last, name) > 0);
    if (tried.length > 0) return ok(`sent to ${tried.join(', ')}`);
    if (last!.facts.troubles.length > 0) return ok(`tried: ${exporters.join(', ')}`);
    return broken(`nothing has left the processes yet; ${queued(last!)} wait for the next batch`);
  },
  accepted({ first, last, document }) {
    const { exporters, traces = {} } = last!.numbers;
    const taken: string[] = [];
    const refused: string[] = [];
    for (const name of Object.keys(exporters)) {
      const endpoint = document?.spec.exporters.find((each) => each.name === name)?.endpoint;
      const who = endpoint === undefined ? name : `${name} (${endpoint})`;
      const arrived = sent(first, last, name);
      const trace = traces[name];
      const trouble = last!.facts.troubles.find((text) => text.startsWith(`exporter ${name}: `));
      const why = trouble?.slice(`exporter ${name}: `.length);
      if (arrived > 0 && why === undefined)
        taken.push(`${who} took ${arrived}${trace === undefined ? '' : `, of trace ${trace}`}`);
      else refused.push(`${who}: ${why ?? 'it has not answered yet'}`);
    }
    return refused.length > 0 ? broken(refused.join('; ')) : ok(taken.join('; '));
  },
};

/** How much more a count is than it was; processes that ended took theirs along. */
function more(first: number | undefined, last: number | undefined): number {
  return Math.max(0, (last ?? 0) - (first ?? 0));
}

function counted(first: Digest | undefined, last: Digest | undefined, name: string): number {
  return more(first?.numbers.spans[name], last?.numbers.spans[name]);
}

function begun(first: Digest | undefined, last: Digest | undefined): number {
  return counted(first, last, 'started');
}

function sent(first: Digest | undefined, last: Digest | undefined, exporter: string): number {
  return more(first?.numbers.exporters[exporter]?.['exported'], last?.numbers.exporters[exporter]?.['exported']);
}

function lost(first: Digest | undefined, last: Digest | undefined, exporter: string): number {
  return more(first?.numbers.exporters[exporter]?.['dropped'], last?.numbers.exporters[exporter]?.['dropped']);
}

function queued({ numbers }: Digest): number {
  return Object.values(numbers.exporters).reduce((sum, { queued = 0 }) => sum + queued, 0);
}

function count(number: number, of: string, plural = 's'): string {
  return `${number} ${of}${number === 1 ? '' : plural}`;
}
