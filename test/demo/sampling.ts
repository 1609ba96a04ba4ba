import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Jaeger } from './jaeger.ts';
import { placeOrder, SAMPLE_ORDERS } from './orders.ts';
import type { OrderAnswer, OrderRequest } from './orders.ts';
import type { Route } from './route.ts';
import type { Span } from './span.ts';

/** An order that was sent, and the mark by which its trace is found again. */
export interface MarkedOrder {
  mark: string;
  sentAt: Date;
  answer: OrderAnswer;
}

// Spans wait in the process for at most five seconds (the specification's default), and then some for the way.
const EXPORT_MS = 8_000;
const PACE_MS = 50;

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

/** How many of `count` new orders are traced: sends them, and waits until no more traces can come. */
export async function countTraced({ orderUrl, jaeger }: Route, count: number, inFlight = 4): Promise<number> {
  const orders: MarkedOrder[] = [];
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      orders.push(await placeMarked(orderUrl, SAMPLE_ORDERS.good));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
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
 * Sends orders at a steady pace from `since` on, until one is seen that was traced (or was not); resolves to the
 * seconds from `since` to the sending of the first of them.
 */
export async function secondsUntilFirst(
  wanted: 'traced' | 'untraced',
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
      // A trace that has not come yet says nothing before spans have had the time to arrive.
      const settled = Date.now() - EXPORT_MS;
      const first = orders.find(({ mark, sentAt }) =>
        wanted === 'traced' ? traces.has(mark) : !traces.has(mark) && sentAt.getTime() < settled,
      );
      if (first !== undefined) return (first.sentAt.getTime() - since.getTime()) / 1_000;
    }
  } finally {
    sending = false;
    await sender;
  }
  if (failure !== undefined) throw new Error('an order could not be sent', { cause: failure });
  throw new Error(`none of ${orders.length} orders was ${wanted} within ${timeoutMs / 1_000} s`);
}
