import { gzip } from 'node:zlib';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
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

/** What the core lends to this part, so that there is one voice and one "do not trace this" in the process. */
export interface ExportServices {
  sayOnce(line: string): void;
  /** Runs work whose own requests must not be traced. */
  untraced<T>(work: () => T): T;
}

const FIRST_BACKOFF = 500;

/** Opens a destination. Nothing is connected before the first batch. */
export function openDestination(settings: ExporterSettings, services: ExportServices): Destination {
  if (settings.protocol === 'console') return consoleDestination();
  const transport = settings.protocol === 'grpc' ? new GrpcTransport(settings) : new HttpTransport(settings);
  return new OtlpDestination(settings, transport, services);
}

class OtlpDestination implements Destination {
  private readonly settings: ExporterSettings;
  private readonly transport: Transport;
  private readonly services: ExportServices;
  private failing = false;

  constructor(settings: ExporterSettings, transport: Transport, services: ExportServices) {
    this.settings = settings;
    this.transport = transport;
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
      const outcome = await this.services.untraced(() => this.transport.send(body, { timeoutMillis, keepAlive }));
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
    this.transport.close();
  }
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis).unref());
}

function compress(body: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => gzip(body, (error, result) => (error ? reject(error) : resolve(result))));
}
