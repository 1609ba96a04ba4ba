import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readSpans } from './otlp.ts';
import type { OtlpReadSpan, OtlpTraces } from './otlp.ts';

/** An OTLP receiver on loopback that takes spans as JSON over HTTP. */
export class Receiver {
  readonly #server: Server;
  #spans: OtlpReadSpan[] = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      const answer = (status: number) => response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
      request.on('error', () => undefined).on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.method !== 'POST' || request.url !== '/v1/traces') return answer(404);
        try {
          this.#spans.push(...readSpans(JSON.parse(Buffer.concat(chunks).toString()) as OtlpTraces));
          return answer(200);
        } catch {
          return answer(400);
        }
      });
    });
  }

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    await new Promise<void>((resolve, reject) =>
      receiver.#server.once('error', reject).listen(0, '127.0.0.1', () => resolve()),
    );
    return receiver;
  }

  /** Base URL, for OTLP's http/json. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What has come since it was last asked. */
  take(): OtlpReadSpan[] {
    return this.#spans.splice(0);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}
