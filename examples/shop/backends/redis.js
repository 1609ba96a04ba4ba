'use strict';

const { Redis } = require('ioredis');
const { required } = require('../process/settings.js');
const { waitFor } = require('./waiting.js');

/**
 * Connects to the Redis of REDIS_URL; waits for one that is still starting. Later commands fail soon when it is away: it is
 * only a cache.
 */
async function openRedis({ log, signal }) {
  const redis = new Redis(required('REDIS_URL'), {
    connectTimeout: 1_000,
    commandTimeout: 1_000,
    maxRetriesPerRequest: 1,
    retryStrategy: (times) => Math.min(times * 100, 1_000),
  });
  let isLost = false;
  redis.on('ready', () => (isLost = false));
  redis.on('error', (error) => {
    // One line for each time it is lost, not for each try to come back.
    if (!isLost) log.warn({ err: error }, 'Redis connection lost');
    isLost = true;
  });
  try {
    await waitFor('Redis', () => redis.ping(), { log, signal });
    return redis;
  } catch (error) {
    redis.disconnect();
    throw error;
  }
}

module.exports = { openRedis };
