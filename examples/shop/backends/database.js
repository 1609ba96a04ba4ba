'use strict';

const { Pool } = require('pg');
const { required } = require('../process/settings.js');
const { waitFor } = require('./waiting.js');

// Any number will do, as long as every service of the shop takes the same one.
const SCHEMA_LOCK = 20_260_101;

/** Connects to the Postgres of DATABASE_URL and creates the service's tables; waits for one that is still starting. */
async function openDatabase(schema, { log, signal }) {
  const pool = new Pool({
    connectionString: required('DATABASE_URL'),
    max: 10,
    connectionTimeoutMillis: 3_000,
  });
  // A connection lost while idle; the pool opens another when one is asked for.
  pool.on('error', (error) => log.warn({ err: error }, 'idle database connection lost'));
  const createTables = () =>
    transaction(pool, async (client) => {
      // CREATE TABLE IF NOT EXISTS is no protection against another replica doing the same at the same moment.
      await client.query('SELECT pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
      await client.query(schema);
    });
  try {
    await waitFor('the database', createTables, { log, signal });
    return pool;
  } catch (error) {
    await pool.end();
    throw error;
  }
}

/** Runs `work` in a transaction: committed when it returns, rolled back when it throws. */
async function transaction(pool, work) {
  const client = await pool.connect();
  let broken;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((rollbackError) => (broken = rollbackError));
    throw error;
  } finally {
    // A client that can't even roll back is thrown away.
    client.release(broken);
  }
}

module.exports = { openDatabase, transaction };
