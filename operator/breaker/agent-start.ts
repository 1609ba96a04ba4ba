import { AGENT_VOLUME, INIT_CONTAINER } from '../../injector/names.ts';

/** What of a pod's status tells how far its agent has come. Of a pod as the API server sends it, unpruned. */
export interface StartStatus {
  phase?: string;
  reason?: string;
  message?: string;
  conditions?: { type: string; status: string; lastTransitionTime?: string | null }[];
  initContainerStatuses?: InitStatus[];
}

interface InitStatus {
  name: string;
  started?: boolean;
  state?: {
    waiting?: { reason?: string; message?: string };
    running?: object;
    terminated?: Ended;
  };
  lastState?: { terminated?: Ended };
}

interface Ended {
  exitCode: number;
  reason?: string;
  message?: string;
  finishedAt?: string | null;
}

/** How the agent of a pod stands while its init container has not ended well. Tiny: thousands of pods may be starting. */
export interface AgentStart {
  /** When its init container's turn came, milliseconds since 1970: image, volumes and network aside, it could run. */
  began?: number;
  /** What is wrong with it. */
  trouble?: Trouble;
}

export interface Trouble {
  /** One word, the kubelet's own where it has one. */
  reason: string;
  message: string;
  /** It does not go away by the kubelet's trying again. */
  lasting?: boolean;
  /** Of a pod that has ended by it: when, milliseconds since 1970. */
  ended?: number;
}

export interface Failure {
  reason: string;
  message: string;
}

/** A trouble that may pass is left so long to the kubelet: its own first retry comes after 10 seconds. */
const PATIENCE = 15_000;
/** An init container that does not come to its end in this time hangs: it takes well under a second, its image has few MB. */
const HANGS = 120_000;
/** An eviction is news for so long. */
const NEWS = 300_000;
const MESSAGE = 200;

/** Of pods that no node has taken yet there may be thousands. */
const NOT_YET: AgentStart = {};
/** Waiting for the same thing again brings nothing: somebody has to change something. */
const LASTING = new Set(['InvalidImageName', 'ErrImageNeverPull', 'CreateContainerConfigError']);
const ON_ITS_WAY = new Set(['PodInitializing', 'ContainerCreating']);

/** How a pod's agent stands; undefined where it has been copied, or is not to blame for what became of the pod. */
export function agentStart(status: StartStatus = {}): AgentStart | undefined {
  const statuses = status.initContainerStatuses ?? [];
  const index = statuses.findIndex(({ name }) => name === INIT_CONTAINER);
  const own = statuses[index];
  if (status.phase === 'Failed') {
    // With a reason somebody else ended it: an eviction, the end of its node, its deadline.
    const ended = status.reason === undefined ? own?.state?.terminated : undefined;
    const trouble = ended ? exited(ended, true) : evicted(status);
    return trouble && { trouble };
  }
  if (own?.state?.terminated?.exitCode === 0) return undefined;
  // The status of one that ran long ago may be gone with its container.
  if (status.phase === 'Running' || status.phase === 'Succeeded') return undefined;
  const ready = status.conditions?.find(({ type }) => type === 'PodReadyToStartContainers');
  const isItsTurn = statuses.slice(0, Math.max(index, 0)).every(hasMadeWay);
  const began = ready?.status === 'True' && isItsTurn ? time(ready.lastTransitionTime) : undefined;
  const trouble = own && waits(own);
  if (began === undefined && !trouble) return NOT_YET;
  return { ...(began !== undefined && { began }), ...(trouble && { trouble }) };
}

/**
 * Whether a pod's agent counts as failed, or when it will if nothing changes.
 * @param created when the pod was, where nothing better is known.
 * @param isKnownBad others of its kind have failed: nothing is waited for.
 */
export function startFailure(
  { began, trouble }: AgentStart,
  created: number,
  now: number,
  isKnownBad: boolean,
): Failure | { due: number } | undefined {
  if (trouble) {
    const { reason, message, lasting, ended } = trouble;
    if (ended !== undefined) return now - ended < NEWS ? { reason, message } : undefined;
    const due = lasting || isKnownBad ? 0 : (began ?? created) + PATIENCE;
    return now >= due ? { reason, message } : { due };
  }
  if (began === undefined) return undefined;
  const due = began + HANGS;
  if (now < due) return { due };
  return { reason: 'Hangs', message: `its init container has not ended after ${HANGS / 1000} s` };
}

function hasMadeWay({ state, started }: InitStatus): boolean {
  return state?.terminated?.exitCode === 0 || (state?.running !== undefined && started === true);
}

function waits({ state, lastState }: InitStatus): Trouble | undefined {
  const { reason, message = '' } = state?.waiting ?? {};
  const before = state?.terminated ?? lastState?.terminated;
  // What it ended with says more than that it did so more than once.
  if (before && before.exitCode !== 0 && state?.running === undefined) return exited(before, false);
  if (reason === undefined || ON_ITS_WAY.has(reason)) return undefined;
  return { reason, message: cut(message), ...(LASTING.has(reason) && { lasting: true }) };
}

function exited(
  { exitCode, reason = 'Error', message = '', finishedAt }: Ended,
  forGood: boolean,
): Trouble | undefined {
  if (exitCode === 0) return undefined;
  const text = cut(`exit code ${exitCode}${message.trim() && `: ${message.trim()}`}`);
  return { reason, message: text, ...(forGood && { ended: time(finishedAt) ?? 0 }) };
}

/** An eviction for which the agent's volume or its init container is to blame, by what the kubelet says. */
function evicted({ reason, message = '', conditions }: StartStatus): Trouble | undefined {
  if (reason !== 'Evicted' || !(message.includes(`"${AGENT_VOLUME}"`) || message.includes(` ${INIT_CONTAINER} `)))
    return undefined;
  // Nothing says when it ended but that its conditions changed then for the last time.
  const changes = (conditions ?? []).map(({ lastTransitionTime }) => time(lastTransitionTime) ?? 0);
  return { reason, message: cut(message), ended: Math.max(0, ...changes) };
}

function time(text: string | null | undefined): number | undefined {
  const milliseconds = Date.parse(text ?? '');
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}

function cut(message: string): string {
  return message.length > MESSAGE ? `${message.slice(0, MESSAGE - 1)}…` : message;
}
