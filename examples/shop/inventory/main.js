'use strict';

const { createLog } = require('../log.js');
const { openDatabase } = require('../database.js');
const { listen, runService } = require('../service.js');
const { listenAddress, required } = require('../settings.js');
const { createApp } = require('./app.js');
const { SCHEMA, StockStore } = require('./stock-store.js');

const log = createLog('inventory');

runService(log, async (signal) => {
  const address = listenAddress(8080);
  const database = await openDatabase(required('DATABASE_URL'), SCHEMA, { log, signal });
  const close = await listen(createApp({ stock: new StockStore(database), log, signal }), address);
  log.info(address, 'listening');
  return async () => {
    await close();
    await database.end();
  };
});
