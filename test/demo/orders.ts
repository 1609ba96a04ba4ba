/** An order to place; without a card it goes on the customer's card on file. */
export interface OrderRequest {
  sku: string;
  quantity: number;
  card?: string;
}

/** What the order service answered. */
export interface OrderAnswer {
  status: number;
  body: { id?: string; status?: string; amountCents?: number; paymentId?: string; receipt?: string[]; error?: string };
}

/** Orders that end well, and in the two ways a shop's orders usually don't. */
export const SAMPLE_ORDERS = {
  good: { sku: 'espresso-beans', quantity: 2, card: '4242424242424242' },
  declined: { sku: 'espresso-beans', quantity: 1, card: '4000000000000002' },
  outOfStock: { sku: 'moka-pot', quantity: 1, card: '4242424242424242' },
} satisfies Record<string, OrderRequest>;

/** Places one order; `headers` may carry a trace context. */
export async function placeOrder(
  orderUrl: string,
  order: OrderRequest,
  headers: Record<string, string> = {},
): Promise<OrderAnswer> {
  const response = await fetch(new URL('/orders', orderUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(order),
    signal: AbortSignal.timeout(15_000),
  });
  return { status: response.status, body: (await response.json()) as OrderAnswer['body'] };
}

/** Places `count` orders, `inFlight` at a time; the answers come in no particular order. */
export async function placeOrders(
  orderUrl: string,
  order: OrderRequest,
  { count, inFlight }: { count: number; inFlight: number },
): Promise<OrderAnswer[]> {
  const answers: OrderAnswer[] = [];
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      answers.push(await placeOrder(orderUrl, order));
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, worker));
  return answers;
}
