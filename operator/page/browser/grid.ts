import type { NamespaceState, WorkloadState } from '../state.ts';
import { byId, make } from './element.ts';
import type { Filter, Place } from './filter.ts';
import { matches, placeKey, writeAddress } from './filter.ts';
import { count, samplingWord, shortPolicy, systemsInUse, toneOf } from './wording.ts';

interface Row {
  element: HTMLElement;
  link: HTMLAnchorElement;
  workload: WorkloadState;
  /** The workload in JSON, by which a change is seen. */
  text: string;
}

interface Group {
  element: HTMLElement;
  head: HTMLElement;
  state: NamespaceState;
  rows: Map<string, Row>;
}

/** What is shown of what there is. */
export interface Shown {
  workloads: number;
  namespaces: number;
}

/**
 * Namespaces with their workloads. All rows are in the document, so that the browser's search and screen readers find them; what
 * is off the screen costs no layout (page.css). One link of all takes part in the order of Tab, and arrows move it.
 */
export class Grid {
  readonly #element = byId('workloads');
  readonly #template = byId<HTMLTemplateElement>('row').content.firstElementChild!;
  readonly #groups = new Map<string, Group>();
  #filter: Filter;
  #selected: string | undefined;
  #current: HTMLAnchorElement | undefined;

  /** @param onOpen called with the workload whose details are asked for. */
  constructor(filter: Filter, onOpen: (place: Place) => void) {
    this.#filter = filter;
    this.#element.addEventListener('click', (event) => {
      const place = placeOf((event.target as Element).closest<HTMLElement>('.row')?.dataset['place']);
      if (!place || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      onOpen(place);
    });
    this.#element.addEventListener('keydown', (event) => this.#key(event));
    this.#element.addEventListener('focusin', (event) => {
      if (event.target instanceof HTMLAnchorElement) this.#makeCurrent(event.target);
    });
  }

  get namespaces(): NamespaceState[] {
    return [...this.#groups.values()].map(({ state }) => state);
  }

  find({ namespace, kind, name }: Place): WorkloadState | undefined {
    return this.#groups.get(namespace)?.rows.get(`${kind}/${name}`)?.workload;
  }

  /** Brings a namespace up to date. What is the same stays as it is, focus included. */
  put(state: NamespaceState): void {
    let group = this.#groups.get(state.namespace);
    const isNew = group === undefined;
    if (!group) {
      const head = make('div', '', 'namespace');
      const element = make('div', [head], 'group');
      element.setAttribute('role', 'rowgroup');
      head.setAttribute('role', 'row');
      group = { element, head, state, rows: new Map() };
      this.#groups.set(state.namespace, group);
    }
    group.state = state;
    this.#putHead(group);
    this.#putRows(group, isNew);
    if (isNew) this.#element.append(group.element);
    this.#filterGroup(group);
  }

  remove(namespace: string): void {
    this.#groups.get(namespace)?.element.remove();
    this.#groups.delete(namespace);
  }

  /** Puts namespaces in trouble first, unless somebody is at work in the table: nothing is to move away from under them. */
  order(): void {
    if (this.#element.contains(document.activeElement)) return;
    const groups = [...this.#groups.values()].sort(
      (a, b) => troubled(b) - troubled(a) || (a.state.namespace < b.state.namespace ? -1 : 1),
    );
    const [head] = this.#element.children;
    const inPlace = groups.every(({ element }, i) => this.#element.children[i + 1] === element);
    if (!inPlace) this.#element.replaceChildren(head!, ...groups.map(({ element }) => element));
    if (!this.#current?.isConnected || this.#current.closest('[hidden]')) this.#makeCurrent(this.#links()[0]);
  }

  filter(filter: Filter): Shown {
    this.#filter = filter;
    for (const group of this.#groups.values()) this.#filterGroup(group);
    return this.shown();
  }

  shown(): Shown {
    const groups = [...this.#groups.values()].filter(({ element }) => !element.hidden);
    const rows = groups.flatMap((group) => [...group.rows.values()].filter(({ element }) => !element.hidden));
    this.#element.setAttribute('aria-rowcount', String(1 + groups.length + rows.length));
    return { workloads: rows.length, namespaces: groups.length };
  }

  /** Marks the workload whose details are shown. */
  select(place: Place | undefined): void {
    const key = place && placeKey(place);
    for (const each of [this.#selected, key])
      this.#row(each)?.element.setAttribute('aria-selected', String(each === key));
    this.#selected = key;
  }

  focus(place: Place): void {
    this.#row(placeKey(place))?.link.focus();
  }

  #row(key: string | undefined): Row | undefined {
    const place = placeOf(key);
    return place && this.#groups.get(place.namespace)?.rows.get(`${place.kind}/${place.name}`);
  }

  #putHead({ head, state: { namespace, workloads, policies } }: Group): void {
    const sum = (of: (workload: WorkloadState) => number) => workloads.reduce((total, each) => total + of(each), 0);
    const inTrouble = sum(({ troubles }) => Number(troubles.length > 0));
    const systems = systemsInUse(policies.flatMap((policy) => policy.systems));
    const heading = make('span', [make('strong', namespace)]);
    heading.setAttribute('role', 'rowheader');
    heading.setAttribute('aria-colspan', '7');
    heading.append(
      make(
        'span',
        `${sum(({ traced }) => traced)} of ${count(
          sum(({ pods }) => pods),
          'pod',
        )} traced`,
        'faint',
      ),
      ...(inTrouble > 0 ? [' ', make('span', `${inTrouble} in trouble`, 'state bad')] : []),
      ...systems.flatMap(({ name, state }) => [
        ' ',
        make('span', `${name}: ${state}`, state === 'Configured' ? 'state good' : 'state odd'),
      ]),
    );
    head.replaceChildren(heading);
  }

  #putRows(group: Group, isNew: boolean): void {
    const { namespace, workloads } = group.state;
    const before = new Set(group.rows.keys());
    const elements = workloads.map((workload) => {
      const key = `${workload.kind}/${workload.name}`;
      before.delete(key);
      const text = JSON.stringify(workload);
      let row = group.rows.get(key);
      if (!row) {
        const element = this.#template.cloneNode(true) as HTMLElement;
        element.dataset['place'] = placeKey({ namespace, ...workload });
        row = { element, link: element.querySelector('a')!, workload, text: '' };
        group.rows.set(key, row);
      }
      if (row.text !== text) fill(row, namespace, workload, text, !isNew);
      return row.element;
    });
    for (const key of before) {
      group.rows.get(key)?.element.remove();
      group.rows.delete(key);
    }
    group.element.style.setProperty('--rows', String(workloads.length));
    const inPlace = elements.every((element, i) => group.element.children[i + 1] === element);
    // What is focused must not be taken out, even to be put in again: nothing else moves then, either.
    if (!inPlace && !group.element.contains(document.activeElement))
      group.element.replaceChildren(group.head, ...elements);
    else if (!inPlace) group.element.append(...elements.filter(({ isConnected }) => !isConnected));
  }

  #filterGroup({ element, state, rows }: Group): void {
    let any = false;
    for (const row of rows.values()) {
      const isShown = matches(this.#filter, state, row.workload);
      any ||= isShown;
      row.element.hidden = !isShown;
    }
    element.hidden = !any;
  }

  #links(): HTMLAnchorElement[] {
    return [...this.#element.querySelectorAll<HTMLAnchorElement>('.group:not([hidden]) > .row:not([hidden]) a')];
  }

  #makeCurrent(link: HTMLAnchorElement | undefined): void {
    if (this.#current) this.#current.tabIndex = -1;
    this.#current = link;
    if (link) link.tabIndex = 0;
  }

  #key(event: KeyboardEvent): void {
    const steps: Record<string, number> = {
      ...{ ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 },
      ...{ Home: -Infinity, End: Infinity },
    };
    const step = steps[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const links = this.#links();
    const at = this.#current ? links.indexOf(this.#current) : -1;
    const next = links[Math.min(links.length - 1, Math.max(0, at + step))];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: 'nearest' });
  }
}

function fill(row: Row, namespace: string, workload: WorkloadState, text: string, isNews: boolean): void {
  row.workload = workload;
  row.text = text;
  const { kind, name, state, pods, traced, reporting, policy } = workload;
  const [, stateCell, podsCell, tracedCell, reportingCell, policyCell, samplingCell] = row.element.children;
  row.link.textContent = name;
  row.link.title = `${kind} ${name}`;
  row.link.href = writeAddress(
    { text: '', namespace: '', state: '', policy: '', trouble: false },
    { namespace, kind, name },
  );
  const word = stateCell!.firstElementChild!;
  word.textContent = state;
  word.className = `state ${toneOf(workload)}`;
  podsCell!.textContent = String(pods);
  tracedCell!.textContent = String(traced);
  reportingCell!.textContent = String(reporting);
  policyCell!.textContent = shortPolicy(policy);
  samplingCell!.textContent = samplingWord(workload);
  row.element.classList.remove('changed');
  // A change is seen for a moment, by whoever has not asked for less motion.
  if (isNews) requestAnimationFrame(() => row.element.classList.add('changed'));
}

function troubled({ state: { workloads } }: Group): number {
  return workloads.filter(({ troubles }) => troubles.length > 0).length;
}

function placeOf(key: string | undefined): Place | undefined {
  const [namespace, kind, name] = key?.split('/') ?? [];
  return namespace && kind && name ? { namespace, kind, name } : undefined;
}
