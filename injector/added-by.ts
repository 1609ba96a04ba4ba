import { ADDED_BY } from './names.ts';

/** Which policy had something added to an object of others, and what, by its annotations; undefined where nothing was. */
export function addedBy(
  annotations: Record<string, string> | undefined,
): { source: string; names: string[] } | undefined {
  const said = annotations?.[ADDED_BY];
  if (said === undefined) return undefined;
  const end = said.lastIndexOf(': ');
  return { source: said.slice(0, end), names: said.slice(end + 2).split(', ') };
}
