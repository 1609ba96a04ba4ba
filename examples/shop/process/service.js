'use strict';

const STOP_TIMEOUT_MS = 10_000;

/**
 * Runs a service. `start({ signal, onStop })` brings it up, and says with `onStop(close)` how each part that it has opened is
 * closed; SIGTERM and SIGINT abort the signal and close the parts, the last one first. The process ends by itself once
 * nothing is left open, so that whatever else runs in it can finish too.
 */
function runService(log, start) {
  const stopping = new AbortController();
  const { signal } = stopping;
  const closers = [];

  const shutdown = async (name) => {
    if (signal.aborted) return;
    log.info({ signal: name }, 'stopping');
    stopping.abort();
    setTimeout(() => {
      log.error('not stopped in time');
      process.exit(1);
    }, STOP_TIMEOUT_MS).unref();
    // Told to stop while still starting, it goes on until it notices.
    await started;
    while (closers.length > 0) await closers.pop()();
    log.info('stopped');
  };

  const fail = (error) => {
    if (signal.aborted && error.name === 'AbortError') return;
    log.fatal({ err: error }, 'failed');
    process.exit(1);
  };

  for (const name of ['SIGTERM', 'SIGINT']) process.on(name, () => shutdown(name).catch(fail));

  const started = start({ signal, onStop: (close) => closers.push(close) }).catch(fail);
}

/** Has an HTTP server listen; resolves to a function that lets open requests finish and closes it. */
function listen(server, { host, port }) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(() => new Promise((closed) => server.close(closed))));
  });
}

module.exports = { runService, listen };
