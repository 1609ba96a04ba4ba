import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createHttp2Server, createSecureServer, type Http2Server } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { decodeTraces, type ReceivedSpan } from './otlp.ts';
import { decodeLogs, decodeMetrics, type ReceivedMetric, type ReceivedRecord } from './otlp-signals.ts';

const PATHS: Record<string, 'traces' | 'metrics' | 'logs'> = {
  ...{ '/v1/traces': 'traces', '/v1/metrics': 'metrics', '/v1/logs': 'logs' },
  '/opentelemetry.proto.collector.trace.v1.TraceService/Export': 'traces',
  '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export': 'metrics',
  '/opentelemetry.proto.collector.logs.v1.LogsService/Export': 'logs',
};

/** A real OTLP receiver in this process, http/protobuf and gRPC. */
export class Sink {
  readonly spans: ReceivedSpan[] = [];
  readonly metrics: ReceivedMetric[] = [];
  readonly records: ReceivedRecord[] = [];
  readonly requests: { headers: IncomingHttpHeaders; bytes: number }[] = [];
  /** What HTTP requests are answered with; 0 means never. */
  status = 200;
  private http: Server | undefined;
  private grpc: Http2Server | undefined;
  private ports = { http: 0, grpc: 0 };
  private scheme = 'http';

  /** With a certificate both speak TLS. */
  static async start(tls?: { key: string; cert: string }): Promise<Sink> {
    const sink = new Sink();
    if (tls) sink.scheme = 'https';
    sink.http = tls ? createHttpsServer(tls) : createServer();
    sink.http.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (sink.status === 0) return;
        const body = Buffer.concat(chunks);
        const signal = PATHS[request.url ?? ''];
        if (signal && sink.status === 200) {
          sink.take(signal, request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body, request.headers);
        }
        response.writeHead(signal ? sink.status : 404).end();
      });
    });
    sink.grpc = tls ? createSecureServer(tls) : createHttp2Server();
    sink.grpc.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', () => undefined);
      stream.on('end', () => {
        const signal = headers['content-type'] === 'application/grpc' ? PATHS[headers[':path'] ?? ''] : undefined;
        if (signal) sink.take(signal, Buffer.concat(chunks).subarray(5), headers);
        // A process that ends does not wait for ever.
        if (stream.destroyed) return;
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': signal ? '0' : '12' }));
        stream.end(Buffer.alloc(5));
      });
    });
    await sink.up();
    return sink;
  }

  /** Base URL for http/protobuf. */
  get url(): string {
    return `${this.scheme}://127.0.0.1:${this.ports.http}`;
  }

  /** URL for gRPC. */
  get grpcUrl(): string {
    return `${this.scheme}://127.0.0.1:${this.ports.grpc}`;
  }

  /** Waits until the spans satisfy a condition; fails with what did arrive. */
  async until(condition: (spans: ReceivedSpan[]) => boolean, millis = 8000): Promise<ReceivedSpan[]> {
    const deadline = Date.now() + millis;
    while (!condition(this.spans)) {
      if (Date.now() > deadline) {
        const seen = this.spans.map((span) => `${span.kind} ${span.name} (${span.scope})`);
        throw new Error(`the expected spans did not arrive within ${millis} ms; these did:\n${seen.join('\n')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.spans;
  }

  /** The log records, when they satisfy a condition. */
  async untilRecords(condition: (records: ReceivedRecord[]) => boolean, millis = 8000): Promise<ReceivedRecord[]> {
    await this.when(
      () => condition(this.records),
      millis,
      () => JSON.stringify(this.records),
    );
    return this.records;
  }

  /** The newest of a metric that satisfies a condition. */
  async untilMetric(
    name: string,
    condition: (metric: ReceivedMetric) => boolean = () => true,
    millis = 8000,
  ): Promise<ReceivedMetric> {
    const find = (): ReceivedMetric | undefined =>
      this.metrics.findLast((metric) => metric.name === name && condition(metric));
    const newest = (): unknown => this.metrics.findLast((metric) => metric.name === name);
    await this.when(
      () => find() !== undefined,
      millis,
      () => JSON.stringify(newest() ?? this.metrics.map((metric) => metric.name)),
    );
    return find()!;
  }

  private async when(condition: () => boolean, millis: number, seen: () => string): Promise<void> {
    const deadline = Date.now() + millis;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`not received within ${millis} ms; this was: ${seen()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Listens, again at the same ports when it was stopped. */
  async up(): Promise<void> {
    const [http, grpc] = await Promise.all([listen(this.http, this.ports.http), listen(this.grpc, this.ports.grpc)]);
    this.ports = { http, grpc };
  }

  /** Nobody listens any more. */
  async stop(): Promise<void> {
    this.http?.closeAllConnections();
    await Promise.all([
      new Promise((resolve) => this.http?.close(resolve)),
      new Promise((resolve) => this.grpc?.close(resolve)),
    ]);
  }

  private take(signal: 'traces' | 'metrics' | 'logs', body: Uint8Array, headers: IncomingHttpHeaders): void {
    this.requests.push({ headers, bytes: body.length });
    if (signal === 'traces') this.spans.push(...decodeTraces(body));
    else if (signal === 'metrics') this.metrics.push(...decodeMetrics(body));
    else this.records.push(...decodeLogs(body));
  }
}

/** Resolves to the port; 0 asks for a free one. */
function listen(server: Server | Http2Server | undefined, port: number): Promise<number> {
  return new Promise((resolve, reject) =>
    server?.once('error', reject).listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  );
}
