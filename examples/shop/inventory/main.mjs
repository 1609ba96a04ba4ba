import { openDatabase } from '../backends/database.js';
import { openKafka } from '../backends/kafka.js';
import { createLog } from '../process/log.js';
import { openMemcached } from '../backends/memcached.js';
import { openRedis } from '../backends/redis.js';
import { runService } from '../process/service.js';
import { listenAddress } from '../process/settings.js';
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
