import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Digest } from '../../operator/digest/digest.ts';
import type { Link, Problem, Wish } from '../explain/problem.ts';
import { LINKS } from '../explain/problem.ts';
import type { Diagnosis } from '../explain/receivers.ts';

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
  /** Of what was found: that it was recorded for a reason that most requests do not have. */
  remark?: string;
  /** The command to type next, where one is. */
  next?: string;
}

/** What was seen of a workload while it was watched. */
export interface Seen {
  /** `deployment/order` */
  workload: string;
  namespace: string;
  /** Pods that run, those of them with the agent, and those of these that are well. */
  pods: number;
  injected: number;
  well: number;
  /** `tracing-operator in tracing-system`; undefined where that may not be seen. */
  operator: string | undefined;
  /** Who asks for tracing, as `explain` says it: `yes, by …`, `no: …`. */
  asks: string;
  /** What `explain` finds, but for what agents have said before. */
  problems: Problem[];
  wishes: Wish[];
  document: PolicyDocument | undefined;
  /** What is behind the trouble of an exporter, `exporter NAME: …`. */
  diagnose: (trouble: string) => Diagnosis;
  /** What its agents said when they began to be watched; undefined: counts are those since their processes began. */
  first: Digest | undefined;
  /** And what they said last. */
  last: Digest | undefined;
  /** Whether they have said something before, and nothing since. */
  isStale: boolean;
  /** Whether what was written into the policy has not come to the pods. */
  isUntold: boolean;
  /** Whether a request was sent that says of itself that it is to be recorded. */
  isSent: boolean;
}

/** Where the chain from a pod to its receivers is broken, by what its agents count. Pure. */
export function verdictOf(seen: Seen): Verdict {
  const steps: Step[] = [];
  let next: string | undefined;
  for (const link of LINKS) {
    const isOver = steps.some(({ state }) => state === 'broken');
    if (isOver) {
      steps.push({ link, state: 'unknown', text: '' });
      continue;
    }
    const { next: then, ...step } = CHECKS[link](seen);
    steps.push({ link, ...step });
    if (step.state === 'broken') next = then;
  }
  const broken = steps.find(({ state }) => state === 'broken')?.link;
  const found = broken === undefined;
  const remark = found ? whyRecorded(seen) : undefined;
  if (remark !== undefined) next = moreOf(seen);
  return {
    found,
    steps,
    ...(broken && { broken }),
    ...(remark !== undefined && { remark }),
    ...(next !== undefined && { next }),
  };
}

type Checked = Omit<Step, 'link'> & { next?: string };
type Check = (seen: Seen) => Checked;
const ok = (text: string): Checked => ({ state: 'ok', text });
const broken = (text: string, next: string): Checked => ({ state: 'broken', text, next });
const brokenBy = ({ text, next }: Problem) => broken(text, next);

const CHECKS: Record<Link, Check> = {
  operator(seen) {
    const problem = known(seen, 'operator');
    if (problem) return brokenBy(problem);
    if (seen.isUntold)
      return broken(
        'what was written into the policy has not come to the pods: does it run?',
        'kubectl get pods -A -l app.kubernetes.io/name=tracing-operator # or ask your platform team',
      );
    if (seen.operator === undefined) return { state: 'unknown', text: 'you may not see whether it runs' };
    return ok(seen.operator);
  },
  wanted(seen) {
    const { asks, injected } = seen;
    const [, yes, how = ''] = /^(yes|no)[,:] (.*)$/.exec(asks) ?? [];
    if (yes === 'yes') return ok(how);
    if (injected > 0) return ok('nobody any more: its pods have the agent until they are made anew');
    const problem = known(seen, 'wanted');
    if (!problem) return broken(how, explained(seen));
    return broken(problem.text === asks ? `nobody asks for it: ${how}` : problem.text, problem.next);
  },
  injected(seen) {
    const { pods, injected, well } = seen;
    const problem = known(seen, 'injected');
    const text = `${injected} of ${count(pods, 'pod')} with the agent`;
    if (injected > 0 && (well > 0 || !problem)) return ok(text);
    if (pods === 0) return problem ? brokenBy(problem) : broken('no pod of it runs', explained(seen));
    return broken(`${text}${problem ? `: ${problem.text}` : ''}`, problem?.next ?? explained(seen));
  },
  policy(seen) {
    const problem = known(seen, 'policy');
    if (problem) return brokenBy(problem);
    const { document, last } = seen;
    // Where it is known that none applies, that is a problem: see above.
    if (!document) return { state: 'unknown', text: 'none that you may read applies' };
    const cannot = last?.facts.problems.find((text) => text.startsWith('exporter '));
    if (cannot !== undefined) return broken(cannot, seen.diagnose(cannot).next);
    const to = document.spec.exporters.map(({ name, endpoint }) => `${name} ${endpoint}`);
    return ok(`${document.source}${to.length > 0 ? `, to ${to.join(', ')}` : ''}`);
  },
  started(seen) {
    const { last, isStale } = seen;
    const problem = known(seen, 'started');
    if (!last && problem) return brokenBy(problem);
    if (!last && isStale) return broken('its agents have reported before, and have not answered in time', logs(seen));
    if (!last)
      return broken(
        'no Node.js process of it has reported: does it run one, and for more than five seconds?',
        logs(seen),
      );
    const { processes, nodes, failures } = last.facts;
    if (failures.length > 0) return broken(failures.join('; '), logs(seen));
    return ok(`${count(processes, 'process', 'es')} with the agent at work, Node.js ${Object.keys(nodes).join(', ')}`);
  },
  instrumented(seen) {
    const { last, first } = seen;
    const { libraries, uninstrumented } = last!.facts;
    const names = Object.keys(libraries);
    const none = Object.keys(uninstrumented);
    const without = none.length > 0 ? `; without spans: ${none.join(', ')}` : '';
    // What Node.js has itself, as its HTTP, is in no list of libraries.
    if (names.length > 0 || begun(first, last) > 0) return ok(`${names.join(', ') || 'Node.js itself'}${without}`);
    return none.length > 0 ? broken(`no library that it uses${without}`, logs(seen)) : ok('no library yet');
  },
  asked({ first, last, workload, namespace }) {
    const spans = begun(first, last);
    const since = first ? 'while it was watched' : 'since its processes began';
    if (spans > 0) return ok(`${count(spans, 'span')} began ${since}`);
    return broken(
      `no span began ${since}: no request came, and no job ran`,
      `kubectl tracing verify ${workload} -n ${namespace} --request PORT/PATH`,
    );
  },
  sampled(seen) {
    const { first, last, document } = seen;
    const recorded = counted(first, last, 'sampled') + counted(first, last, 'kept');
    const { ratio, rules = [] } = document?.spec.sampling ?? {};
    const by = ratio === undefined ? '' : ` (ratio ${ratio}${rules.length > 0 ? ', and rules' : ''})`;
    if (recorded > 0) return ok(`${recorded} of them recorded${by}`);
    return broken(
      `none of them is recorded${by}: the policy leaves them out, or whoever calls has decided so`,
      moreOf(seen),
    );
  },
  exported(seen) {
    const { first, last, document } = seen;
    const exporters = Object.keys(last!.numbers.exporters);
    if (exporters.length === 0)
      return broken(
        document?.spec.exporters.length === 0 ? 'the policy has no exporter' : 'there is no exporter',
        explained(seen),
      );
    const tried = exporters.filter((name) => sent(first, last, name) + lost(first, last, name) > 0);
    if (tried.length > 0) return ok(`sent to ${tried.join(', ')}`);
    if (last!.facts.troubles.length > 0) return ok(`tried: ${exporters.join(', ')}`);
    return broken(
      `nothing has left the processes yet; ${queued(last!)} wait for the next batch`,
      `kubectl tracing verify ${seen.workload} -n ${seen.namespace} --for 2m`,
    );
  },
  accepted(seen) {
    const { first, last, document } = seen;
    const { exporters, traces = {} } = last!.numbers;
    const taken: string[] = [];
    const refused: { text: string; next: string }[] = [];
    for (const name of Object.keys(exporters)) {
      const endpoint = document?.spec.exporters.find((each) => each.name === name)?.endpoint;
      const who = endpoint === undefined ? name : `${name} (${endpoint})`;
      const arrived = sent(first, last, name);
      const trace = traces[name];
      const trouble = last!.facts.troubles.find((text) => text.startsWith(`exporter ${name}: `));
      if (arrived > 0 && trouble === undefined)
        taken.push(`${who} took ${arrived}${trace === undefined ? '' : `, of trace ${trace}`}`);
      else if (trouble === undefined) refused.push({ text: `${who}: it has not answered yet`, next: explained(seen) });
      else {
        const { why, next } = seen.diagnose(trouble);
        const said = trouble.slice(`exporter ${name}: `.length);
        refused.push({ text: `${who}: ${said}${why === undefined ? '' : `; ${why}`}`, next });
      }
    }
    const [worst] = refused;
    return worst ? broken(refused.map(({ text }) => text).join('; '), worst.next) : ok(taken.join('; '));
  },
};

/** Why it was recorded, where most requests would not be; undefined where all are, or nobody can tell. */
function whyRecorded({ document, first, last, isSent }: Seen): string | undefined {
  const { ratio = 1, parentBased, rules = [] } = document?.spec.sampling ?? {};
  if (ratio === 1) return undefined;
  const but = rules.some(({ drop }) => !drop) ? ', but for what its rules say' : '';
  const others =
    ratio === 0
      ? `by the policy, whose ratio is 0, no request that begins here is recorded${but}`
      : `by the policy about ${Number((ratio * 100).toPrecision(2))} % of the requests that begin here are recorded${but}`;
  if (isSent && parentBased !== false)
    return `the request that was sent was recorded because it said so itself: ${others}`;
  if (ratio > 0) return undefined;
  if (counted(first, last, 'sampled') === 0) return `what arrived was kept because it failed or was slow: ${others}`;
  return `what arrived was recorded because of a rule or a header, or because a caller had decided so: ${others}`;
}

/** What `explain` has found that breaks a link: something wrong, or something that somebody wants so. */
function known({ problems, wishes }: Seen, link: Link): Problem | undefined {
  return [...problems, ...wishes].find((each) => each.link === link);
}

function explained({ workload, namespace }: Seen): string {
  return `kubectl tracing explain ${workload} -n ${namespace}`;
}

function logs({ workload, namespace }: Seen): string {
  return `kubectl -n ${namespace} logs ${workload} | grep tracing-operator:`;
}

function moreOf({ workload, namespace }: Seen): string {
  return `kubectl tracing sampling ${workload} -n ${namespace} --ratio 1 --for 5m`;
}

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

/** Whether any receiver has taken anything. */
export function hasArrived(first: Digest | undefined, last: Digest | undefined): boolean {
  return Object.keys(last?.numbers.exporters ?? {}).some((name) => sent(first, last, name) > 0);
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
