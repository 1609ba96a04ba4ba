'use strict';

const { LRUCache } = require('lru-cache');

/** Prices and stock, from the nearest place that knows them. */
class Catalog {
  #prices = new LRUCache({ max: 1_000, ttl: 10_000 });
  #redis;
  #memcached;
  #inventory;
  #log;

  constructor({ redis, memcached, inventory, log }) {
    this.#redis = redis;
    this.#memcached = memcached;
    this.#inventory = inventory;
    this.#log = log;
  }

  /** In cents: from memory, else from Redis, else from the inventory; undefined when there is no such thing. */
  async price(sku) {
    const known = this.#prices.get(sku);
    if (known !== undefined) return known;
    const cached = await this.#cached('Redis', () => this.#redis.get(`price:${sku}`));
    const price = cached ? Number(cached) : (await this.#inventory.find(sku))?.priceCents;
    if (price !== undefined) this.#prices.set(sku, price);
    return price;
  }

  /** How many there are, if Memcached knows: the inventory has the last word. Else undefined. */
  async available(sku) {
    const { value } = (await this.#cached('Memcached', () => this.#memcached.get(`stock:${sku}`))) ?? {};
    return value ? Number(value) : undefined;
  }

  /** Nothing, when the cache cannot be asked. */
  async #cached(name, read) {
    try {
      return await read();
    } catch (error) {
      this.#log.warn({ reason: error.message }, `${name} is not available`);
      return undefined;
    }
  }
}

module.exports = { Catalog };
