import type { EventEmitter } from 'node:events';
import type * as Http from 'node:http';
import type * as Net from 'node:net';
import { failed } from '../report.ts';
import { tracedStoreHeader } from './client.ts';
import { exchangeOf } from './exchange.ts';
import { tracedServerEmit, type HttpTracing } from './server.ts';

type Emit = (this: unknown, event: string | symbol, ...values: unknown[]) => boolean;

/**
 * Makes Node's HTTP servers and clients traced, once and for all module systems: four methods on prototypes, no export
 * replaced. Works at any time, also on servers that are listening already.
 */
export function installHttp(tracing: HttpTracing, muted: () => boolean, load: NodeJS.Require): void {
  const http = load('node:http') as typeof Http;
  const net = load('node:net') as typeof Net;
  const isRequest = (value: unknown): boolean => value instanceof http.IncomingMessage;
  const server = net.Server.prototype as EventEmitter;
  replace(server, 'emit', tracedServerEmit(server.emit as Emit, tracing, isRequest));
  for (const Class of [http.IncomingMessage, http.ServerResponse, http.ClientRequest]) {
    const prototype = Class.prototype as EventEmitter;
    replace(prototype, 'emit', observedEmit(prototype.emit as Emit, tracing));
  }
  const request = http.ClientRequest.prototype as unknown as { _storeHeader: Parameters<typeof tracedStoreHeader>[0] };
  replace(request, '_storeHeader', tracedStoreHeader(request._storeHeader, tracing, muted));
}

/** An `emit` that lets the exchange see the event first and runs listeners in the exchange's context. */
function observedEmit(inherited: Emit, tracing: HttpTracing): Emit {
  return function emit(this: unknown, event) {
    const exchange = exchangeOf(this as object);
    // eslint-disable-next-line prefer-rest-params -- the cheapest way to pass on whatever came
    const values = arguments as unknown as Parameters<Emit>;
    if (exchange === undefined) return Reflect.apply(inherited, this, values);
    try {
      exchange.observe(event, values[1]);
    } catch (error) {
      failed('an HTTP event could not be traced', error);
    }
    return tracing.contexts.with(exchange.context, runEmit, undefined, inherited, this, values);
  };
}

function runEmit(emit: Emit, target: unknown, values: Parameters<Emit>): boolean {
  return Reflect.apply(emit, target, values);
}

function replace<T extends object, K extends keyof T>(target: T, name: K, value: T[K]): void {
  Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
}
