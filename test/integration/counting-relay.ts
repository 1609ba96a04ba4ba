import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';

/** A request as it passed. */
export interface Passed {
  /** Milliseconds, of performance.now(). */
  at: number;
  method: string;
  path: string;
  query: URLSearchParams;
  /** Whether the server has answered. */
  isAnswered: boolean;
}

/**
 * Stands between one client and the real API server, speaks plain HTTP to the client and is the administrator to the
 * server. It remembers every request; `before` may look at one, hold it up, or change its query.
 */
export class CountingRelay {
  readonly requests: Passed[] = [];
  before: (request: Passed) => Promise<void> | void = () => {};
  readonly #config = new KubeConfig();
  readonly #agent = new https.Agent({ keepAlive: true });
  readonly #server = http.createServer((request, response) => {
    this.#pass(request, response).catch(() => response.destroy());
  });

  async listen(): Promise<string> {
    this.#config.loadFromDefault();
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What was written from there on, but for Leases, which are renewed all the time, and questions asked by POST. */
  writes(from = 0): Passed[] {
    return this.requests
      .slice(from)
      .filter(({ method, path }) => method !== 'GET' && !/\/leases\/|\/tokenreviews/.test(path));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
    this.#agent.destroy();
  }

  async #pass(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://relay');
    const { method = 'GET' } = request;
    const passed = { at: performance.now(), method, path: url.pathname, query: url.searchParams, isAnswered: false };
    this.requests.push(passed);
    await this.before(passed);
    const secured: https.RequestOptions = {};
    await this.#config.applyToHTTPSOptions(secured);
    const { host: _host, connection: _connection, ...headers } = request.headers;
    const target = new URL(url.pathname + url.search, this.#config.getCurrentCluster()!.server);
    const far = https.request(target, { ...secured, agent: this.#agent, method, headers });
    // A write that has arrived whole is done, also when its client is killed the moment after.
    response.on('close', () => {
      if (method === 'GET' || !request.complete) far.destroy();
    });
    far.on('error', () => response.destroy());
    far.on('response', (answer) => {
      passed.isAnswered = true;
      answer.on('error', () => response.destroy());
      response.writeHead(answer.statusCode!, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    request.pipe(far);
  }
}
