import type { Span } from '@opentelemetry/api';

// There is no semantic convention for caches (https://github.com/open-telemetry/semantic-conventions/issues/1747). `cache.hit`
// is what others call it who have one.
/** Whether the key that a call asked for was there. */
export const HIT = 'cache.hit';
/** Of a call that asked for several: how many were there, and how many were not. */
export const HITS = 'cache.hits';
export const MISSES = 'cache.misses';

const ONE = /^(h?get|getdel|getex)$/i;
const SEVERAL = /^h?mget$/i;

/** Notes at a span what Redis answered to a command that reads keys; a hook of the instrumentations of ioredis and redis. */
export function noteReply(span: Span, command: unknown, _args: unknown, reply: unknown): void {
  const name = String(command);
  // Within a transaction of ioredis the answer comes with that of EXEC.
  if ((reply as { length?: number } | null)?.length === 6 && String(reply) === 'QUEUED') return;
  if (ONE.test(name)) span.setAttribute(HIT, reply !== null && reply !== undefined);
  else if (SEVERAL.test(name) && Array.isArray(reply))
    noteSeveral(span, reply.filter((each) => each !== null).length, reply.length);
}

/** Notes how many of several keys were there. */
export function noteSeveral(span: Span, hits: number, asked: number): void {
  span.setAttribute(HITS, hits).setAttribute(MISSES, asked - hits);
}
