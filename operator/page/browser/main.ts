import type { NamespaceState, ViewerState } from '../state.ts';
import { follow } from './connection.ts';
import { Details, policyItems } from './details.ts';
import { byId, list, make } from './element.ts';
import type { Filter, Place } from './filter.ts';
import { NOTHING, readAddress, writeAddress } from './filter.ts';
import { Grid } from './grid.ts';
import { forget, keepToken, openLink } from './session.ts';
import { applyTheme } from './theme.ts';
import { count } from './wording.ts';

const CHOICES = ['namespace', 'state', 'policy'] as const;

let { filter } = readAddress(location.search);
/** Of the address; its namespace may not have come yet. */
let wanted = readAddress(location.search).workload;
const grid = new Grid(filter, (place) => open(place, true));
const details = new Details(() => close(true));
let isFirst = true;

function text(id: string): HTMLInputElement {
  return byId<HTMLInputElement>(id);
}

/** Puts the filter into its fields: they are what the address says. */
function showFilter(): void {
  text('text').value = filter.text;
  text('trouble').checked = filter.trouble;
  for (const name of CHOICES) choose(name);
}

function choose(name: (typeof CHOICES)[number]): void {
  const select = byId<HTMLSelectElement>(name);
  const all = grid.namespaces.flatMap(({ namespace, workloads }) =>
    name === 'namespace' ? [namespace] : workloads.map((workload) => workload[name]),
  );
  const values = [...new Set([...all, ...(filter[name] ? [filter[name]] : [])])].sort();
  const before = [...select.options].slice(1).map(({ value }) => value);
  if (select.options.length === 0 || before.join('\n') !== values.join('\n'))
    select.replaceChildren(new Option('all', ''), ...values.map((value) => new Option(value, value)));
  select.value = filter[name];
}

function setFilter(next: Filter, remember: boolean): void {
  filter = next;
  if (remember) history.replaceState(null, '', writeAddress(filter, details.place) || location.pathname);
  showCount(grid.filter(filter));
}

function showCount({ workloads, namespaces }: { workloads: number; namespaces: number }): void {
  const said = `${count(workloads, 'workload')} in ${count(namespaces, 'namespace')} shown`;
  // Screen readers say it when it is another.
  if (byId('count').textContent !== said) byId('count').textContent = said;
}

function open(place: Place, byHand: boolean): void {
  wanted = place;
  grid.select(place);
  const namespace = grid.namespaces.find((each) => each.namespace === place.namespace);
  void details.show(place, grid.find(place), namespace);
  if (!byHand) return;
  history.pushState(null, '', writeAddress(filter, place));
  details.focus();
}

function close(byHand: boolean): void {
  const { place } = details;
  details.close();
  grid.select(undefined);
  wanted = undefined;
  if (!byHand || !place) return;
  history.pushState(null, '', writeAddress(filter, undefined) || location.pathname);
  grid.focus(place);
}

function showTotals(namespaces: NamespaceState[]): void {
  const workloads = namespaces.flatMap((each) => each.workloads);
  const sum = (of: (each: (typeof workloads)[number]) => number) => workloads.reduce((all, each) => all + of(each), 0);
  const totals: [string, number][] = [
    ['namespaces', namespaces.length],
    ['workloads', workloads.length],
    ['pods', sum(({ pods }) => pods)],
    ['traced', sum(({ traced }) => traced)],
    ['reporting', sum(({ reporting }) => reporting)],
    ['workloads in trouble', sum(({ troubles }) => Number(troubles.length > 0))],
  ];
  byId('totals').replaceChildren(
    ...totals.map(([term, number]) => make('div', [make('dt', term), make('dd', number.toLocaleString('en'))])),
  );
}

function showViewer({ user, all, policies }: ViewerState): void {
  byId('user').textContent = `${user}, ${all ? 'all namespaces' : 'the namespaces that you may see'}`;
  const section = byId('cluster-policies');
  section.hidden = policies.length === 0;
  section.querySelector('ul')!.replaceWith(list(policies.flatMap(policyItems)));
}

/** Asks who this is, until somebody says so. */
function signIn(why: string): Promise<void> {
  forget();
  byId('content').hidden = true;
  byId('connection').textContent = '';
  byId('refusal').textContent = why.trim();
  const form = byId<HTMLFormElement>('sign-in');
  form.hidden = false;
  return new Promise((resolve) => {
    form.addEventListener(
      'submit',
      (event) => {
        event.preventDefault();
        keepToken(text('token').value.trim());
        text('token').value = '';
        form.hidden = true;
        resolve();
      },
      { once: true },
    );
  });
}

async function run(): Promise<never> {
  await openLink();
  for (;;) {
    const refused = Promise.withResolvers<string>();
    void follow({
      viewer: showViewer,
      namespace: (state) => {
        grid.put(state);
        const { place } = details;
        // What is shown is kept up to date, and what the address asks for may have come.
        if (place?.namespace === state.namespace || (!place && wanted?.namespace === state.namespace))
          open(wanted!, false);
      },
      gone: (namespace) => grid.remove(namespace),
      current: (sent) => {
        for (const { namespace } of grid.namespaces) if (!sent.has(namespace)) grid.remove(namespace);
        byId('content').hidden = false;
        byId('connection').textContent = 'Live';
        grid.order();
        for (const name of CHOICES) choose(name);
        showTotals(grid.namespaces);
        showCount(grid.shown());
        if (isFirst && wanted) open(wanted, false);
        isFirst = false;
      },
      broken: (why) => {
        byId('connection').textContent = `Not live: ${why}. Trying again`;
      },
      refused: (why) => refused.resolve(why),
    });
    await signIn(await refused.promise);
  }
}

let timer: ReturnType<typeof setTimeout> | undefined;
function readFields(): void {
  clearTimeout(timer);
  const chosen = { ...NOTHING, text: text('text').value, trouble: text('trouble').checked };
  for (const name of CHOICES) chosen[name] = byId<HTMLSelectElement>(name).value;
  setFilter(chosen, true);
}
byId('filters').addEventListener('input', (event) => {
  // A choice holds at once: news of the cluster puts the fields as the filter is, and would take back one that waits.
  if (event.target !== text('text')) return readFields();
  clearTimeout(timer);
  // Whoever types has the table follow when they stop for a moment.
  timer = setTimeout(readFields, 80);
});
byId('filters').addEventListener('submit', (event) => event.preventDefault());
byId('filters').addEventListener('reset', (event) => {
  event.preventDefault();
  clearTimeout(timer);
  setFilter(NOTHING, true);
  showFilter();
});
addEventListener('popstate', () => {
  clearTimeout(timer);
  const asked = readAddress(location.search);
  setFilter(asked.filter, false);
  showFilter();
  if (asked.workload) open(asked.workload, false);
  else close(false);
});
applyTheme(byId<HTMLSelectElement>('theme'));
showFilter();
void run();
