'use strict';

const memjs = require('memjs');
const { required } = require('../process/settings.js');
const { waitFor } = require('./waiting.js');

/** Connects to the Memcached of MEMCACHED_ADDRESS; waits for one that is still starting. */
async function openMemcached({ log, signal }) {
  const logger = { log: (...parts) => log.debug(parts.join(' ')) };
  const options = { timeout: 0.5, conntimeout: 0.5, retries: 1, failoverTime: 1, logger };
  const memcached = memjs.Client.create(required('MEMCACHED_ADDRESS'), options);
  try {
    await waitFor('Memcached', () => memcached.get('hello'), { log, signal });
    return memcached;
  } catch (error) {
    memcached.close();
    throw error;
  }
}

module.exports = { openMemcached };
