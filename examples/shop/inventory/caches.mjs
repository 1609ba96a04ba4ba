const PRICE_SECONDS = 300;
const STOCK_SECONDS = 5;
const BESTSELLERS = 'bestsellers';

/** What other services read without asking: prices in Redis, stock in Memcached. */
export class Caches {
  #redis;
  #memcached;
  #log;

  constructor({ redis, memcached, log }) {
    this.#redis = redis;
    this.#memcached = memcached;
    this.#log = log;
  }

  async remember({ sku, available, priceCents }) {
    await Promise.all([
      this.#try('Redis', () => this.#redis.set(`price:${sku}`, priceCents, 'EX', PRICE_SECONDS)),
      this.#try('Memcached', () => this.#memcached.set(`stock:${sku}`, String(available), { expires: STOCK_SECONDS })),
    ]);
  }

  /** The number in stock is another one: whoever wants to know it has to ask. */
  async forgetStock(sku) {
    await this.#try('Memcached', () => this.#memcached.delete(`stock:${sku}`));
  }

  /** Counts what was sold, all of it in one go. */
  async sold(items) {
    const pipeline = this.#redis.pipeline();
    for (const { sku, quantity } of items) pipeline.zincrby(BESTSELLERS, quantity, sku);
    await this.#try('Redis', () => pipeline.exec());
  }

  async bestsellers() {
    const flat = await this.#redis.zrange(BESTSELLERS, 0, 9, 'REV', 'WITHSCORES');
    return Array.from({ length: flat.length / 2 }, (_, i) => ({ sku: flat[2 * i], sold: Number(flat[2 * i + 1]) }));
  }

  /** Without a cache the shop is slower, and that is all. */
  async #try(name, work) {
    try {
      await work();
    } catch (error) {
      this.#log.warn({ reason: error.message }, `${name} is not available`);
    }
  }
}
