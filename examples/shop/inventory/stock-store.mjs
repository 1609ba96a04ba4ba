import { transaction } from '../backends/database.js';

export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS stock (
    sku text PRIMARY KEY,
    available integer NOT NULL CHECK (available >= 0),
    price_cents integer NOT NULL CHECK (price_cents > 0)
  );
  CREATE TABLE IF NOT EXISTS reservations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL UNIQUE,
    sku text NOT NULL REFERENCES stock,
    quantity integer NOT NULL CHECK (quantity > 0),
    shipped_at timestamptz
  );
  INSERT INTO stock (sku, available, price_cents)
    VALUES ('espresso-beans', 1000000, 1450), ('moka-pot', 0, 3900)
    ON CONFLICT DO NOTHING`;

/** What is in stock and what is reserved, as Postgres keeps it. */
export class StockStore {
  #database;

  constructor(database) {
    this.#database = database;
  }

  async find(sku) {
    const { rows } = await this.#database.query(
      'SELECT sku, available, price_cents AS "priceCents" FROM stock WHERE sku = $1',
      [sku],
    );
    return rows[0];
  }

  async put({ sku, available, priceCents }) {
    const { rows } = await this.#database.query(
      `INSERT INTO stock (sku, available, price_cents) VALUES ($1, $2, $3)
       ON CONFLICT (sku) DO UPDATE SET available = EXCLUDED.available, price_cents = EXCLUDED.price_cents
       RETURNING sku, available, price_cents AS "priceCents"`,
      [sku, available, priceCents],
    );
    return rows[0];
  }

  /** Takes `quantity` out of stock for an order; undefined when there is not that much. */
  reserve({ orderId, sku, quantity }) {
    return transaction(this.#database, async (client) => {
      const taken = await client.query(
        'UPDATE stock SET available = available - $2 WHERE sku = $1 AND available >= $2',
        [sku, quantity],
      );
      if (taken.rowCount === 0) return undefined;
      const { rows } = await client.query(
        'INSERT INTO reservations (order_id, sku, quantity) VALUES ($1, $2, $3) RETURNING id',
        [orderId, sku, quantity],
      );
      return { reservationId: rows[0].id };
    });
  }

  /** Puts a reservation back into stock and resolves to what it was; undefined when there is none. */
  release(id) {
    return transaction(this.#database, async (client) => {
      const { rows } = await client.query('DELETE FROM reservations WHERE id = $1 RETURNING sku, quantity', [id]);
      if (rows.length === 0) return undefined;
      await client.query('UPDATE stock SET available = available + $2 WHERE sku = $1', [rows[0].sku, rows[0].quantity]);
      return rows[0];
    });
  }

  /** Marks what is reserved for these orders as shipped; resolves to what was not before. */
  async ship(orderIds) {
    const { rows } = await this.#database.query(
      `UPDATE reservations SET shipped_at = now() WHERE order_id = ANY($1) AND shipped_at IS NULL
       RETURNING sku, quantity`,
      [orderIds],
    );
    return rows;
  }
}
