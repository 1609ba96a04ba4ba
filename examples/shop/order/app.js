'use strict';

const { randomUUID } = require('node:crypto');
const express = require('express');
const { OutOfStockError } = require('./inventory-client.js');
const { DeclinedError } = require('./payment-client.js');

const CARD_ON_FILE = '4242424242424242';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The order service's HTTP API. */
function createApp({ orders, catalog, inventory, payment, events, log, signal }) {
  /** The order is paid: without its receipt it is no worse. */
  const printReceipt = (paymentId) =>
    payment.receipt(paymentId).catch((error) => {
      log.warn({ err: error, paymentId }, 'no receipt');
      return undefined;
    });

  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: '10kb' }));

  app.get('/healthz', (_req, res) => {
    res.status(signal.aborted ? 503 : 200).json({ status: signal.aborted ? 'stopping' : 'ok' });
  });

  app.get('/orders/:id', async (req, res) => {
    const order = UUID.test(req.params.id) ? await orders.find(req.params.id) : undefined;
    if (order) res.json(order);
    else res.status(404).json({ error: `there is no order ${req.params.id}` });
  });

  app.post('/orders', async (req, res) => {
    const { sku, quantity, card = CARD_ON_FILE } = req.body ?? {};
    const problem = check({ sku, quantity, card });
    if (problem) {
      res.status(400).json({ error: problem });
      return;
    }

    const id = randomUUID();
    await orders.create({ id, sku, quantity });
    try {
      const priceCents = await catalog.price(sku);
      if (priceCents === undefined) throw new OutOfStockError(`there is no ${sku}`);
      if ((await catalog.available(sku)) < quantity) throw new OutOfStockError(`not enough ${sku} in stock`);
      const { reservationId } = await inventory.reserve({ orderId: id, sku, quantity });
      const amountCents = priceCents * quantity;
      let paymentId;
      try {
        ({ paymentId } = await payment.charge({ orderId: id, card, amountCents }));
      } catch (error) {
        await inventory.release(reservationId);
        throw error;
      }
      const order = await orders.settle(id, { status: 'paid', amountCents, paymentId });
      const receipt = await printReceipt(paymentId);
      await events.publish(order);
      res.status(201).json({ ...order, receipt });
    } catch (error) {
      if (error instanceof DeclinedError) {
        res.status(402).json({ ...(await orders.settle(id, { status: 'declined' })), error: error.message });
      } else if (error instanceof OutOfStockError) {
        res.status(409).json({ ...(await orders.settle(id, { status: 'out_of_stock' })), error: error.message });
      } else {
        await orders.settle(id, { status: 'failed' });
        throw error;
      }
    }
  });

  // Express knows an error handler by its four parameters.
  app.use((error, req, res, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    const status = error.status ?? 500;
    if (status >= 500) log.error({ err: error, method: req.method, path: req.path }, 'request failed');
    res.status(status).json({ error: status >= 500 ? 'the order could not be handled' : error.message });
  });

  return app;
}

/** What is wrong with an order, in words for the one who sent it. */
function check({ sku, quantity, card }) {
  if (typeof sku !== 'string' || !/^[a-z0-9-]{1,64}$/.test(sku))
    return 'sku must be lower-case letters, digits and hyphens';
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > 100)
    return 'quantity must be a whole number from 1 to 100';
  if (typeof card !== 'string' || !/^\d{12,19}$/.test(card)) return 'card must be 12 to 19 digits';
  return undefined;
}

module.exports = { createApp };
