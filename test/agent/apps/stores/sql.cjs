// node sql.cjs DATABASE_URL
const { Pool } = require('pg');
const knex = require('knex');
const { serve } = require('./serve.cjs');

const [, , connectionString] = process.argv;
const pool = new Pool({ connectionString, max: 2 });
const query = knex({ client: 'pg', connection: connectionString, pool: { min: 1, max: 1 } });

serve({
  query: async () => (await pool.query('SELECT name FROM items WHERE id = $1', [7])).rows,
  written: async () => (await pool.query("SELECT id FROM items WHERE name = 'secret' OR id = 7")).rows,
  callback: () =>
    new Promise((resolve, reject) =>
      pool.query('SELECT count(*)::int FROM items', (error, result) => (error ? reject(error) : resolve(result.rows))),
    ),
  prepared: async () =>
    (await pool.query({ name: 'item-by-id', text: 'SELECT name FROM items WHERE id = $1', values: [7] })).rows,
  async transaction() {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('UPDATE items SET name = $1 WHERE id = $2', ['secret tea', 7]);
      await client.query('ROLLBACK');
      return 'rolled back';
    } finally {
      client.release();
    }
  },
  duplicate: () => pool.query("INSERT INTO items (id, name) VALUES (7, 'secret')"),
  missing: () => pool.query('SELECT 1 FROM nothing'),
  knex: () => query('items').select('name').where({ id: 7, name: 'tea' }),
  'knex-transaction': () =>
    query.transaction(async (step) => {
      await step('items').insert({ id: 8, name: 'secret' });
      return await step('items').where({ id: 8 }).delete();
    }),
  'knex-duplicate': () => query('items').insert({ id: 7, name: 'secret' }),
});
