'use strict';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS orders (
    id uuid PRIMARY KEY,
    sku text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    status text NOT NULL CHECK (status IN ('pending', 'paid', 'declined', 'out_of_stock', 'failed')),
    amount_cents integer,
    payment_id text,
    created_at timestamptz NOT NULL DEFAULT now()
  )`;

const COLUMNS = `id, sku, quantity, status, amount_cents AS "amountCents", payment_id AS "paymentId", created_at AS "createdAt"`;

/** Orders as Postgres keeps them. */
class OrderStore {
  #database;

  constructor(database) {
    this.#database = database;
  }

  async create({ id, sku, quantity }) {
    await this.#database.query(`INSERT INTO orders (id, sku, quantity, status) VALUES ($1, $2, $3, 'pending')`, [
      id,
      sku,
      quantity,
    ]);
  }

  async settle(id, { status, amountCents, paymentId }) {
    const { rows } = await this.#database.query(
      `UPDATE orders SET status = $2, amount_cents = $3, payment_id = $4 WHERE id = $1 RETURNING ${COLUMNS}`,
      [id, status, amountCents, paymentId],
    );
    return rows[0];
  }

  async find(id) {
    const { rows } = await this.#database.query(`SELECT ${COLUMNS} FROM orders WHERE id = $1`, [id]);
    return rows[0];
  }
}

module.exports = { OrderStore, SCHEMA };
