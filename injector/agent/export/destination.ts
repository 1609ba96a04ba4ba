import type { LookupFunction } from 'node:net';
import type * as Tls from 'node:tls';
import type * as Zlib from 'node:zlib';
import type { CredentialFiles, Credentials } from '../credentials.ts';
import { hostOf } from '../endpoint.ts';
import type { Destination } from '../queue.ts';
import type { ExporterSettings } from '../settings.ts';
import type { Addresses } from './address.ts';
import { consoleDestination } from './console.ts';
import { decodeRequest } from './decode.ts';
import { GrpcTransport } from './grpc.ts';
import { HttpTransport } from './http.ts';
import type { LastBatch } from './last.ts';

/** What a try to deliver came to; `retryMillis` only where another try makes sense. */
export type Outcome = { ok: true } | { ok: false; reason: string; retryMillis?: number };

/** How long a try may take, and whether it holds the event loop meanwhile. */
export interface SendOptions {
  timeoutMillis: number;
  keepAlive: boolean;
}

/** One try to deliver a serialized batch. It never rejects. */
export interface Transport {
  send(body: Uint8Array, options: SendOptions): Promise<Outcome>;
  /** Whether the kernel has all of the batch that was sent last. */
  isWritten(): boolean;
  /** The same batch to be sent past this transport; undefined where that cannot be done. */
  last(body: Uint8Array): Omit<LastBatch, 'url' | 'address' | 'deadline'> | undefined;
  close(): void;
}

/** What a transport shows of itself, and by what it checks the receiver. */
export interface Secured {
  headers: Record<string, string>;
  /** Absent: Node.js' own authorities, and no client certificate. */
  secureContext?: Tls.SecureContext;
  lookup: LookupFunction;
}

/** What the core lends to this part, so that there is one voice and one "do not trace this" in the process. */
export interface ExportServices {
  /** For modules of Node's that not every exporter needs: TLS, HTTP/2 and compression take megabytes and milliseconds. */
  require: NodeJS.Require;
  sayOnce(line: string): void;
  /** Runs work whose own requests must not be traced. */
  untraced<T>(work: () => T): T;
  /** What these files hold: the same object until it is another; or what is wrong, for people. */
  credentials(files: CredentialFiles): Credentials | string;
  addresses(): Addresses;
  sendLast(batch: LastBatch): void;
}

const FIRST_BACKOFF = 500;
const NAMES = { traces: 'spans', metrics: 'metrics', logs: 'log records' };

/** Opens a destination. Nothing is connected before the first batch. */
export function openDestination(settings: ExporterSettings, services: ExportServices): Destination {
  if (settings.protocol === 'console') return consoleDestination();
  return new OtlpDestination(settings, services);
}

class OtlpDestination implements Destination {
  private readonly settings: ExporterSettings;
  private readonly services: ExportServices;
  private transport: Transport | undefined;
  private credentials: Credentials | undefined;
  private failing = false;
  /** The batch under way. */
  private underway: Uint8Array | undefined;
  /** Whether the transport has it. */
  private handedOver = false;

  constructor(settings: ExporterSettings, services: ExportServices) {
    this.settings = settings;
    this.services = services;
  }

  async send(request: Uint8Array, keepAlive: boolean): Promise<string | undefined> {
    this.underway = this.inProtocol(request);
    const failure = await this.deliver(this.underway, keepAlive);
    this.underway = undefined;
    return failure;
  }

  sendNow(request: Uint8Array | undefined, deadline: number): void {
    // A receiver that cannot be reached is not worth the wait.
    if (this.failing) return;
    const transport = this.connection();
    if (typeof transport === 'string') return;
    const url = new URL(this.settings.endpoint);
    const address = this.services.addresses().last(hostOf(url));
    const isAway = this.handedOver && transport.isWritten();
    for (const body of [isAway ? undefined : this.underway, request && this.inProtocol(request)]) {
      const batch = body && transport.last(body);
      if (batch) this.services.sendLast({ ...batch, url, address, deadline });
    }
    this.underway = undefined;
  }

  private inProtocol(request: Uint8Array): Uint8Array {
    const { protocol, signal } = this.settings;
    return protocol === 'http/json' ? Buffer.from(JSON.stringify(decodeRequest(request, signal))) : request;
  }

  private async deliver(plain: Uint8Array, keepAlive: boolean): Promise<string | undefined> {
    const body = this.settings.gzip && this.settings.protocol !== 'grpc' ? await this.compress(plain) : plain;
    const deadline = Date.now() + this.settings.timeoutMillis;
    let backoff = FIRST_BACKOFF;
    for (;;) {
      const timeoutMillis = Math.max(1, deadline - Date.now());
      const transport = this.connection();
      const outcome =
        typeof transport === 'string'
          ? // Never without what the policy asks for: what is secret may appear at any time.
            { ok: false as const, reason: transport, retryMillis: 0 }
          : await this.handOver(transport, body, { timeoutMillis, keepAlive });
      if (outcome.ok) {
        if (this.failing)
          this.services.sayOnce(`${NAMES[this.settings.signal]} arrive again at ${this.settings.endpoint}`);
        this.failing = false;
        return undefined;
      }
      const wait =
        outcome.retryMillis === undefined
          ? undefined
          : Math.max(outcome.retryMillis, backoff * (0.8 + Math.random() * 0.4));
      if (wait === undefined || Date.now() + wait > deadline || keepAlive) {
        this.failing = true;
        this.services.sayOnce(
          `${NAMES[this.settings.signal]} do not arrive at ${this.settings.endpoint}: ${outcome.reason}`,
        );
        return outcome.reason;
      }
      await pause(wait);
      backoff *= 2;
    }
  }

  close(): void {
    this.transport?.close();
    this.transport = undefined;
  }

  private async handOver(transport: Transport, body: Uint8Array, options: SendOptions): Promise<Outcome> {
    this.handedOver = true;
    const outcome = await this.services.untraced(() => transport.send(body, options));
    this.handedOver = false;
    return outcome;
  }

  private compress(body: Uint8Array): Promise<Uint8Array> {
    const { gzip } = this.services.require('node:zlib') as typeof Zlib;
    return new Promise((resolve, reject) => gzip(body, (error, result) => (error ? reject(error) : resolve(result))));
  }

  /** The transport under the present credentials, another one when they were renewed; or why there is none. */
  private connection(): Transport | string {
    const { files, headers, protocol } = this.settings;
    const credentials = files && this.services.credentials(files);
    if (typeof credentials === 'string') return credentials;
    if (this.transport !== undefined && this.credentials === credentials) return this.transport;
    this.close();
    const { lookup } = this.services.addresses();
    const secured: Secured = { headers: { ...headers, ...credentials?.headers }, lookup };
    if (credentials?.ca !== undefined || credentials?.cert !== undefined) {
      const { ca, cert, key } = credentials;
      try {
        secured.secureContext = (this.services.require('node:tls') as typeof Tls).createSecureContext({
          ca,
          cert,
          key,
        });
      } catch (error) {
        return `its TLS files cannot be used: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    const Transport = protocol === 'grpc' ? GrpcTransport : HttpTransport;
    this.transport = new Transport(this.settings, secured, this.services.require);
    this.credentials = credentials;
    return this.transport;
  }
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis).unref());
}
