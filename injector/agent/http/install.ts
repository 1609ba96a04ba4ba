import * as channels from 'node:diagnostics_channel';
import type * as Http from 'node:http';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { SERVER_REQUEST } from '../builtins.ts';
import { failed } from '../report.ts';
import { ClientExchange, beginClientExchange, type WireHeaders } from './client.ts';
import { exchangeOf } from './exchange.ts';
import { beginServerExchange, type HttpTracing } from './server.ts';

type Emit = (this: object, event: string | symbol, ...values: unknown[]) => boolean;
type StoreHeader = (this: ClientRequest, firstLine: string, headers: WireHeaders) => void;
type Destroy = (this: IncomingMessage, error: Error | null, done: (error?: Error | null) => void) => void;

/** A method of a prototype, ours or Node's, whichever is wanted. */
interface Replacement {
  target: object;
  name: string;
  ours: unknown;
  /** What was there or was inherited. */
  before: unknown;
}

/**
 * HTTP tracing for servers and clients of any module system, by Node's diagnostics channels and a few methods of its
 * prototypes; no export is replaced. It can be switched off to the last trace: then Node runs as it came.
 */
export class HttpHooks {
  private readonly subscriptions: [string, (message: unknown) => void][] = [];
  private readonly replacements: Replacement[] = [];
  private on = false;

  private readonly tracing: HttpTracing;

  constructor(tracing: HttpTracing, muted: () => boolean, http: typeof Http) {
    this.tracing = tracing;
    this.subscribe(SERVER_REQUEST, (message) => this.serve(message));
    this.subscribe('http.client.response.finish', (message) => {
      const { request, response } = message as { request: ClientRequest; response: IncomingMessage };
      const exchange = exchangeOf(request);
      if (exchange instanceof ClientExchange) exchange.answered(response);
    });
    const client = http.ClientRequest.prototype as unknown as { _storeHeader: StoreHeader };
    const storeHeader = client._storeHeader;
    const ownStoreHeader: StoreHeader = function _storeHeader(firstLine, headers) {
      let sent = headers;
      if (!muted()) {
        try {
          sent = beginClientExchange(this, headers, tracing);
        } catch (error) {
          failed('a client request could not be traced', error);
        }
      }
      storeHeader.call(this, firstLine, sent);
    };
    this.replace(client, '_storeHeader', ownStoreHeader);
    this.replaceIncoming(http.IncomingMessage.prototype, tracing);
    this.replaceOutgoing(http.ServerResponse.prototype as ServerResponse);
  }

  /** Starts the span of a request to a server, from the message that tells of it. */
  serve(message: unknown): void {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    // Whether the very first message is seen by a subscriber it has brought about depends on the version of Node.
    if (exchangeOf(request) !== undefined) return;
    // Not `run`: what follows is Node handing this request to the app, with no frame of ours on the stack.
    this.tracing.contexts.enter(beginServerExchange(request, response, this.tracing));
  }

  /** Installs or removes everything. */
  set(on: boolean): void {
    if (this.on === on) return;
    this.on = on;
    for (const [name, listener] of this.subscriptions) {
      if (on) channels.channel(name).subscribe(listener);
      else channels.channel(name).unsubscribe(listener);
    }
    for (const { target, name, ours, before } of this.replacements) {
      // Somebody may have wrapped ours: theirs stays, and ours below it does nothing for what is not traced.
      if (!on && Object.getOwnPropertyDescriptor(target, name)?.value !== ours) continue;
      // Put back, not deleted: V8 runs a prototype that has lost a property more slowly.
      const value = on ? ours : before;
      Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
    }
  }

  private subscribe(name: string, listener: (message: unknown) => void): void {
    this.subscriptions.push([
      name,
      (message) => {
        try {
          listener(message);
        } catch (error) {
          failed('an HTTP request could not be traced', error);
        }
      },
    ]);
  }

  private replace(target: object, name: string, ours: unknown): void {
    this.replacements.push({ target, name, ours, before: Reflect.get(target, name) });
  }

  /** A message that was read: ends the span of a client request; listeners get the request's context where Node loses it. */
  private replaceIncoming(prototype: IncomingMessage, tracing: HttpTracing): void {
    const destroy = (prototype as unknown as { _destroy: Destroy })._destroy;
    const ownDestroy: Destroy = function _destroy(error, done) {
      close(this, error);
      destroy.call(this, error, done);
    };
    this.replace(prototype, '_destroy', ownDestroy);
    // Up to Node 23 a context entered in the request's first event is there in the later ones, too.
    if (Number(process.versions.node.split('.', 1)[0]) < 24) return;
    const emit = prototype.emit as Emit;
    const ownEmit: Emit = function (this: object, ...values: Parameters<Emit>) {
      // Most events of a request have no listener: then there is nobody to run in a context.
      const listeners = (this as { _events?: Record<string | symbol, unknown> })._events;
      const exchange = listeners?.[values[0]] === undefined ? undefined : exchangeOf(this);
      if (exchange === undefined) return Reflect.apply(emit, this, values);
      return tracing.contexts.with(exchange.context, () => Reflect.apply(emit, this, values));
    };
    this.replace(prototype, 'emit', ownEmit);
  }

  /** A response that was sent or cut off: ends the span of a server's request. */
  private replaceOutgoing(prototype: ServerResponse): void {
    const emit = prototype.emit as Emit;
    const ownEmit: Emit = function (this: object, ...values: Parameters<Emit>) {
      if (values[0] === 'close') close(this, undefined);
      return Reflect.apply(emit, this, values);
    };
    this.replace(prototype, 'emit', ownEmit);
  }
}

function close(target: object, error: Error | null | undefined): void {
  try {
    exchangeOf(target)?.closed(error);
  } catch (failure) {
    failed('an HTTP span could not be ended', failure);
  }
}
