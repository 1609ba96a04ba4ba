import { randomBytes } from 'node:crypto';
import { SAMPLE_ORDERS } from '../demo/orders.ts';
import type { Shop } from '../servers/shop.ts';

const VISITS_PER_SECOND = 6;
const PATIENCE_MILLIS = 15_000;
/** The visitor's own span, which nobody receives. */
export const VISITOR_SPAN = '00000000000000aa';

/** Somebody who orders, and asks what others buy: one trace. */
export interface Visit {
  traceId: string;
  began: number;
  /** When both were answered. */
  ended?: number;
  order: Answer;
  bestsellers: Answer;
}

export interface Answer {
  /** 0: there was none. */
  status: number;
  /** What an error's answer says, without what differs between any two. */
  says?: string;
}

type ShopAddress = Pick<Shop, 'orderUrl' | 'inventoryUrl'>;

/** Makes one, which is in `placed` while it is under way. */
export async function visit(shop: ShopAddress, placed: Visit[] = []): Promise<Visit> {
  const traceId = randomBytes(16).toString('hex');
  const headers = { traceparent: `00-${traceId}-${VISITOR_SPAN}-01` };
  const made: Visit = { traceId, began: performance.now(), order: { status: 0 }, bestsellers: { status: 0 } };
  placed.push(made);
  [made.order, made.bestsellers] = await Promise.all([
    ask(new URL('/orders', shop.orderUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(SAMPLE_ORDERS.good),
    }),
    ask(new URL('/bestsellers', shop.inventoryUrl), { headers }),
  ]);
  made.ended = performance.now();
  return made;
}

async function ask(url: URL, init: RequestInit): Promise<Answer> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MILLIS) });
    const text = await response.text();
    if (response.status < 400) return { status: response.status };
    return { status: response.status, says: text.replaceAll(/[0-9a-f-]{36}|(?<=:)\d+/g, '…') };
  } catch {
    return { status: 0 };
  }
}

/** Visitors at an even rate. */
export function startVisits(shop: ShopAddress): { visits: Visit[]; stop(): Promise<void> } {
  const visits: Visit[] = [];
  const all: Promise<Visit>[] = [];
  const timer = setInterval(() => all.push(visit(shop, visits)), 1000 / VISITS_PER_SECOND);
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    await Promise.all(all);
  };
  return { visits, stop };
}
