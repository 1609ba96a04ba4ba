'use strict';

/** Tells whoever wants to know about orders, by Kafka. */
class Events {
  #producer;
  #log;

  constructor(producer, log) {
    this.#producer = producer;
    this.#log = log;
  }

  /** Publishes a paid order. It stays paid when that fails. */
  async publish({ id, sku, quantity, paymentId }) {
    try {
      const value = JSON.stringify({ id, sku, quantity, paymentId });
      await this.#producer.send({ topic: 'orders', messages: [{ key: id, value }] });
    } catch (error) {
      this.#log.error({ err: error, orderId: id }, 'order not published');
    }
  }
}

module.exports = { Events };
