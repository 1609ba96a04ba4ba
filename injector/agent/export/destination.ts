import type { LookupFunction } from 'node:net';
import type * as Tls from 'node:tls';
import type * as Zlib from 'node:zlib';
import type { CredentialFiles, Credentials } from '../credentials.ts';
import { hostOf } from '../endpoint.ts';
import type { Delivery, Destination, SendOptions } from '../queue.ts';
import type { ExporterSettings } from '../settings.ts';
import type { Addresses } from './address.ts';
import type { Rejection } from './answer.ts';
import { backoff } from './backoff.ts';
import { consoleDestination } from './console.ts';
import { decodeRequest } from './decode.ts';
import { GrpcTransport } from './grpc.ts';
import { HttpTransport } from './http.ts';
import type { LastBatch } from './last.ts';

/** What we send is part of no trace: without this word a mesh's sidecar would begin one for each batch. */
const NOT_SAMPLED = `00-${'1'.padStart(32, '0')}-${'1'.padStart(16, '0')}-00`;

/** What a try to deliver came to; `retryMillis` only where another try makes sense: the receiver wants none before. */
export type Outcome =
  { ok: true; rejected?: Rejection | undefined } | { ok: false; reason: string; retryMillis?: number };

/** One try to deliver a serialized batch, within `timeoutMillis`. It never rejects. */
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

const NAMES = { traces: 'spans', metrics: 'metrics', logs: 'log records' };
/** A receiver that wants to be left alone for longer is asked again then. */
const LONGEST_MILLIS = 300_000;

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
  /** Spans do not arrive these days. */
  private failing = false;
  trouble: string | undefined;
  private lastReason = '';
  /** Before that the receiver wants to hear nothing: on the clock of performance.now(). */
  private notBefore = 0;
  private closed = false;
  /** Ends the pause between two tries. */
  private wake: () => void = () => undefined;
  /** The batch under way. */
  private underway: Uint8Array | undefined;
  /** Whether the transport has it. */
  private handedOver = false;

  constructor(settings: ExporterSettings, services: ExportServices) {
    this.settings = settings;
    this.services = services;
  }

  async send(request: Uint8Array, options: SendOptions): Promise<Delivery> {
    try {
      this.underway = this.inProtocol(request);
      return await this.deliver(this.underway, options);
    } finally {
      this.underway = undefined;
      this.trouble = undefined;
      // A batch that was on its way when this was closed has kept the connection open.
      if (this.closed) this.disconnect();
    }
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

  private async deliver(plain: Uint8Array, { timeoutMillis, keepAlive }: SendOptions): Promise<Delivery> {
    const body = this.settings.gzip ? await this.compress(plain) : plain;
    const deadline = performance.now() + timeoutMillis;
    for (let tries = 1; ; tries++) {
      const early = this.notBefore - performance.now();
      const outcome: Outcome =
        early > 0
          ? { ok: false, reason: this.lastReason, retryMillis: early }
          : await this.attempt(body, Math.max(1, deadline - performance.now()), keepAlive);
      if (outcome.ok) return this.arrived(outcome.rejected);
      this.trouble = this.lastReason = outcome.reason;
      const { retry } = this.settings;
      const { retryMillis } = outcome;
      if (retry === undefined || retryMillis === undefined || keepAlive) return this.givenUp(outcome.reason);
      this.notBefore = Math.max(this.notBefore, performance.now() + Math.min(retryMillis, LONGEST_MILLIS));
      const left = deadline - performance.now();
      const wait = Math.max(this.notBefore - performance.now(), backoff(retry, tries));
      // What the receiver has asked for counts for the next batch as well, so this one may wait as long as it is let.
      // A try that took all of its time may end after it: of a pause below zero Node.js warns whoever reads the app's log.
      if (!this.closed && left > 0) await this.pause(Math.min(wait, left));
      if (this.closed || wait >= left) return this.givenUp(outcome.reason);
    }
  }

  private attempt(body: Uint8Array, left: number, keepAlive: boolean): Promise<Outcome> | Outcome {
    const transport = this.connection();
    // Never without what the policy asks for: what is secret may appear at any time.
    if (typeof transport === 'string') return { ok: false, reason: transport, retryMillis: 0 };
    return this.handOver(transport, body, { timeoutMillis: Math.min(left, this.settings.timeoutMillis), keepAlive });
  }

  private arrived(rejected: Rejection | undefined): Delivery {
    if (this.failing) this.services.sayOnce(`${NAMES[this.settings.signal]} arrive again at ${this.settings.endpoint}`);
    this.failing = false;
    if (rejected === undefined) return {};
    const what = rejected.count > 0 ? `has rejected ${NAMES[this.settings.signal]}` : 'warns';
    this.services.sayOnce(
      `the receiver at ${this.settings.endpoint} ${what}: ${rejected.reason || 'it does not say why'}`,
    );
    return { rejected };
  }

  private givenUp(failure: string): Delivery {
    this.failing = true;
    this.services.sayOnce(`${NAMES[this.settings.signal]} do not arrive at ${this.settings.endpoint}: ${failure}`);
    return { failure };
  }

  close(): void {
    this.closed = true;
    this.wake();
    if (this.underway === undefined) this.disconnect();
  }

  private disconnect(): void {
    this.transport?.close();
    this.transport = undefined;
  }

  private pause(millis: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, millis).unref();
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
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
    this.disconnect();
    const { lookup } = this.services.addresses();
    const secured: Secured = { headers: { traceparent: NOT_SAMPLED, ...headers, ...credentials?.headers }, lookup };
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
