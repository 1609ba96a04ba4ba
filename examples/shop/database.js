'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { Pool } = require('pg');

// Any number will do, as long as every service of the shop takes the same one.
const SCHEMA_LOCK = 20_260_101;
const RETRY_MS = 1_000;

/**
 * Connects to Postgres and creates the service's tables. Waits for a database that is still starting, for as long as
 * `signal` lets it: in Kubernetes nothing says that the database is there first.
 */
async function openDatabase(url, schema, { log, signal }) {
  const pool = new Pool({ connectionString: url, max: 10, connectionTimeoutMillis: 3_000 });
  // A connection lost while idle; the pool opens another when one is asked for.
  pool.on('error', (error) => log.warn({ err: error }, 'idle database connection lost'));
  for (;;) {
    try {
      await transaction(pool, async (client) => {
        // CREATE TABLE IF NOT EXISTS is no protection against another replica doing the same at the same moment.
        await client.query('SELECT pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
        await client.query(schema);
      });
      return pool;
    } catch (error) {
      log.info({ reason: error.message || error.code }, 'waiting for the database');
      try {
        await sleep(RETRY_MS, undefined, { signal });
      } catch (aborted) {
        await pool.end();
        throw aborted;
      }
    }
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
