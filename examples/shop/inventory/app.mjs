import Fastify from 'fastify';

const WHOLE = { type: 'integer', minimum: 0 };
const POSITIVE = { type: 'integer', minimum: 1 };
const RESERVATION = {
  type: 'object',
  required: ['orderId', 'sku', 'quantity'],
  properties: { orderId: { type: 'string', format: 'uuid' }, sku: { type: 'string' }, quantity: POSITIVE },
};
const ITEM = {
  type: 'object',
  required: ['available', 'priceCents'],
  properties: { available: WHOLE, priceCents: POSITIVE },
};

/** The inventory service's HTTP API. */
export function createApp({ stock, caches, log, signal }) {
  const app = Fastify({ bodyLimit: 10_000, forceCloseConnections: 'idle' });

  app.get('/healthz', async (_request, reply) => {
    reply.code(signal.aborted ? 503 : 200);
    return { status: signal.aborted ? 'stopping' : 'ok' };
  });

  app.get('/stock/:sku', async ({ params: { sku } }, reply) => {
    const item = await stock.find(sku);
    if (!item) return reply.code(404).send({ error: `there is no ${sku}` });
    await caches.remember(item);
    return item;
  });

  app.put('/stock/:sku', { schema: { body: ITEM } }, async ({ params: { sku }, body }) => {
    const item = await stock.put({ sku, available: body.available, priceCents: body.priceCents });
    await caches.remember(item);
    return item;
  });

  app.post('/reservations', { schema: { body: RESERVATION } }, async ({ body }, reply) => {
    const reservation = await stock.reserve(body);
    await caches.forgetStock(body.sku);
    if (!reservation) return reply.code(409).send({ error: `not enough ${body.sku} in stock` });
    return reply.code(201).send(reservation);
  });

  app.delete('/reservations/:id', async ({ params: { id } }, reply) => {
    const released = /^\d{1,18}$/.test(id) ? await stock.release(id) : undefined;
    if (released) await caches.forgetStock(released.sku);
    return reply.code(released ? 204 : 404).send();
  });

  app.get('/bestsellers', () => caches.bestsellers());

  app.setErrorHandler((error, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error({ err: error, method: request.method, path: request.url }, 'request failed');
    reply.code(status).send({ error: status >= 500 ? 'internal error' : error.message });
  });

  return app;
}
