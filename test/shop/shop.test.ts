import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../cluster/progress.ts';
import { placeOrder, placeOrders, SAMPLE_ORDERS } from '../demo/orders.ts';
import { startBackends } from '../servers/backends.ts';
import type { Backends } from '../servers/backends.ts';
import { freePort } from '../servers/free-port.ts';
import { startService, startShop } from '../servers/shop.ts';
import type { Shop } from '../servers/shop.ts';

const UUID = /^[0-9a-f-]{36}$/;

describe('the shop, untraced, against real servers', () => {
  let backends: Backends;
  let shop: Shop;

  beforeAll(async () => {
    backends = await startBackends();
    shop = await startShop(() => ({ ...backends.env, BANK_FAILURE_RATE: '0' }));
  }, 600_000);

  afterAll(async () => {
    await shop?.stop();
    await backends?.stop();
  }, 60_000);

  const query = (sql: string) => backends.postgres.query(sql);
  const available = async (sku: string) => Number(await query(`SELECT available FROM stock WHERE sku = '${sku}'`));

  it('takes a good order: paid, reserved, kept', async () => {
    const before = await available('espresso-beans');
    const { status, body } = await placeOrder(shop.orderUrl, SAMPLE_ORDERS.good);
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(UUID),
      sku: 'espresso-beans',
      quantity: 2,
      status: 'paid',
      amountCents: 2900,
      paymentId: expect.stringMatching(UUID),
      createdAt: expect.any(String),
      receipt: [`order ${body.id}`, `payment ${body.paymentId}`, 'card ending in 4242', 'total 29.00'],
    });
    expect(await available('espresso-beans')).toBe(before - 2);
    expect(await query(`SELECT sku, quantity FROM reservations WHERE order_id = '${body.id}'`)).toBe(
      'espresso-beans|2',
    );
    const read = await fetch(new URL(`/orders/${body.id}`, shop.orderUrl));
    expect(read.status).toBe(200);
    const { receipt: _, ...order } = body;
    expect(await read.json()).toEqual(order);
  });

  it('ships what was paid, hears of it by Kafka, and counts it', async () => {
    const { body } = await placeOrder(shop.orderUrl, SAMPLE_ORDERS.good);
    await until('the order was not shipped', 30_000, async () => {
      const shipped = await query(`SELECT shipped_at IS NOT NULL FROM reservations WHERE order_id = '${body.id}'`);
      return shipped === 't';
    });
    const bestsellers = (await (await fetch(new URL('/bestsellers', shop.inventoryUrl))).json()) as object[];
    expect(bestsellers).toContainEqual({ sku: 'espresso-beans', sold: expect.any(Number) });
  });

  it.each([
    ['fails', '4000000000000119', 'the bank failed'],
    ['dawdles', '4000000000000341', 'the bank does not answer'],
  ])('asks the bank again when it %s', async (_, card, line) => {
    const { status, body } = await placeOrder(shop.orderUrl, { ...SAMPLE_ORDERS.good, card });
    expect({ status, body }).toMatchObject({ status: 201, body: { status: 'paid' } });
    expect(shop.services.payment.log()).toContain(line);
  });

  it('turns down an order when the card is declined, and gives the stock back', async () => {
    const before = await available('espresso-beans');
    const { status, body } = await placeOrder(shop.orderUrl, SAMPLE_ORDERS.declined);
    expect(status).toBe(402);
    expect(body).toMatchObject({ status: 'declined', error: 'card declined: insufficient funds' });
    expect(await available('espresso-beans')).toBe(before);
    expect(await query(`SELECT count(*) FROM reservations WHERE order_id = '${body.id}'`)).toBe('0');
    expect(await query(`SELECT status FROM orders WHERE id = '${body.id}'`)).toBe('declined');
  });

  it('turns down an order for more than there is, and charges nobody', async () => {
    const { status, body } = await placeOrder(shop.orderUrl, SAMPLE_ORDERS.outOfStock);
    expect(status).toBe(409);
    expect(body).toMatchObject({ status: 'out_of_stock', error: 'not enough moka-pot in stock' });
    expect(await query(`SELECT status, payment_id IS NULL FROM orders WHERE id = '${body.id}'`)).toBe('out_of_stock|t');
    expect(shop.services.payment.log()).not.toContain(body.id);
  });

  it.each([
    [{ sku: 'Espresso!', quantity: 1 }, 'sku must be lower-case letters, digits and hyphens'],
    [{ sku: 'espresso-beans', quantity: 0 }, 'quantity must be a whole number from 1 to 100'],
    [{ sku: 'espresso-beans', quantity: 1, card: 'gold' }, 'card must be 12 to 19 digits'],
  ])('refuses %j', async (order, error) => {
    expect(await placeOrder(shop.orderUrl, order)).toEqual({ status: 400, body: { error } });
  });

  it('never sells the last one twice', async () => {
    await fetch(new URL('/stock/grinder', shop.inventoryUrl), {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ available: 5, priceCents: 9900 }),
    });
    const answers = await placeOrders(shop.orderUrl, { sku: 'grinder', quantity: 1 }, { count: 20, inFlight: 10 });
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(15);
    expect(await available('grinder')).toBe(0);
  });

  it('knows no order that was never placed', async () => {
    for (const id of ['00000000-0000-4000-8000-000000000000', 'nonsense']) {
      expect((await fetch(new URL(`/orders/${id}`, shop.orderUrl))).status).toBe(404);
    }
  });

  it.each([
    ['DATABASE_URL', (port: number) => `postgres://nobody@127.0.0.1:${port}/nothing`, 'waiting for the database'],
    ['REDIS_URL', (port: number) => `redis://127.0.0.1:${port}`, 'waiting for Redis'],
    ['MEMCACHED_ADDRESS', (port: number) => `127.0.0.1:${port}`, 'waiting for Memcached'],
    ['KAFKA_BROKERS', (port: number) => `127.0.0.1:${port}`, 'waiting for Kafka'],
  ])(
    'stops on SIGTERM, exit code 0, even while it waits for a %s that never comes',
    async (variable, nowhere, line) => {
      const extra = startService('inventory', {
        ...backends.env,
        HOST: '127.0.0.1',
        PORT: String(await freePort()),
        [variable]: nowhere(await freePort()),
      });
      try {
        await until('the service did not wait', 30_000, () => Promise.resolve(extra.log().includes(line)));
      } finally {
        expect(await extra.stop()).toBe(0);
      }
    },
    60_000,
  );

  it('stops all of them on SIGTERM, exit code 0', async () => {
    for (const service of Object.values(shop.services)) expect(await service.stop()).toBe(0);
  }, 30_000);
});
