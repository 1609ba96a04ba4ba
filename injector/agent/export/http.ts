import type * as Http from 'node:http';
import type * as Https from 'node:https';
import type { ExporterSettings } from '../settings.ts';
import type { SendOptions } from '../queue.ts';
import { ANSWER_BYTES, readRejection } from './answer.ts';
import { readRetryAfter } from './backoff.ts';
import type { Outcome, Secured, Transport } from './destination.ts';

const RETRYABLE = new Set([429, 502, 503, 504]);

/** OTLP over HTTP on one kept-alive connection that never holds the event loop. */
export class HttpTransport implements Transport {
  private readonly settings: ExporterSettings;
  private readonly agent: Http.Agent;
  private readonly request: typeof Http.request;
  private readonly headers: Record<string, string>;
  private current: Http.ClientRequest | undefined;

  constructor(settings: ExporterSettings, { headers, secureContext, lookup }: Secured, require: NodeJS.Require) {
    this.settings = settings;
    this.headers = {
      ...headers,
      'content-type': settings.protocol === 'http/json' ? 'application/json' : 'application/x-protobuf',
    };
    const options = { keepAlive: true, maxSockets: 1, lookup };
    if (settings.endpoint.startsWith('https:')) {
      const https = require('node:https') as typeof Https;
      this.request = https.request;
      this.agent = new https.Agent({ ...options, ...(secureContext && { secureContext }) });
    } else {
      const http = require('node:http') as typeof Http;
      this.request = http.request;
      this.agent = new http.Agent(options);
    }
  }

  send(body: Uint8Array, { timeoutMillis, keepAlive }: SendOptions): Promise<Outcome> {
    return new Promise((resolve) => {
      const request = this.request(this.settings.endpoint, {
        method: 'POST',
        agent: this.agent,
        headers: {
          ...this.headers,
          'content-length': body.length,
          ...(this.settings.gzip ? { 'content-encoding': 'gzip' } : undefined),
        },
      });
      this.current = request;
      const timer = setTimeout(() => {
        resolve({ ok: false, reason: 'no answer in time', retryMillis: 0 });
        request.destroy();
      }, timeoutMillis);
      if (!keepAlive) timer.unref();
      const done = (outcome: Outcome): void => {
        clearTimeout(timer);
        resolve(outcome);
      };
      request.on('socket', (socket) => (keepAlive ? socket.ref() : socket.unref()));
      request.on('error', (error: NodeJS.ErrnoException) => {
        done({ ok: false, reason: error.code ?? error.message, retryMillis: 0 });
      });
      request.on('response', (response) => {
        response.on('error', (error) => done({ ok: false, reason: error.message, retryMillis: 0 }));
        const answer: Buffer[] = [];
        let length = 0;
        response.on('data', (part: Buffer) => {
          length += part.length;
          if (length <= ANSWER_BYTES) answer.push(part);
        });
        response.on('end', () => done(judge(response, Buffer.concat(answer))));
      });
      request.end(body);
    });
  }

  isWritten(): boolean {
    return this.current?.writableFinished ?? false;
  }

  last(body: Uint8Array): ReturnType<Transport['last']> {
    const { pathname, search, username, password } = new URL(this.settings.endpoint);
    const authorization = username && `Basic ${btoa(decodeURIComponent(`${username}:${password}`))}`;
    const sockets = [this.agent.freeSockets, this.agent.sockets].flatMap((byName) => Object.values(byName).flat());
    return {
      grpc: false,
      path: pathname + search,
      headers: { ...(authorization && { authorization }), ...this.headers },
      secure: sockets.find((socket) => socket && !socket.connecting && socket.writable),
      body,
    };
  }

  close(): void {
    this.agent.destroy();
  }
}

function judge({ statusCode: status = 0, headers }: Http.IncomingMessage, answer: Buffer): Outcome {
  const isJson = headers['content-type']?.includes('json') ?? false;
  if (status >= 200 && status < 300) return { ok: true, rejected: readRejection(answer, isJson) };
  const reason = `HTTP ${status}`;
  if (!RETRYABLE.has(status)) return { ok: false, reason };
  return { ok: false, reason, retryMillis: readRetryAfter(headers['retry-after']) };
}
