import * as channels from 'node:diagnostics_channel';

/** What a process's own use of Node's modules leads to. */
export interface BuiltinUse {
  /** node:http is in use or about to be: make it traced. */
  http(): void;
  /** fetch or undici is about to send this request (a message of `undici:request:create`). */
  undici(message: unknown): void;
}

// The first three are published early enough for the very first request to be seen; the last is for TLS clients.
const HTTP_CHANNELS = [
  'http.server.request.start',
  'net.client.socket',
  'http.client.request.created',
  'http.client.request.start',
];
const UNDICI_CHANNEL = 'undici:request:create';

/**
 * Waits for a process to use HTTP instead of loading it at start: Node announces it on diagnostics channels, in whatever
 * module system or bundle the app is. Each wait ends with its first event.
 */
export function watchBuiltins(use: BuiltinUse, isLoaded: () => boolean): void {
  const http = (): void => {
    if (!isLoaded()) return;
    for (const name of HTTP_CHANNELS) channels.channel(name).unsubscribe(http);
    use.http();
  };
  for (const name of HTTP_CHANNELS) channels.channel(name).subscribe(http);
  const undici = (message: unknown): void => {
    channels.channel(UNDICI_CHANNEL).unsubscribe(undici);
    use.undici(message);
  };
  channels.channel(UNDICI_CHANNEL).subscribe(undici);
  // A program that has loaded http by the end of its main script: its first TLS request must be seen, too.
  process.nextTick(http);
  setImmediate(http).unref();
}

/** Whether Node has loaded its http module. Where Node does not say, assume it. */
export function isHttpLoaded(): boolean {
  const list = (process as { moduleLoadList?: string[] }).moduleLoadList;
  return list === undefined || list.includes('NativeModule http');
}
