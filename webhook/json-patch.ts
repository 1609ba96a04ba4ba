import { isDeepStrictEqual } from 'node:util';

/** One step of RFC 6902, the only patch type that admission knows. */
export type PatchOperation = { op: 'add' | 'replace'; path: string; value: unknown } | { op: 'remove'; path: string };

/**
 * Smallest honest difference between two JSON values: what is equal is not mentioned, so that fields which other
 * webhooks write at the same time are left alone. Of lists only the items that are new are added and only those that
 * are no more what they were are looked into, as long as nothing goes or moves.
 */
export function diff(from: unknown, to: unknown, path = ''): PatchOperation[] {
  if (from === to) return [];
  if (Array.isArray(from) && Array.isArray(to)) return diffLists(from, to, path);
  if (isRecord(from) && isRecord(to)) {
    const operations: PatchOperation[] = [];
    for (const key of Object.keys(from))
      if (!(key in to)) operations.push({ op: 'remove', path: `${path}/${escape(key)}` });
    for (const [key, value] of Object.entries(to)) {
      // Injection leaves what it does not add to as the very same value: most of a pod needs no path.
      if (from[key] === value) continue;
      const at = `${path}/${escape(key)}`;
      if (key in from) operations.push(...diff(from[key], value, at));
      else operations.push({ op: 'add', path: at, value });
    }
    return operations;
  }
  return isDeepStrictEqual(from, to) ? [] : [{ op: 'replace', path, value: to }];
}

function diffLists(from: unknown[], to: unknown[], path: string): PatchOperation[] {
  const origins = originsOf(from, to);
  if (origins)
    return origins.flatMap((origin, i) => {
      if (origin === undefined) return { op: 'add', path: `${path}/${i}`, value: to[i] };
      return from[origin] === to[i] ? [] : diff(from[origin], to[i], `${path}/${i}`);
    });
  let start = 0;
  while (start < from.length && start < to.length && isEqual(from[start], to[start])) start++;
  let end = 0;
  const most = Math.min(from.length, to.length) - start;
  while (end < most && isEqual(from[from.length - 1 - end], to[to.length - 1 - end])) end++;
  const before = from.slice(start, from.length - end);
  const after = to.slice(start, to.length - end);
  if (before.length === after.length) return before.flatMap((item, i) => diff(item, after[i], `${path}/${start + i}`));
  return [
    ...before.map((): PatchOperation => ({ op: 'remove', path: `${path}/${start}` })),
    ...after.map((value, i): PatchOperation => ({ op: 'add', path: `${path}/${start + i}`, value })),
  ];
}

/**
 * For each item of `to` the index of the item of `from` that it is, or has become: items of one `name` are the same.
 * Undefined for a new item, and as a whole where an item is gone or has moved.
 */
export function originsOf(from: readonly unknown[], to: readonly unknown[]): (number | undefined)[] | undefined {
  let next = 0;
  const origins = to.map((item) => (next < from.length && isSameItem(from[next], item) ? next++ : undefined));
  return next === from.length ? origins : undefined;
}

function isSameItem(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isRecord(a) || !isRecord(b)) return isDeepStrictEqual(a, b);
  return a['name'] === undefined ? isDeepStrictEqual(a, b) : a['name'] === b['name'];
}

/** Injection leaves what it does not add to as the very same value: most comparisons end at once. */
function isEqual(a: unknown, b: unknown): boolean {
  return a === b || isDeepStrictEqual(a, b);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** https://www.rfc-editor.org/rfc/rfc6901#section-3 */
function escape(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
