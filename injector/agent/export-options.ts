import type { Signal } from '../../crds/signals.ts';
import type { DocumentBatch, DocumentExporter } from '../policy-document.ts';
import { count, text, type Environment } from './environment.ts';
import type { BatchOptions } from './queue.ts';
import type { ExporterSettings } from './settings.ts';

const PROTOCOLS: unknown[] = ['http/protobuf', 'http/json', 'grpc'];
const TIMEOUT_MILLIS = 10_000;
const RETRY = { initialMillis: 1_000, maxMillis: 10_000 };
const BATCH: BatchOptions = { maxQueue: 2048, maxBatch: 512, delayMillis: 1_000, timeoutMillis: 30_000 };

/** Throws with the reason unless it says in a way that is known how an exporter sends. */
export function checkExporter(exporter: unknown): void {
  const { protocol, compression, timeoutMillis, retry, signals } = (exporter ?? {}) as Record<string, unknown>;
  if (!PROTOCOLS.includes(protocol)) throw new Error(`spec.exporters: protocol is not one of ${PROTOCOLS.join(', ')}`);
  if (compression !== undefined && compression !== 'gzip')
    throw new Error('spec.exporters: compression is not gzip, the only one there is');
  checkNumber('spec.exporters: timeoutMillis', timeoutMillis);
  if (retry !== undefined && retry !== false) {
    const { initialMillis, maxMillis } = (retry ?? {}) as Record<string, unknown>;
    checkNumber('spec.exporters: retry.initialMillis', initialMillis);
    checkNumber('spec.exporters: retry.maxMillis', maxMillis);
  }
  if (signals !== undefined && !Array.isArray(signals)) throw new Error('spec.exporters: signals is not a list');
}

/** The same for how spans are batched. */
export function checkBatch(batch: unknown): void {
  for (const name of ['maxQueue', 'maxBatch', 'delayMillis', 'timeoutMillis'])
    checkNumber(`spec.batch: ${name}`, (batch as Record<string, unknown> | undefined)?.[name]);
}

function checkNumber(name: string, value: unknown): void {
  if (value !== undefined && !(typeof value === 'number' && value > 0 && Number.isFinite(value)))
    throw new Error(`${name} is not a number above 0`);
}

/** How it sends: as the owner of the process says, else as the policy does, else as ever. */
export function sending(
  env: Environment,
  signal: Signal,
  exporter: Partial<DocumentExporter> = {},
): Pick<ExporterSettings, 'signal' | 'gzip' | 'timeoutMillis' | 'retry'> {
  const variables = (name: string) => [
    `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}_${name}`,
    `OTEL_EXPORTER_OTLP_${name}`,
  ];
  const compression = text(env, ...variables('COMPRESSION')) ?? exporter.compression;
  const usual = exporter.timeoutMillis ?? TIMEOUT_MILLIS;
  return {
    signal,
    gzip: compression === 'gzip',
    timeoutMillis: count(env, usual, 1, ...variables('TIMEOUT')),
    retry: exporter.retry === false ? undefined : { ...RETRY, ...exporter.retry },
  };
}

/** How spans are batched: as the owner of the process says, else as the policy does, else as ever. */
export function batching(env: Environment, batch?: DocumentBatch): BatchOptions {
  const usual = { ...BATCH, ...batch };
  const maxQueue = count(env, usual.maxQueue, 1, 'OTEL_BSP_MAX_QUEUE_SIZE');
  return {
    maxQueue,
    maxBatch: Math.min(maxQueue, count(env, usual.maxBatch, 1, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE')),
    delayMillis: count(env, usual.delayMillis, 0, 'OTEL_BSP_SCHEDULE_DELAY'),
    timeoutMillis: count(env, usual.timeoutMillis, 1, 'OTEL_BSP_EXPORT_TIMEOUT'),
  };
}
