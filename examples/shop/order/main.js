'use strict';

const { createServer } = require('node:http');
const { openDatabase } = require('../backends/database.js');
const { openKafka, openProducer } = require('../backends/kafka.js');
const { createLog } = require('../process/log.js');
const { openMemcached } = require('../backends/memcached.js');
const { openRedis } = require('../backends/redis.js');
const { listen, runService } = require('../process/service.js');
const { listenAddress, required } = require('../process/settings.js');
const { createApp } = require('./app.js');
const { Catalog } = require('./catalog.js');
const { Events } = require('./events.js');
const { InventoryClient } = require('./inventory-client.js');
const { OrderStore, SCHEMA } = require('./order-store.js');
const { PaymentClient } = require('./payment-client.js');

const log = createLog('order');

runService(log, async ({ signal, onStop }) => {
  const address = listenAddress(8080);
  const inventory = new InventoryClient(required('INVENTORY_URL'));
  const payment = new PaymentClient(required('PAYMENT_ADDRESS'));
  onStop(async () => payment.close());
  const database = await openDatabase(SCHEMA, { log, signal });
  onStop(() => database.end());
  const redis = await openRedis({ log, signal });
  onStop(() => redis.quit());
  const memcached = await openMemcached({ log, signal });
  onStop(async () => memcached.close());
  const producer = await openProducer(await openKafka('order', { log, signal }));
  onStop(() => producer.disconnect());

  const app = createApp({
    orders: new OrderStore(database),
    catalog: new Catalog({ redis, memcached, inventory, log }),
    inventory,
    payment,
    events: new Events(producer, log),
    log,
    signal,
  });
  onStop(await listen(createServer(app), address));
  log.info(address, 'listening');
});
