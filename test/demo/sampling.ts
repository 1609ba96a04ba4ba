import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Jaeger } from './jaeger.ts';
import { placeOrder, SAMPLE_ORDERS } from './orders.ts';
import type { OrderAnswer, OrderRequest } from './orders.ts';
import type { Route } from './route.ts';
import type { Span } from '../../cli/trace/span.ts';

/** An order that was sent, and the mark by which its trace is found again. */
export interface MarkedOrder {
  mark: string;
  sentAt: Date;
  answer: OrderAnswer;
}

// The agent keeps spans for a second; the rest is room for a busy machine.
const EXPORT_MS = 5_000;
const PACE_MS = 50;
// So many traced orders in a row don't come about by chance under a ratio of 0.5 or less.
const RUN = 10;

/**
 * Places an order that says who it is in User-Agent, which the server's span records. A trace context of our own would
 * find the trace as well, but then we would take the sampling decision and not the shop.
 */
export async function placeMarked(orderUrl: string, order: OrderRequest): Promise<MarkedOrder> {
  const mark = `shop-demo/${randomBytes(8).toString('hex')}`;
  const sentAt = new Date();
  return { mark, sentAt, answer: await placeOrder(orderUrl, order, { 'user-agent': mark }) };
}

/** The traces of marked orders that have arrived so far, by mark. */
export async function tracesOf(jaeger: Jaeger, orders: readonly MarkedOrder[]): Promise<Map<string, Span[]>> {
  if (orders.length === 0) return new Map();
  const earliest = Math.min(...orders.map((order) => order.sentAt.getTime()));
  const traces = await jaeger.find({
    service: 'order',
    operation: 'POST /orders',
    // Some room on both sides, as the pods' clock may not be ours.
    from: new Date(earliest - 60_000),
    to: new Date(Date.now() + 60_000),
    limit: 5_000,
  });
  const wanted = new Set(orders.map((order) => order.mark));
  return new Map(
    traces.flatMap((spans) => {
      const mark = spans.map(markOf).find((found) => found !== undefined && wanted.has(found));
      return mark === undefined ? [] : [[mark, spans] as const];
    }),
  );
}

function markOf(span: Span): string | undefined {
  const agent = span.attributes['user_agent.original'] ?? span.attributes['http.user_agent'];
  return typeof agent === 'string' ? agent : undefined;
}

/** The whole trace of one order: waits until it satisfies `complete`, and fails with what it says is missing. */
export async function waitForTrace(
  jaeger: Jaeger,
  order: MarkedOrder,
  complete: (spans: Span[]) => string[],
  timeoutMs = 30_000,
): Promise<Span[]> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const spans = (await tracesOf(jaeger, [order])).get(order.mark) ?? [];
    const problems = complete(spans);
    if (problems.length === 0) return spans;
    if (performance.now() > end) {
      throw new Error(
        `the trace of order ${order.answer.body.id} is not whole after ${timeoutMs / 1_000} s:\n  ${problems.join('\n  ')}`,
      );
    }
    await sleep(500);
  }
}

/** Orders that are under way at a time. */
const IN_FLIGHT = 4;

/** How many of `count` new orders are traced: sends them, and waits until no more traces can come. @param now takes how far it is. */
export async function countTraced(
  { orderUrl, jaeger }: Route,
  count: number,
  now?: (what: string) => void,
): Promise<number> {
  const orders: MarkedOrder[] = [];
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      orders.push(await placeMarked(orderUrl, SAMPLE_ORDERS.good));
      now?.(`${orders.length} of ${count} orders sent`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  now?.(`${count} orders sent, counting their traces`);
  const refused = orders.filter((order) => order.answer.status !== 201);
  if (refused.length > 0) {
    throw new Error(`${refused.length} of ${count} orders failed: ${JSON.stringify(refused[0]?.answer)}`);
  }
  const end = performance.now() + EXPORT_MS;
  for (;;) {
    const traced = (await tracesOf(jaeger, orders)).size;
    if (traced === count || performance.now() > end) return traced;
    await sleep(500);
  }
}

/**
 * Sends orders at a steady pace from `since` on, until it is clear from which of them on a new ratio was in force;
 * resolves to the seconds from `since` to the sending of that one.
 */
export async function secondsUntil(
  inForce: (traced: readonly (boolean | undefined)[]) => number,
  { orderUrl, jaeger }: Route,
  since: Date,
  timeoutMs = 120_000,
): Promise<number> {
  const orders: MarkedOrder[] = [];
  const end = performance.now() + timeoutMs;
  let sending = true;
  let failure: unknown;
  const sender = (async () => {
    while (sending) {
      orders.push(await placeMarked(orderUrl, SAMPLE_ORDERS.good));
      await sleep(PACE_MS);
    }
  })().catch((error: unknown) => (failure = error));
  try {
    while (performance.now() < end && failure === undefined) {
      await sleep(1_000);
      const traces = await tracesOf(jaeger, orders);
      const settled = Date.now() - EXPORT_MS;
      // A trace that has not come says nothing before its spans have had the time to.
      const traced = orders.map(
        ({ mark, sentAt }) => traces.has(mark) || (sentAt.getTime() < settled ? false : undefined),
      );
      const first = orders[inForce(traced)];
      if (first !== undefined) return (first.sentAt.getTime() - since.getTime()) / 1_000;
    }
  } finally {
    sending = false;
    await sender;
  }
  if (failure !== undefined) throw new Error('an order could not be sent', { cause: failure });
  throw new Error(`after ${timeoutMs / 1_000} s and ${orders.length} orders the new ratio is still not in force`);
}

/** Where orders begin to be traced without exception: ratio 1. */
export function firstOfAll(traced: readonly (boolean | undefined)[]): number {
  return traced.findIndex((_, index) => {
    const run = traced.slice(index, index + RUN);
    return run.length === RUN && run.every((is) => is === true);
  });
}

/** Where the first order is not traced: less than ratio 1, coming from there. */
export function firstMissing(traced: readonly (boolean | undefined)[]): number {
  return traced.indexOf(false);
}
