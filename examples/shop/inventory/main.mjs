import { openDatabase } from '../common/database.js';
import { openKafka } from '../common/kafka.js';
import { createLog } from '../common/log.js';
import { openMemcached } from '../common/memcached.js';
import { openRedis } from '../common/redis.js';
import { runService } from '../common/service.js';
import { listenAddress } from '../common/settings.js';
import { createApp } from './app.mjs';
import { Caches } from './caches.mjs';
import { shipOrders } from './shipping.mjs';
import { SCHEMA, StockStore } from './stock-store.mjs';

const log = createLog('inventory');

runService(log, async ({ signal, onStop }) => {
  const address = listenAddress(8080);
  const database = await openDatabase(SCHEMA, { log, signal });
  onStop(() => database.end());
  const redis = await openRedis({ log, signal });
  onStop(() => redis.quit());
  const memcached = await openMemcached({ log, signal });
  onStop(async () => memcached.close());
  const kafka = await openKafka('inventory', { log, signal });

  const stock = new StockStore(database);
  const caches = new Caches({ redis, memcached, log });
  onStop(await shipOrders(kafka, { stock, caches, log }));
  const app = createApp({ stock, caches, log, signal });
  onStop(() => app.close());
  await app.listen(address);
  log.info(address, 'listening');
});
