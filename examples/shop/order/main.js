'use strict';

const { createLog } = require('../log.js');
const { openDatabase } = require('../database.js');
const { listen, runService } = require('../service.js');
const { listenAddress, required } = require('../settings.js');
const { createApp } = require('./app.js');
const { InventoryClient } = require('./inventory-client.js');
const { OrderStore, SCHEMA } = require('./order-store.js');
const { PaymentClient } = require('./payment-client.js');

const log = createLog('order');

runService(log, async (signal) => {
  const address = listenAddress(8080);
  const inventory = new InventoryClient(required('INVENTORY_URL'));
  const payment = new PaymentClient(required('PAYMENT_ADDRESS'));
  const database = await openDatabase(required('DATABASE_URL'), SCHEMA, { log, signal });
  const close = await listen(createApp({ orders: new OrderStore(database), inventory, payment, log, signal }), address);
  log.info(address, 'listening');
  return async () => {
    await close();
    payment.close();
    await database.end();
  };
});
