'use strict';

const { randomUUID } = require('node:crypto');
const { setTimeout: sleep } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');

// What the bank takes to answer.
const BANK_MS = { least: 3, most: 15 };

/** The bank, as far as this shop goes: it declines cards that end in 0002, as payment providers' test cards do. */
async function authorize(card) {
  await sleep(BANK_MS.least + Math.random() * (BANK_MS.most - BANK_MS.least));
  return card.endsWith('0002') ? { declined: 'insufficient funds' } : {};
}

async function charge({ orderId, card, amountCents }, log) {
  if (!/^\d{12,19}$/.test(card) || !(amountCents > 0)) {
    throw Object.assign(new Error('a charge needs a card number and an amount'), {
      code: grpc.status.INVALID_ARGUMENT,
    });
  }
  const { declined } = await authorize(card);
  if (declined) {
    log.warn({ orderId, reason: declined }, 'card declined');
    throw Object.assign(new Error(`card declined: ${declined}`), { code: grpc.status.FAILED_PRECONDITION });
  }
  const paymentId = randomUUID();
  log.info({ orderId, paymentId, amountCents }, 'card charged');
  return { paymentId };
}

/** The payment service's gRPC methods. */
function createHandlers(log) {
  return {
    charge: (call, callback) => {
      charge(call.request, log).then(
        (reply) => callback(null, reply),
        (error) => callback(error),
      );
    },
  };
}

module.exports = { createHandlers };
