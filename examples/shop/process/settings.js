'use strict';

/** An environment variable that must be set. */
function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** Where a service listens: PORT, and HOST for one that must not be reached from other machines. */
function listenAddress(defaultPort) {
  return { host: process.env.HOST ?? '0.0.0.0', port: Number(process.env.PORT ?? defaultPort) };
}

/** Milliseconds that a call of another service may take. */
function callTimeout() {
  return Number(process.env.CALL_TIMEOUT_MS ?? 3_000);
}

module.exports = { required, listenAddress, callTimeout };
