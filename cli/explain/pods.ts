import type { InjectionStatus } from '../../injector/decision.ts';
import * as names from '../../injector/names.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { NO_POLICY, POLICY_FIELD_MANAGER } from '../../injector/names.ts';
import { isWell } from './facts.ts';
import type { ContainerStatus, Facts, LivePod } from './facts.ts';
import type { Problem } from './problem.ts';
import type { UnderWay } from './under-way.ts';
import { isUnheard, SOON } from './under-way.ts';
import { writtenAt } from './written.ts';

/** Characters of what a container runtime says. */
const LONGEST = 160;

/** What there is to say about one pod. */
export interface PodFinding {
  /** `Running, ready; agent in app; under policy.shop.json 1a2b3c` */
  text: string;
  problems: Problem[];
  underWay?: UnderWay;
  /** A problem is that it was not told of the newest policy. */
  isLate?: boolean;
}

interface Expected {
  /** What the workload wants for new pods. */
  asked: boolean;
  /** The policy in force as resolved from what can be read; undefined where that is not sure. */
  mark: { key: string; revision: string } | undefined;
  /** Who says which image of the agent new pods get, e.g. `ClusterTracingPolicy base`. */
  imageFrom: string;
  /** Makes new pods, e.g. `kubectl -n shop rollout restart deployment/web`. */
  restart: string;
  /** When what it is to follow was changed last, milliseconds since 1970; undefined where nobody can tell. */
  changedAt: number | undefined;
}

/** Looks at a pod: whether it has the agent, whether that could be delivered, and which policy it was told. */
export function findingOf(pod: LivePod, facts: Facts, expected: Expected): PodFinding {
  const { name, annotations = {}, deletionTimestamp } = pod.metadata;
  let underWay: UnderWay | undefined;
  let isLate = false;
  const { status } = pod;
  const problems: Problem[] = [];
  const injected = isInjected(pod);
  const parts = [deletionTimestamp ? 'on its way out' : stateOf(pod)];
  const kubectl = `kubectl -n ${facts.namespace}`;

  if (!injected) {
    const decided = statusOf(annotations);
    parts.push(decided?.reason ? `no agent: ${decided.reason}` : 'no agent');
    const isReplaced = facts.pods.some((other) => isInjected(other) && isNewer(other, pod));
    if (isReplaced) parts.push('new pods take its place');
    else if (expected.asked && !deletionTimestamp && !decided)
      problems.push({
        text: `pod ${name} has no agent: it was made before tracing was asked for, or while the operator was away`,
        next: expected.restart,
        link: 'injected',
      });
    else if (decided?.reason === 'AgentUnavailable' && facts.outages.length === 0)
      problems.push({
        text: `pod ${name} started without the agent, which could not be had then`,
        next: expected.restart,
        link: 'injected',
      });
  } else {
    const decided = statusOf(annotations);
    const skipped = Object.entries(decided?.skipped ?? {}).map(
      ([container, reason]) => `${container} without: ${reason}`,
    );
    parts.push([`agent in ${decided?.injected.join(', ') ?? '?'}`, ...skipped].join(', '));
    const init = [...(status?.initContainerStatuses ?? [])].find((each) => each.name === names.INIT_CONTAINER);
    const stuck = init && trouble(init);
    if (stuck) {
      parts.push(`agent not delivered: ${stuck.split(' ')[0]}`);
      const image = pod.spec.initContainers?.find((each) => each.name === names.INIT_CONTAINER)?.image;
      problems.push({
        link: 'injected',
        text: `pod ${name} cannot start: the init container ${names.INIT_CONTAINER} (image ${image}, from ${expected.imageFrom}) says ${stuck}`,
        next: /image/i.test(stuck)
          ? `${kubectl} describe pod ${name}`
          : `${kubectl} logs ${name} -c ${names.INIT_CONTAINER}`,
      });
    }
    const late = behind(annotations, facts.delivered, expected.mark);
    parts.push(told(annotations, late === undefined && (expected.mark ?? facts.delivered) !== undefined));
    const { changedAt } = expected;
    const toldAt = writtenAt(pod.metadata, POLICY_FIELD_MANAGER);
    if (deletionTimestamp || stuck) underWay = undefined;
    else if (late && changedAt !== undefined && facts.now - changedAt < SOON)
      underWay = { what: 'untold', since: changedAt };
    else if (late) {
      isLate = true;
      problems.push({
        // Its spans go on under an older one, so that no link is broken.
        text: `pod ${name} was not told of the newest policy: ${late}`,
        next: operatorLogs(facts),
      });
    } else if (annotations[names.POLICY_KEY] !== NO_POLICY && isUnheard(toldAt, isActedOn(annotations, facts), facts))
      underWay = { what: 'unheard', since: toldAt! };
  }
  const line = facts.spoken.get(name);
  if (line !== undefined)
    problems.push({
      link: 'started',
      text: `pod ${name} has the agent and is not traced: ${line}`,
      next: `${kubectl} logs ${name} | grep tracing-operator:`,
    });
  const warning = facts.warnings.get(name);
  const volume = /(?:volume|volumes=\[)\s*"?(tracing-acme-[a-z]+)/.exec(warning ?? '')?.[1];
  if (volume !== undefined && !isWell(pod) && problems.length === 0)
    problems.push({
      link: 'injected',
      text: `pod ${name} cannot start: its volume ${volume}, which is the operator's, cannot be mounted: ${cut(warning!)}`,
      next: `${kubectl} describe pod ${name} # or have it made without the agent: ${names.INJECT}: "false"`,
    });
  if (warning !== undefined && !isWell(pod) && problems.length === 0) parts.push(`last warning: ${warning}`);
  for (const container of status?.containerStatuses ?? []) {
    const wrong = trouble(container);
    if (wrong && !deletionTimestamp && wrong !== 'PodInitializing')
      problems.push({
        link: 'started',
        text: `pod ${name}: container ${container.name} says ${wrong}`,
        next: `${kubectl} logs ${name} -c ${container.name} --previous`,
      });
  }
  return { text: parts.join('; '), problems, ...(underWay && { underWay }), ...(isLate && { isLate }) };
}

function stateOf({ status }: LivePod): string {
  const { phase = 'Unknown', reason, containerStatuses = [] } = status ?? {};
  if (phase !== 'Running') return reason ? `${phase} (${reason})` : phase;
  const ready = containerStatuses.filter((each) => each.ready).length;
  const restarts = containerStatuses.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
  return [
    phase,
    `${ready} of ${containerStatuses.length} ready`,
    ...(restarts > 0 ? [`${restarts} restarts`] : []),
  ].join(', ');
}

/** What keeps a container from running; undefined while nothing does. */
function trouble({ state }: ContainerStatus): string | undefined {
  const { waiting, terminated } = state ?? {};
  if (waiting?.reason && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing')
    return waiting.message ? `${waiting.reason} (${cut(waiting.message)})` : waiting.reason;
  if (terminated && terminated.exitCode !== 0)
    return `${terminated.reason ?? 'ended'} with exit code ${terminated.exitCode}`;
  return undefined;
}

/** Container runtimes tell the whole way to an error. */
function cut(message: string): string {
  return message.length > LONGEST ? `${message.slice(0, LONGEST)}…` : message;
}

function told(annotations: Record<string, string>, isNewest: boolean): string {
  const [key, revision] = [annotations[names.POLICY_KEY], annotations[names.POLICY_REVISION]];
  if (key === undefined || key === NO_POLICY) return 'told that no policy applies';
  return `told ${key} ${revision}${isNewest ? ', the newest' : ''}`;
}

/** Whether all processes of the workload say that they act on what the pod was told. */
function isActedOn(annotations: Record<string, string>, { digest }: Facts): boolean {
  const [key, revision] = [annotations[names.POLICY_KEY], annotations[names.POLICY_REVISION]];
  const said = Object.keys(digest?.facts.policies ?? {});
  return said.length > 0 && said.every((each) => each === `${key} ${revision}`);
}

export function isInjected({ metadata }: LivePod): boolean {
  return metadata.labels?.[names.INJECTED_LABEL] === 'true';
}

function isNewer(a: LivePod, b: LivePod): boolean {
  return (a.metadata.creationTimestamp ?? '') > (b.metadata.creationTimestamp ?? '');
}

/** By what a pod is behind its policy; undefined where it is not, or nobody can tell. */
function behind(
  annotations: Record<string, string>,
  delivered: Map<string, PolicyDocument> | undefined,
  mark: Expected['mark'],
): string | undefined {
  const [key = NO_POLICY, revision = NO_POLICY] = [annotations[names.POLICY_KEY], annotations[names.POLICY_REVISION]];
  if (mark)
    return key === mark.key && revision === mark.revision
      ? undefined
      : `${key} ${revision}, not ${mark.key} ${mark.revision}`;
  const document = delivered?.get(key);
  return document && document.revision !== revision ? `${key} ${revision}, not ${document.revision}` : undefined;
}

/** What admission decided about a pod, as it says itself. */
export function statusOf(annotations: Record<string, string>): InjectionStatus | undefined {
  try {
    return JSON.parse(annotations[names.STATUS] ?? '') as InjectionStatus;
  } catch {
    return undefined;
  }
}

export function operatorLogs({ installation }: Facts): string {
  const { namespace, name } =
    typeof installation === 'object' ? installation : { namespace: 'tracing-system', name: 'tracing-operator' };
  return `kubectl -n ${namespace} logs deployment/${name}`;
}
