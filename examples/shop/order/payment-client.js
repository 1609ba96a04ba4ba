'use strict';

const path = require('node:path');
const { promisify } = require('node:util');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const { callTimeout } = require('../process/settings.js');

const TIMEOUT_MS = callTimeout();

const { shop } = grpc.loadPackageDefinition(protoLoader.loadSync(path.join(__dirname, '../payment.proto')));

/** The bank said no to the card. */
class DeclinedError extends Error {
  name = 'DeclinedError';
}

/** Calls the payment service over gRPC. */
class PaymentClient {
  #client;
  #charge;

  constructor(address) {
    this.#client = new shop.payment.v1.Payment(address, grpc.credentials.createInsecure());
    this.#charge = promisify(this.#client.charge).bind(this.#client);
  }

  async charge({ orderId, card, amountCents }) {
    try {
      return await this.#charge({ orderId, card, amountCents }, { deadline: Date.now() + TIMEOUT_MS });
    } catch (error) {
      if (error.code === grpc.status.FAILED_PRECONDITION) throw new DeclinedError(error.details, { cause: error });
      throw error;
    }
  }

  /** The lines of a payment's receipt. */
  async receipt(paymentId) {
    const lines = [];
    const stream = this.#client.receipt({ paymentId }, { deadline: Date.now() + TIMEOUT_MS });
    for await (const { text } of stream) lines.push(text);
    return lines;
  }

  close() {
    this.#client.close();
  }
}

module.exports = { PaymentClient, DeclinedError };
