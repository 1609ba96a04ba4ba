'use strict';

const { callTimeout } = require('../process/settings.js');

const TIMEOUT_MS = callTimeout();

/** There is not enough of what was ordered. */
class OutOfStockError extends Error {
  name = 'OutOfStockError';
}

/** Calls the inventory service over HTTP. */
class InventoryClient {
  #url;

  constructor(url) {
    this.#url = url;
  }

  /** What it knows of an item; undefined when there is none. */
  async find(sku) {
    const response = await this.#call('GET', `/stock/${encodeURIComponent(sku)}`);
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    if (!response.ok) throw new Error(`inventory answered ${response.status}`);
    return response.json();
  }

  async reserve({ orderId, sku, quantity }) {
    const response = await this.#call('POST', '/reservations', { orderId, sku, quantity });
    const answer = await response.json();
    if (response.status === 409) throw new OutOfStockError(answer.error);
    if (!response.ok) throw new Error(`inventory answered ${response.status}: ${answer.error}`);
    return answer;
  }

  async release(reservationId) {
    const response = await this.#call('DELETE', `/reservations/${reservationId}`);
    if (!response.ok) throw new Error(`inventory answered ${response.status} to the release of ${reservationId}`);
  }

  #call(method, path, body) {
    return fetch(new URL(path, this.#url), {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  }
}

module.exports = { InventoryClient, OutOfStockError };
