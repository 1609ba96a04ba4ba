import { setTimeout as sleep } from 'node:timers/promises';
import { Arrivals } from './arrivals.ts';
import type { OtlpReadSpan } from './otlp.ts';
import type { Receiver } from './receiver.ts';

const LOOK_MS = 100;
/** How long the last spans of a process that has ended are waited for, once nothing comes; and at most. */
const LAST_QUIET_MS = 300;
const LAST_MS = 3_000;
/** A request that takes longer is shown in two parts. */
const PATIENCE_MS = 10_000;

/** The traces that a receiver gets, each when nothing has come for it for `quietMs`; and, once `signal` says so, the rest. */
export async function* finishedTraces(
  receiver: Receiver,
  quietMs: number,
  signal: AbortSignal,
): AsyncGenerator<OtlpReadSpan[]> {
  const arrivals = new Arrivals<OtlpReadSpan>({ quietMs, patienceMs: Math.max(quietMs, PATIENCE_MS) });
  while (!signal.aborted) {
    await sleep(LOOK_MS);
    arrivals.take(receiver.take(), performance.now());
    yield* arrivals.whole(performance.now());
  }
  const ended = performance.now();
  let last = ended;
  while (performance.now() - last < LAST_QUIET_MS && performance.now() - ended < LAST_MS) {
    await sleep(LOOK_MS);
    const spans = receiver.take();
    if (spans.length > 0) last = performance.now();
    arrivals.take(spans, last);
  }
  yield* arrivals.rest();
}
