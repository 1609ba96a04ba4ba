import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { readSpans, type OtlpTraces } from '../../cli/trace/otlp.ts';
import { decodeTraces } from './otlp.ts';

/** What a receiver does with one request. */
export interface Reply {
  /** HTTP's status, or gRPC's. Default: well done. */
  status?: number;
  /** HTTP's headers, or gRPC's trailers. */
  headers?: Record<string, string>;
  /** Of the answer: OTLP's Export…ServiceResponse. */
  body?: Buffer;
  /** The connection is cut instead of an answer. */
  reset?: boolean;
  /** No answer at all. */
  silent?: boolean;
}

/** A request as it came. */
export interface Request {
  /** On the clock of performance.now(). */
  at: number;
  headers: IncomingHttpHeaders;
  /** Ids of the spans in it. */
  spans: string[];
}

/** An OTLP receiver in this process that behaves as it is told: by HTTP (protobuf and JSON), or by gRPC. */
export class Receiver {
  readonly requests: Request[] = [];
  /** Ids of the spans that it has taken, each as often as it came. */
  readonly taken: string[] = [];
  /** For the next requests; then `always`. */
  readonly next: Reply[] = [];
  always: Reply = {};
  readonly protocol: 'http' | 'grpc';
  private server: Server | Http2Server | undefined;
  private readonly sockets = new Set<Socket>();
  private port = 0;

  private constructor(protocol: 'http' | 'grpc') {
    this.protocol = protocol;
  }

  static async start(protocol: 'http' | 'grpc'): Promise<Receiver> {
    const receiver = new Receiver(protocol);
    await receiver.start();
    return receiver;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Listens, again at the same port when it was stopped. */
  async start(): Promise<void> {
    this.server = this.protocol === 'http' ? this.http() : this.grpc();
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket)).on('error', () => undefined);
    });
    await new Promise<void>((resolve) => this.server!.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Nobody listens any more, and all connections are cut. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server!.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private http(): Server {
    return createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('error', () => undefined).on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const zipped = Buffer.concat(chunks);
        const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(zipped) : zipped;
        const isJson = request.headers['content-type'] === 'application/json';
        const found = isJson ? readSpans(JSON.parse(body.toString()) as OtlpTraces) : decodeTraces(body);
        const { status = 200, headers = {}, body: answer, reset, silent } = this.note(request.headers, found);
        if (reset) return request.socket.destroy();
        if (silent) return;
        response.writeHead(status, { 'content-type': request.headers['content-type'], ...headers }).end(answer);
      });
    });
  }

  private grpc(): Http2Server {
    return createHttp2Server().on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      const chunks: Buffer[] = [];
      stream.on('error', () => undefined).on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const message = Buffer.concat(chunks);
        const body = message[0] === 1 ? gunzipSync(message.subarray(5)) : message.subarray(5);
        const {
          status = 0,
          headers: trailers = {},
          body: answer,
          reset,
          silent,
        } = this.note(headers, decodeTraces(body));
        if (reset) return stream.session?.destroy();
        if (silent || stream.destroyed) return;
        const last = { 'grpc-status': String(status), ...trailers };
        if (status !== 0)
          return stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...last }, { endStream: true });
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers(last));
        const head = Buffer.alloc(5);
        head.writeUInt32BE(answer?.length ?? 0, 1);
        stream.end(Buffer.concat([head, answer ?? Buffer.alloc(0)]));
      });
    });
  }

  private note(headers: IncomingHttpHeaders, found: { spanId: string }[]): Reply {
    const reply = this.next.shift() ?? this.always;
    const spans = found.map(({ spanId }) => spanId);
    this.requests.push({ at: performance.now(), headers, spans });
    const isTaken = !reply.reset && !reply.silent && [undefined, 0, 200].includes(reply.status);
    if (isTaken) this.taken.push(...spans);
    return reply;
  }
}
