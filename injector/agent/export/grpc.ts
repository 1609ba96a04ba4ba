import * as http2 from 'node:http2';
import type { ExporterSettings } from '../settings.ts';
import type { Outcome, Secured, Transport } from './destination.ts';

const PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
// CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS: OTLP's retryable codes.
const RETRYABLE = new Set(['1', '4', '8', '10', '11', '14', '15']);
const FRAME_HEADER = 5;

/** OTLP over gRPC: one unary call is one HTTP/2 request, which Node can do without a gRPC library. */
export class GrpcTransport implements Transport {
  private readonly settings: ExporterSettings;
  private readonly secured: Secured;
  private session: http2.ClientHttp2Session | undefined;

  constructor(settings: ExporterSettings, secured: Secured) {
    this.settings = settings;
    this.secured = secured;
  }

  send(
    body: Uint8Array,
    { timeoutMillis, keepAlive }: { timeoutMillis: number; keepAlive: boolean },
  ): Promise<Outcome> {
    return new Promise((resolve) => {
      const session = this.connect(resolve);
      if (keepAlive) session.ref();
      else session.unref();
      const stream = session.request({
        ...this.secured.headers,
        ':method': 'POST',
        ':path': PATH,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': `${timeoutMillis}m`,
      });
      const timer = setTimeout(() => {
        resolve({ ok: false, reason: 'no answer in time' });
        stream.close(http2.constants.NGHTTP2_CANCEL);
        // A peer that does not answer may be gone without a word: the next batch opens a new connection.
        this.close();
      }, timeoutMillis);
      if (!keepAlive) timer.unref();
      let status: string | undefined;
      let message: string | undefined;
      const note = (headers: http2.IncomingHttpHeaders): void => {
        const code = headers['grpc-status'];
        const httpStatus = headers[':status'];
        if (code !== undefined) status = String(code);
        else if (httpStatus !== undefined && Number(httpStatus) !== 200) status = `HTTP ${String(httpStatus)}`;
        const text = headers['grpc-message'];
        if (text !== undefined) message = String(text);
      };
      stream.on('response', note);
      stream.on('trailers', note);
      stream.on('error', (error: Error) => resolve({ ok: false, reason: error.message, retryMillis: 0 }));
      stream.on('close', () => {
        clearTimeout(timer);
        if (status === '0') return resolve({ ok: true });
        const reason =
          status === undefined ? 'the connection was closed' : `gRPC status ${status}${message ? ` ${message}` : ''}`;
        resolve(
          status === undefined || RETRYABLE.has(status) ? { ok: false, reason, retryMillis: 0 } : { ok: false, reason },
        );
      });
      stream.resume();
      const header = Buffer.alloc(FRAME_HEADER);
      header.writeUInt32BE(body.length, 1);
      stream.end(Buffer.concat([header, body]));
    });
  }

  close(): void {
    this.session?.close();
    this.session = undefined;
  }

  private connect(failed: (outcome: Outcome) => void): http2.ClientHttp2Session {
    if (this.session !== undefined && !this.session.closed && !this.session.destroyed) return this.session;
    const { secureContext } = this.secured;
    const session = http2.connect(this.settings.endpoint, secureContext && { secureContext });
    session.on('error', (error: NodeJS.ErrnoException) => {
      failed({ ok: false, reason: error.code ?? error.message, retryMillis: 0 });
      session.destroy();
    });
    session.on('goaway', () => session.close());
    this.session = session;
    return session;
  }
}
