import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface Certificate {
  /** PEM, leaf first, then what leads from it to an authority that clients trust. */
  certificate: string;
  privateKey: string;
}

/** A server behind TLS. */
export interface TlsServer {
  port: number;
  /** Uses another certificate for new connections; those that are open go on. */
  setCertificate(certificate: Certificate): void;
  /** From now on each answer asks for its connection to be closed, so that the next request goes to another replica. */
  drain(): void;
  /**
   * Takes no more connections and resolves when the requests in flight are answered.
   * @param grace milliseconds after which what is still open is cut.
   */
  close(grace: number): Promise<void>;
}

export interface ServeOptions {
  port: number;
  host?: string;
  certificate: Certificate;
  /**
   * PEM of the authorities whose certificates clients may show; asked again with each certificate of our own. Where there are
   * none no client is asked for one.
   */
  clientAuthorities?: () => string | undefined;
  /** Milliseconds that a client has for each step; shorter in tests. */
  timeouts?: { handshake: number; headers: number; request: number };
  /** Connections at a time. */
  maxConnections?: number;
}

/** What an honest client needs is milliseconds: the API server itself waits 10 s for a webhook at most. */
const TIMEOUTS = { handshake: 5_000, headers: 5_000, request: 10_000 };
/** A few for each API server are in use; a burst of hundreds of pods makes hundreds. */
const MAX_CONNECTIONS = 1_000;
/**
 * Longer than the 90 s after which Go's HTTP clients, the API server among them, close a connection that nobody uses: who
 * waits less may close it in the very moment in which a request is sent over it, and that pod would not be injected.
 */
const KEEP_ALIVE = 180_000;

interface Connection {
  socket: Socket;
  /** Requests being answered on it. */
  busy: number;
}

/**
 * Puts a handler behind TLS 1.2 or newer. Slow clients are cut; where there are too many connections the one that has been
 * idle for longest makes room, so that whoever opens connections and leaves them does not lock the API server out.
 */
export async function serve(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  options: ServeOptions,
): Promise<TlsServer> {
  const { timeouts = TIMEOUTS, maxConnections = MAX_CONNECTIONS } = options;
  const tls = ({ certificate, privateKey }: Certificate) => {
    const ca = options.clientAuthorities?.();
    return { cert: certificate, key: privateKey, minVersion: 'TLSv1.2' as const, ...(ca !== undefined && { ca }) };
  };
  const first = tls(options.certificate);
  const server = https.createServer({
    ...first,
    // Without authorities of ours Node would take everybody's that a browser knows.
    requestCert: 'ca' in first,
    rejectUnauthorized: false,
    handshakeTimeout: timeouts.handshake,
    headersTimeout: timeouts.headers,
    requestTimeout: timeouts.request,
    keepAliveTimeout: KEEP_ALIVE,
    // How often Node looks for clients that are too slow; by default every 30 s.
    connectionsCheckingInterval: Math.min(1_000, timeouts.headers / 2),
  });

  // By address, the longest idle first. A TLS socket does not say which TCP socket is under it, its address does.
  const connections = new Map<string, Connection>();
  const address = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;
  server.on('connection', (socket: Socket) => {
    if (connections.size >= maxConnections) {
      const idle = [...connections].find(([, { busy }]) => busy === 0);
      if (!idle) return void socket.destroy();
      connections.delete(idle[0]);
      idle[1].socket.destroy();
    }
    const key = address(socket);
    const connection = { socket, busy: 0 };
    connections.set(key, connection);
    socket.once('close', () => {
      if (connections.get(key) === connection) connections.delete(key);
    });
  });

  let draining = false;
  const pending = new Set<ServerResponse>();
  const askToClose = (response: ServerResponse) => {
    if (!response.headersSent) response.setHeader('connection', 'close');
  };
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const key = address(request.socket);
    const connection = connections.get(key);
    if (connection) connection.busy++;
    pending.add(response);
    if (draining) askToClose(response);
    response.once('close', () => {
      pending.delete(response);
      if (!connection || connections.get(key) !== connection) return;
      connection.busy--;
      connections.delete(key);
      connections.set(key, connection);
    });
    handler(request, response);
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const drain = () => {
    draining = true;
    for (const response of pending) askToClose(response);
  };
  return {
    port: (server.address() as AddressInfo).port,
    setCertificate: (certificate) => server.setSecureContext(tls(certificate)),
    drain,
    close: (grace) =>
      new Promise((resolve) => {
        drain();
        const cut = setTimeout(() => {
          for (const { socket } of connections.values()) socket.destroy();
        }, grace);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        // A request on one of these has been answered, and the client has not sent another.
        for (const { socket, busy } of connections.values()) if (busy === 0) socket.destroy();
      }),
  };
}
