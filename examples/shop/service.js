'use strict';

const STOP_TIMEOUT_MS = 10_000;

/**
 * Runs a service: `start(signal)` brings it up and returns a function that takes it down, which SIGTERM and SIGINT call.
 * The process ends by itself once nothing is left open, so that whatever else runs in it can finish too.
 */
function runService(log, start) {
  const stopping = new AbortController();
  let stop;

  const shutdown = async (name) => {
    if (stopping.signal.aborted) return;
    log.info({ signal: name }, 'stopping');
    stopping.abort();
    setTimeout(() => {
      log.error('not stopped in time');
      process.exit(1);
    }, STOP_TIMEOUT_MS).unref();
    await stop?.();
    log.info('stopped');
  };

  const fail = (error) => {
    if (stopping.signal.aborted && error.name === 'AbortError') return;
    log.fatal({ err: error }, 'failed');
    process.exit(1);
  };

  for (const name of ['SIGTERM', 'SIGINT']) process.on(name, () => shutdown(name).catch(fail));

  start(stopping.signal)
    .then((stopService) => {
      stop = stopService;
      // Told to stop while still starting.
      return stopping.signal.aborted ? stop() : undefined;
    })
    .catch(fail);
}

/** Starts an HTTP server; returns a function that lets open requests finish and closes it. */
function listen(app, { host, port }) {
  return new Promise((resolve, reject) => {
    const server = app.listen(port, host, (error) => {
      if (error) reject(error);
      else resolve(() => new Promise((closed) => server.close(closed)));
    });
  });
}

module.exports = { runService, listen };
