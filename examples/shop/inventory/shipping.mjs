import { openOrders } from '../backends/kafka.js';

/** Marks paid orders as shipped, many at a time. */
export async function shipOrders(kafka, { stock, caches, log }) {
  // Waits half a second for more to come.
  const consumer = await openOrders(kafka, { groupId: 'inventory', minBytes: 100_000, maxWaitTimeInMs: 500 });
  await consumer.run({
    eachBatch: async ({ batch }) => {
      const orders = batch.messages.map((message) => JSON.parse(message.value));
      const shipped = await stock.ship(orders.map(({ id }) => id));
      if (shipped.length > 0) await caches.sold(shipped);
      log.info({ orders: shipped.length }, 'shipped');
    },
  });
  return () => consumer.disconnect();
}
