import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../cluster/progress.ts';
import { placeOrder, placeOrders, SAMPLE_ORDERS } from '../demo/orders.ts';
import { startPostgres } from '../servers/postgres.ts';
import type { Postgres } from '../servers/postgres.ts';
import { freePort } from '../servers/free-port.ts';
import { startService, startShop } from '../servers/shop.ts';
import type { Shop } from '../servers/shop.ts';

const UUID = /^[0-9a-f-]{36}$/;

describe('the shop against a real Postgres', () => {
  let postgres: Postgres;
  let shop: Shop;

  beforeAll(async () => {
    postgres = await startPostgres();
    shop = await startShop(postgres.url);
  }, 90_000);

  afterAll(async () => {
    await shop?.stop();
    await postgres?.stop();
  }, 30_000);

  const available = async (sku: string) =>
    Number(await postgres.query(`SELECT available FROM stock WHERE sku = '${sku}'`));

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
    });
    expect(await available('espresso-beans')).toBe(before - 2);
    expect(await postgres.query(`SELECT sku, quantity FROM reservations WHERE order_id = '${body.id}'`)).toBe(
      'espresso-beans|2',
    );
    const read = await fetch(new URL(`/orders/${body.id}`, shop.orderUrl));
    expect(read.status).toBe(200);
    expect(await read.json()).toEqual(body);
  });

  it('turns down an order when the card is declined, and gives the stock back', async () => {
    const before = await available('espresso-beans');
    const { status, body } = await placeOrder(shop.orderUrl, SAMPLE_ORDERS.declined);
    expect(status).toBe(402);
    expect(body).toMatchObject({ status: 'declined', error: 'card declined: insufficient funds' });
    expect(await available('espresso-beans')).toBe(before);
    expect(await postgres.query(`SELECT count(*) FROM reservations WHERE order_id = '${body.id}'`)).toBe('0');
    expect(await postgres.query(`SELECT status FROM orders WHERE id = '${body.id}'`)).toBe('declined');
  });

  it('turns down an order for more than there is, and charges nobody', async () => {
    const { status, body } = await placeOrder(shop.orderUrl, SAMPLE_ORDERS.outOfStock);
    expect(status).toBe(409);
    expect(body).toMatchObject({ status: 'out_of_stock', error: 'not enough moka-pot in stock' });
    expect(await postgres.query(`SELECT status, payment_id IS NULL FROM orders WHERE id = '${body.id}'`)).toBe(
      'out_of_stock|t',
    );
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

  it('stops on SIGTERM, exit code 0, even while it waits for a database that never comes', async () => {
    const extra = startService('inventory', {
      HOST: '127.0.0.1',
      PORT: String(await freePort()),
      DATABASE_URL: `postgres://nobody@127.0.0.1:${await freePort()}/nothing`,
    });
    try {
      await until('the service did not wait', 10_000, () =>
        Promise.resolve(extra.log().includes('waiting for the database')),
      );
    } finally {
      expect(await extra.stop()).toBe(0);
    }
  }, 20_000);

  it('stops all three on SIGTERM, exit code 0', async () => {
    for (const service of Object.values(shop.services)) expect(await service.stop()).toBe(0);
  }, 30_000);
});
