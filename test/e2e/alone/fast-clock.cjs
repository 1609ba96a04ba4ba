// Preloaded into an operator, has it live through the 30 days of a serving certificate in seconds, and then go on at the
// usual pace. Its clock is behind at first and catches up with the real one, by which the API server goes on judging: so
// both see the certificate end at the same moment. FAST_CLOCK is `FROM TO`, milliseconds since 1970.
'use strict';

const LIFE = 30 * 24 * 60 * 60 * 1000;
const [from, to] = process.env.FAST_CLOCK.split(' ').map(Number);
const realNow = Date.now;
Date.now = () => {
  const real = realNow();
  const left = Math.min(1, Math.max(0, (to - real) / (to - from)));
  return Math.round(real - left * (LIFE - (to - from)));
};

// What waits for ten minutes of the operator's time may not wait for ten minutes of ours.
const { setTimeout: original } = globalThis;
const LONG = 60_000;
globalThis.setTimeout = (callback, milliseconds, ...args) =>
  original(callback, milliseconds > LONG ? 1000 : milliseconds, ...args);
