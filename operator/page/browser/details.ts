import type { EventState, NamespaceState, PolicyState, WorkloadDetails, WorkloadState } from '../state.ts';
import { byId, list, make, terms } from './element.ts';
import type { Place } from './filter.ts';
import { placeKey } from './filter.ts';
import { authorization } from './session.ts';
import { count, samplingLines, toneOf } from './wording.ts';

/** All that is known about one workload, beside the table. */
export class Details {
  readonly #panel = byId('details');
  readonly #title = byId('details-title');
  readonly #body = byId('details-body');
  #place: Place | undefined;
  #asking = new AbortController();

  /** @param onClose called when nothing is shown any more. */
  constructor(onClose: () => void) {
    byId('close').addEventListener('click', onClose);
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#place) onClose();
    });
  }

  get place(): Place | undefined {
    return this.#place;
  }

  /** Shows what is known of a workload, and asks for the rest. */
  async show(place: Place, workload: WorkloadState | undefined, namespace: NamespaceState | undefined): Promise<void> {
    const isNew = !this.#place || placeKey(this.#place) !== placeKey(place);
    this.#place = place;
    this.#asking.abort();
    this.#asking = new AbortController();
    this.#panel.hidden = false;
    this.#panel.parentElement!.classList.add('open');
    this.#title.textContent = `${place.kind} ${place.name}`;
    if (!workload) return this.#body.replaceChildren(make('p', 'There is no such workload, or you may not see it.'));
    const asked = make('div', isNew ? [make('p', 'Asking …', 'faint')] : []);
    asked.append(...(isNew ? [] : [...this.#body.querySelectorAll('#asked > *')]));
    asked.id = 'asked';
    this.#body.replaceChildren(...known(place, workload, namespace), asked);
    const answer = await this.#ask(place, this.#asking.signal);
    if (answer) asked.replaceChildren(...answer);
  }

  close(): void {
    this.#place = undefined;
    this.#asking.abort();
    this.#panel.hidden = true;
    this.#panel.parentElement!.classList.remove('open');
  }

  focus(): void {
    this.#title.focus();
  }

  /** Undefined where nobody wants to know any more. */
  async #ask(place: Place, signal: AbortSignal): Promise<Node[] | undefined> {
    try {
      const query = new URLSearchParams({ ...place });
      const response = await fetch(`api/workload?${query}`, { headers: authorization(), signal });
      if (!response.ok) return [make('p', (await response.text()).trim())];
      return told((await response.json()) as WorkloadDetails);
    } catch (error) {
      return signal.aborted ? undefined : [make('p', `The server does not answer: ${String(error)}`)];
    }
  }
}

function known({ namespace, kind, name }: Place, workload: WorkloadState, state: NamespaceState | undefined): Node[] {
  const { pods, traced, reporting, policy, troubles } = workload;
  const sampling = samplingLines(workload);
  return [
    terms([
      ['Namespace', namespace],
      ['State', [make('span', workload.state, `state ${toneOf(workload)}`)]],
      ['Policy in force', policy],
      ['Sampling', sampling.length > 0 ? sampling.map((line) => make('div', line)) : 'nothing is recorded'],
      ['Pods', `${count(pods, 'pod')}: ${traced} traced, ${reporting} reporting`],
    ]),
    ...(troubles.length > 0
      ? [
          make('h3', 'What is wrong'),
          list(troubles.map(({ reason, message }) => [make('strong', reason), `: ${message}`].map(node))),
        ]
      : []),
    make('h3', 'More, in a terminal'),
    make('p', [make('code', `kubectl tracing explain ${kind.toLowerCase()}/${name} -n ${namespace}`)]),
    ...(state && state.policies.length > 0
      ? [make('h3', 'Policies of the namespace'), list(state.policies.flatMap(policyItems))]
      : []),
  ];
}

/** How a policy stands, and each mesh or gateway under it. */
export function policyItems({ policy, health, matched, current, troubles, systems }: PolicyState): Node[][] {
  return [
    [
      make('strong', policy),
      node(`: ${health}, ${current} of ${count(matched, 'pod')} current`),
      ...troubles.map(({ reason, message }) => make('div', `${reason}: ${message}`)),
      ...systems.map(({ name, state, message }) => make('div', `${name}: ${state}. ${message}`, 'faint')),
    ],
  ];
}

function told({ reports, events }: WorkloadDetails): Node[] {
  return [
    make('h3', 'What the agents report'),
    reports.length > 0 ? list(reports) : make('p', 'Nothing yet.'),
    make('h3', 'Recent events of the namespace'),
    events.length > 0 ? list(events.map(eventItem)) : make('p', 'None in the last hour.'),
  ];
}

function eventItem({ at, type, reason, note, about, count: times }: EventState): Node[] {
  const time = make('time', new Date(at).toLocaleTimeString());
  time.setAttribute('datetime', at);
  return [
    time,
    node(' '),
    make('strong', reason, type === 'Warning' ? 'bad' : ''),
    node(` ${about}${times > 1 ? ` (${times} times)` : ''}: ${note}`),
  ];
}

function node(content: string | Node): Node {
  return typeof content === 'string' ? document.createTextNode(content) : content;
}
