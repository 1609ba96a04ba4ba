'use strict';

const { pino } = require('pino');

/** A JSON logger named after the service. */
function createLog(service) {
  return pino({ name: service, level: process.env.LOG_LEVEL ?? 'info' });
}

module.exports = { createLog };
