'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const RETRY_MS = 1_000;

/**
 * Does `attempt` until it succeeds, for as long as `signal` lets it: in Kubernetes nothing says that a service comes after
 * what it needs.
 */
async function waitFor(what, attempt, { log, signal }) {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      log.info({ reason: error.message || error.code }, `waiting for ${what}`);
      await sleep(RETRY_MS, undefined, { signal });
    }
  }
}

module.exports = { waitFor };
