import type { Context } from '@opentelemetry/api';

/** What we keep of one HTTP request under way, on the request and response objects themselves. */
export interface Exchange {
  /** The context the app's listeners on these objects run in. */
  readonly context: Context;
  /** The object is done with: a response a server sent, or one a client has read. */
  closed(error?: Error | null): void;
}

// A constructor that returns its argument lets a subclass put a private field on any object: unlike a symbol property
// it can be seen by nobody (console.log, spread, equality checks) and unlike a WeakMap it costs nothing to collect.
class Host {
  constructor(target: object) {
    return target;
  }
}

class Note extends Host {
  #exchange: Exchange;

  constructor(target: object, exchange: Exchange) {
    super(target);
    this.#exchange = exchange;
  }

  static read(target: object): Exchange | undefined {
    return #exchange in target ? target.#exchange : undefined;
  }

  static write(target: object, exchange: Exchange): void {
    if (#exchange in target) target.#exchange = exchange;
    else new Note(target, exchange);
  }
}

/** The exchange an object belongs to, if it is traced. */
export const exchangeOf = (target: object): Exchange | undefined => Note.read(target);

/** Says which exchange an object belongs to. */
export const setExchange = (target: object, exchange: Exchange): void => Note.write(target, exchange);
