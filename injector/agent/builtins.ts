import * as channels from 'node:diagnostics_channel';

/** What a process's own use of Node's modules leads to. */
export interface BuiltinUse {
  /** node:http is in use or about to be: make it traced. If a request to a server told of it, this is its message. */
  http(request?: unknown): void;
  /** fetch or undici is about to send this request (a message of `undici:request:create`). */
  undici(message: unknown): void;
}

/** Published before a server hands a request to the app. */
export const SERVER_REQUEST = 'http.server.request.start';
// The first three are published early enough for the very first request to be seen; the last is for TLS clients.
const HTTP_CHANNELS = [SERVER_REQUEST, 'net.client.socket', 'http.client.request.created', 'http.client.request.start'];
/** Published by fetch and undici before a request is sent. */
export const UNDICI_CREATE = 'undici:request:create';

/**
 * Waits for a process to use HTTP instead of loading it at start: Node announces it on diagnostics channels, in whatever
 * module system or bundle the app is.
 */
export function watchBuiltins(use: BuiltinUse, isLoaded: () => boolean): void {
  let done = false;
  const http = (message?: unknown, name?: string | symbol): void => {
    if (done || !isLoaded()) return;
    done = true;
    use.http(name === SERVER_REQUEST ? message : undefined);
    // Not now: Node 18 cannot lose its last subscriber while it publishes.
    process.nextTick(() => {
      for (const name of HTTP_CHANNELS) channels.channel(name).unsubscribe(http);
    });
  };
  for (const name of HTTP_CHANNELS) channels.channel(name).subscribe(http);
  // Stays: whether a subscriber added while a message is published sees that message depends on the version of Node.
  channels.channel(UNDICI_CREATE).subscribe((message) => use.undici(message));
  // A program that has loaded http by the end of its main script: its first TLS request must be seen, too. Only where no
  // channel tells of it, for a tick that waits shows in the stack traces of later Nodes.
  if (Number(process.versions.node.split('.', 1)[0]) < 22) process.nextTick(http, undefined);
  setImmediate(http, undefined).unref();
}

/** Whether Node has loaded its http module. Where Node does not say, assume it. */
export function isHttpLoaded(): boolean {
  const list = (process as { moduleLoadList?: string[] }).moduleLoadList;
  return list === undefined || list.includes('NativeModule http');
}
