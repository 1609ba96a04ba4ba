import type { NamespaceState, WorkloadState } from '../state.ts';

/** What is shown; in the address of the page, so that it can be passed on. */
export interface Filter {
  /** Part of a name or of what is said about it. */
  text: string;
  namespace: string;
  state: string;
  policy: string;
  trouble: boolean;
}

/** One workload of the cluster. */
export interface Place {
  namespace: string;
  kind: string;
  name: string;
}

export const NOTHING: Filter = { text: '', namespace: '', state: '', policy: '', trouble: false };

/** What an address asks for; what it says beside that is left out. */
export function readAddress(search: string): { filter: Filter; workload: Place | undefined } {
  const asked = new URLSearchParams(search);
  const text = (key: string) => asked.get(key) ?? '';
  const [namespace, kind, name] = text('workload').split('/');
  return {
    filter: {
      text: text('text'),
      namespace: text('namespace'),
      state: text('state'),
      policy: text('policy'),
      trouble: asked.get('trouble') === 'true',
    },
    workload: namespace && kind && name ? { namespace, kind, name } : undefined,
  };
}

/** The other way round: `?namespace=shop&trouble=true`, or nothing. */
export function writeAddress(filter: Filter, workload: Place | undefined): string {
  const asked = new URLSearchParams();
  for (const [key, value] of Object.entries(filter)) if (value) asked.set(key, String(value));
  if (workload) asked.set('workload', placeKey(workload));
  const text = asked.toString().replaceAll('%2F', '/');
  return text ? `?${text}` : '';
}

export function placeKey({ namespace, kind, name }: Place): string {
  return `${namespace}/${kind}/${name}`;
}

export function matches(
  filter: Filter,
  { namespace }: Pick<NamespaceState, 'namespace'>,
  workload: WorkloadState,
): boolean {
  if (filter.namespace && filter.namespace !== namespace) return false;
  if (filter.state && filter.state !== workload.state) return false;
  if (filter.policy && filter.policy !== workload.policy) return false;
  if (filter.trouble && workload.troubles.length === 0) return false;
  if (!filter.text) return true;
  const text = filter.text.toLowerCase();
  const said = workload.troubles.flatMap(({ reason, message }) => [reason, message]);
  return [`${namespace}/${workload.name}`, workload.kind, ...said].some((each) => each.toLowerCase().includes(text));
}
