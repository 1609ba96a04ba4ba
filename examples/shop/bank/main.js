'use strict';

const { createServer } = require('node:http');
const { json } = require('node:stream/consumers');
const { setTimeout: sleep } = require('node:timers/promises');
const { createLog } = require('../process/log.js');
const { listen, runService } = require('../process/service.js');
const { listenAddress } = require('../process/settings.js');

// Card numbers for trying things out, as payment providers have them.
const DECLINED = '0002';
const FAILS_ONCE = '0119';
const SLOW_ONCE = '0341';
const SLOW_MS = 2_000;
// How often the bank fails by itself, of 1.
const FAILURE_RATE = Number(process.env.BANK_FAILURE_RATE ?? 0.02);

const log = createLog('bank');
/** Keys of requests that have had their bad moment. */
const seen = new Set();

/** Whether it is the first time that this is asked for. */
function isFirst(key) {
  return seen.delete(key) ? false : Boolean(seen.add(key));
}

async function authorize({ card = '' }, key) {
  if (card.endsWith(DECLINED)) return { status: 402, error: 'insufficient funds' };
  if (card.endsWith(FAILS_ONCE) && isFirst(key)) return { status: 503, error: 'try again' };
  if (card.endsWith(SLOW_ONCE) && isFirst(key)) await sleep(SLOW_MS);
  if (Math.random() < FAILURE_RATE) return { status: 503, error: 'try again' };
  return { status: 201 };
}

/** POST /authorizations {card, amountCents}, with an idempotency-key. */
const server = createServer(async (request, response) => {
  const answer = (status, body) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (request.url === '/healthz') return answer(200, { status: 'ok' });
  if (request.method !== 'POST' || request.url !== '/authorizations') return answer(404, { error: 'not found' });
  try {
    const { status, error } = await authorize(await json(request), request.headers['idempotency-key']);
    log.info({ status }, 'authorization');
    return answer(status, { error });
  } catch {
    return answer(400, { error: 'a card and an amount, as JSON' });
  }
});

runService(log, async ({ onStop }) => {
  const address = listenAddress(8080);
  onStop(await listen(server, address));
  log.info(address, 'listening');
});
