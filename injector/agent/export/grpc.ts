import type * as Http2 from 'node:http2';
import * as net from 'node:net';
import type * as Tls from 'node:tls';
import { hostOf } from '../endpoint.ts';
import type { ExporterSettings } from '../settings.ts';
import type { SendOptions } from '../queue.ts';
import { ANSWER_BYTES, readRejection, readRetryInfo } from './answer.ts';
import type { Outcome, Secured, Transport } from './destination.ts';

const SERVICES = { traces: 'trace.v1.TraceService', metrics: 'metrics.v1.MetricsService', logs: 'logs.v1.LogsService' };
/** CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS: OTLP's retryable codes. */
const RETRYABLE = new Set(['1', '4', '10', '11', '14', '15']);
/** Retryable where the receiver says when. */
const RESOURCE_EXHAUSTED = '8';
const HEADERS = { 'content-type': 'application/grpc', te: 'trailers' };
const MESSAGE_HEADER = 5;

/** OTLP over gRPC: one unary call is one HTTP/2 request, which Node can do without a gRPC library. */
export class GrpcTransport implements Transport {
  private readonly settings: ExporterSettings;
  private readonly path: string;
  private readonly secured: Secured;
  private readonly require: NodeJS.Require;
  private readonly http2: typeof Http2;
  private session: Http2.ClientHttp2Session | undefined;
  private socket: net.Socket | undefined;
  private current: Http2.ClientHttp2Stream | undefined;
  /** How much the session takes of what is sent past it. */
  private window: number | undefined;

  constructor(settings: ExporterSettings, secured: Secured, require: NodeJS.Require) {
    this.settings = settings;
    this.path = `/opentelemetry.proto.collector.${SERVICES[settings.signal]}/Export`;
    this.secured = secured;
    this.require = require;
    this.http2 = require('node:http2') as typeof Http2;
  }

  send(body: Uint8Array, { timeoutMillis, keepAlive }: SendOptions): Promise<Outcome> {
    return new Promise((resolve) => {
      const session = this.connect(resolve);
      if (keepAlive) session.ref();
      else session.unref();
      const stream = session.request({
        ...this.secured.headers,
        ...HEADERS,
        ':method': 'POST',
        ':path': this.path,
        'grpc-timeout': `${Math.ceil(timeoutMillis)}m`,
        ...(this.settings.gzip ? { 'grpc-encoding': 'gzip' } : undefined),
      });
      this.current = stream;
      const timer = setTimeout(() => {
        resolve({ ok: false, reason: 'no answer in time', retryMillis: 0 });
        stream.close(this.http2.constants.NGHTTP2_CANCEL);
        // A peer that does not answer may be gone without a word: the next batch opens a new connection. What this one has
        // not sent yet must not be sent any more, as the body's memory is used again.
        session.destroy();
        this.session = undefined;
      }, timeoutMillis);
      if (!keepAlive) timer.unref();
      let status: string | undefined;
      let message: string | undefined;
      let details: string | undefined;
      const answer: Buffer[] = [];
      let length = 0;
      const note = (headers: Http2.IncomingHttpHeaders): void => {
        const code = headers['grpc-status'];
        const httpStatus = headers[':status'];
        if (code !== undefined) status = String(code);
        else if (httpStatus !== undefined && Number(httpStatus) !== 200) status = `HTTP ${String(httpStatus)}`;
        const text = headers['grpc-message'];
        if (text !== undefined) message = String(text);
        if (headers['grpc-status-details-bin'] !== undefined) details = String(headers['grpc-status-details-bin']);
      };
      stream.on('response', note);
      stream.on('trailers', note);
      stream.on('error', (error: Error) => resolve({ ok: false, reason: error.message, retryMillis: 0 }));
      stream.on('close', () => {
        clearTimeout(timer);
        if (status === '0') {
          const rejected = readRejection(Buffer.concat(answer).subarray(MESSAGE_HEADER), false);
          return resolve({ ok: true, rejected });
        }
        const reason =
          status === undefined ? 'the connection was closed' : `gRPC status ${status}${message ? ` ${message}` : ''}`;
        const asked = readRetryInfo(details);
        const isRetryable = RETRYABLE.has(status ?? '14') || (status === RESOURCE_EXHAUSTED && asked !== undefined);
        resolve({ ok: false, reason, ...(isRetryable && { retryMillis: asked ?? 0 }) });
      });
      stream.on('data', (part: Buffer) => {
        length += part.length;
        if (length <= ANSWER_BYTES) answer.push(part);
      });
      stream.write(headOf(body, this.settings.gzip));
      stream.end(body);
    });
  }

  isWritten(): boolean {
    return this.current?.writableFinished ?? false;
  }

  last(body: Uint8Array): ReturnType<Transport['last']> {
    const { session, socket } = this;
    const isOpen = session !== undefined && !session.connecting && !session.closed;
    const framed = Buffer.concat([headOf(body, false), body]);
    if (isOpen && this.settings.endpoint.startsWith('https:')) {
      this.window ??= Math.min(session.state.remoteWindowSize ?? 0, session.remoteSettings.initialWindowSize ?? 0);
      if (framed.length > this.window) return undefined;
      this.window -= framed.length;
    }
    return {
      grpc: true,
      path: this.path,
      headers: { ...this.secured.headers, ...HEADERS },
      body: framed,
      secure: isOpen ? socket : undefined,
    };
  }

  close(): void {
    this.session?.close();
    this.session = undefined;
  }

  private connect(failed: (outcome: Outcome) => void): Http2.ClientHttp2Session {
    if (this.session !== undefined && !this.session.closed && !this.session.destroyed) return this.session;
    const session = this.http2.connect(this.settings.endpoint, { createConnection: (url) => this.open(url) });
    session.on('error', (error: NodeJS.ErrnoException) => {
      failed({ ok: false, reason: error.code ?? error.message, retryMillis: 0 });
      session.destroy();
    });
    session.on('goaway', () => session.close());
    this.session = session;
    return session;
  }

  private open(url: URL): net.Socket {
    const { secureContext, lookup } = this.secured;
    const host = hostOf(url);
    const options = { host, port: Number(url.port), lookup };
    this.window = undefined;
    const servername = net.isIP(host) ? '' : host;
    this.socket =
      url.protocol === 'https:'
        ? (this.require('node:tls') as typeof Tls).connect({
            ...options,
            servername,
            ALPNProtocols: ['h2'],
            ...(secureContext && { secureContext }),
          })
        : net.connect(options);
    return this.socket;
  }
}

/** What gRPC puts before a message: whether it is compressed, and its length. */
function headOf(body: Uint8Array, isCompressed: boolean): Buffer {
  const head = Buffer.alloc(MESSAGE_HEADER);
  head[0] = Number(isCompressed);
  head.writeUInt32BE(body.length, 1);
  return head;
}
