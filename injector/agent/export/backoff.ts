/** When a batch that did not arrive is sent again: times in milliseconds. */
export interface RetrySettings {
  initialMillis: number;
  maxMillis: number;
}

/** How long to wait before the next try. All pods lose a receiver at the same moment: each comes back at one of its own. */
export function backoff({ initialMillis, maxMillis }: RetrySettings, tries: number, random = Math.random): number {
  return Math.min(maxMillis, initialMillis * 2 ** (tries - 1)) * (0.5 + random());
}

/** `Retry-After` in milliseconds from now, as seconds or as a date: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after */
export function readRetryAfter(value: string | undefined, now = Date.now()): number {
  if (value === undefined) return 0;
  const millis = /^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(millis) ? Math.max(0, millis) : 0;
}
