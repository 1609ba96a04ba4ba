import { createSecureContext, type SecureContext } from 'node:tls';
import { gzip } from 'node:zlib';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { CredentialFiles, Credentials } from '../credentials.ts';
import type { Destination } from '../queue.ts';
import type { ExporterSettings } from '../settings.ts';
import type { RecordingSpan } from '../span.ts';
import { consoleDestination } from './console.ts';
import { GrpcTransport } from './grpc.ts';
import { HttpTransport } from './http.ts';
import { redactStatement } from './redact.ts';

/** What a try to deliver came to; `retryMillis` only where another try makes sense. */
export type Outcome = { ok: true } | { ok: false; reason: string; retryMillis?: number };

/** One try to deliver a serialized batch. It never rejects. */
export interface Transport {
  send(body: Uint8Array, options: { timeoutMillis: number; keepAlive: boolean }): Promise<Outcome>;
  close(): void;
}

/** What a transport shows of itself, and by what it checks the receiver. */
export interface Secured {
  headers: Record<string, string>;
  /** Absent: Node.js' own authorities, and no client certificate. */
  secureContext?: SecureContext;
}

/** What the core lends to this part, so that there is one voice and one "do not trace this" in the process. */
export interface ExportServices {
  sayOnce(line: string): void;
  /** Runs work whose own requests must not be traced. */
  untraced<T>(work: () => T): T;
  /** What these files hold: the same object until it is another; or what is wrong, for people. */
  credentials(files: CredentialFiles): Credentials | string;
}

const FIRST_BACKOFF = 500;

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

  constructor(settings: ExporterSettings, services: ExportServices) {
    this.settings = settings;
    this.services = services;
  }

  async send(spans: RecordingSpan[], keepAlive: boolean): Promise<string | undefined> {
    for (const span of spans) redactStatement(span.attributes);
    const serializer = this.settings.protocol === 'http/json' ? JsonTraceSerializer : ProtobufTraceSerializer;
    const plain = serializer.serializeRequest(spans as unknown as ReadableSpan[]);
    if (plain === undefined) return 'the spans could not be serialized';
    const body = this.settings.gzip && this.settings.protocol !== 'grpc' ? await compress(plain) : plain;
    const deadline = Date.now() + this.settings.timeoutMillis;
    let backoff = FIRST_BACKOFF;
    for (;;) {
      const timeoutMillis = Math.max(1, deadline - Date.now());
      const transport = this.connection();
      const outcome =
        typeof transport === 'string'
          ? // Never without what the policy asks for: what is secret may appear at any time.
            { ok: false as const, reason: transport, retryMillis: 0 }
          : await this.services.untraced(() => transport.send(body, { timeoutMillis, keepAlive }));
      if (outcome.ok) {
        if (this.failing) this.services.sayOnce(`spans arrive again at ${this.settings.endpoint}`);
        this.failing = false;
        return undefined;
      }
      const wait =
        outcome.retryMillis === undefined
          ? undefined
          : Math.max(outcome.retryMillis, backoff * (0.8 + Math.random() * 0.4));
      if (wait === undefined || Date.now() + wait > deadline || keepAlive) {
        this.failing = true;
        this.services.sayOnce(`spans do not arrive at ${this.settings.endpoint}: ${outcome.reason}`);
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

  /** The transport under the present credentials, another one when they were renewed; or why there is none. */
  private connection(): Transport | string {
    const { files, headers, protocol } = this.settings;
    const credentials = files && this.services.credentials(files);
    if (typeof credentials === 'string') return credentials;
    if (this.transport !== undefined && this.credentials === credentials) return this.transport;
    this.close();
    const secured: Secured = { headers: { ...headers, ...credentials?.headers } };
    if (credentials?.ca !== undefined || credentials?.cert !== undefined) {
      const { ca, cert, key } = credentials;
      try {
        secured.secureContext = createSecureContext({ ca, cert, key });
      } catch (error) {
        return `its TLS files cannot be used: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    this.transport =
      protocol === 'grpc' ? new GrpcTransport(this.settings, secured) : new HttpTransport(this.settings, secured);
    this.credentials = credentials;
    return this.transport;
  }
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis).unref());
}

function compress(body: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => gzip(body, (error, result) => (error ? reject(error) : resolve(result))));
}
