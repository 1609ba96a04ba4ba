'use strict';

const express = require('express');

/** The inventory service's HTTP API. */
function createApp({ stock, log, signal }) {
  const app = express();
  app.disable('x-powered-by');
  app.use(express.json({ limit: '10kb' }));

  app.get('/healthz', (_req, res) => {
    res.status(signal.aborted ? 503 : 200).json({ status: signal.aborted ? 'stopping' : 'ok' });
  });

  app.get('/stock/:sku', async (req, res) => {
    const item = await stock.find(req.params.sku);
    if (item) res.json(item);
    else res.status(404).json({ error: `there is no ${req.params.sku}` });
  });

  app.put('/stock/:sku', async (req, res) => {
    const { available, priceCents } = req.body ?? {};
    if (!Number.isInteger(available) || available < 0 || !Number.isInteger(priceCents) || priceCents <= 0) {
      res.status(400).json({ error: 'available and priceCents must be whole numbers' });
      return;
    }
    res.json(await stock.put({ sku: req.params.sku, available, priceCents }));
  });

  app.post('/reservations', async (req, res) => {
    const { orderId, sku, quantity } = req.body ?? {};
    if (typeof orderId !== 'string' || typeof sku !== 'string' || !Number.isInteger(quantity) || quantity < 1) {
      res.status(400).json({ error: 'a reservation needs an orderId, a sku and a quantity' });
      return;
    }
    const reservation = await stock.reserve({ orderId, sku, quantity });
    if (reservation) res.status(201).json(reservation);
    else res.status(409).json({ error: `not enough ${sku} in stock` });
  });

  app.delete('/reservations/:id', async (req, res) => {
    const released = /^\d{1,18}$/.test(req.params.id) && (await stock.release(req.params.id));
    res.status(released ? 204 : 404).end();
  });

  // Express knows an error handler by its four parameters.
  app.use((error, req, res, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    const status = error.status ?? 500;
    if (status >= 500) log.error({ err: error, method: req.method, path: req.path }, 'request failed');
    res.status(status).json({ error: status >= 500 ? 'internal error' : error.message });
  });

  return app;
}

module.exports = { createApp };
