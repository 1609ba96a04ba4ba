import { millisOf } from '../crds/duration.ts';
import type { Batch } from '../crds/batch.ts';
import type { Exporter } from '../crds/exporter.ts';
import type { DocumentBatch, DocumentExporter } from './policy-document.ts';

/** How an exporter sends, as a process gets it: what is as ever is left out, so that no policy's revision changes by it. */
export function exportOptions({ compression, timeout, retry, signals }: Exporter): Partial<DocumentExporter> {
  return {
    ...(compression === 'gzip' && { compression }),
    ...(timeout !== undefined && { timeoutMillis: millisOf(timeout) }),
    ...(retry && retryOptions(retry)),
    ...(signals && { signals }),
  };
}

function retryOptions({ enabled, initialInterval, maxInterval }: NonNullable<Exporter['retry']>) {
  if (enabled === false) return { retry: false as const };
  const retry = {
    ...(initialInterval !== undefined && { initialMillis: millisOf(initialInterval) }),
    ...(maxInterval !== undefined && { maxMillis: millisOf(maxInterval) }),
  };
  return Object.keys(retry).length > 0 ? { retry } : {};
}

/** How spans are batched; nothing where the policy says nothing about it. */
export function batchOptions(batch: Batch): { batch?: DocumentBatch } {
  const { maxQueueSize, maxExportBatchSize, scheduleDelay, exportTimeout } = batch;
  const options: DocumentBatch = {
    ...(maxQueueSize !== undefined && { maxQueue: maxQueueSize }),
    ...(maxExportBatchSize !== undefined && { maxBatch: maxExportBatchSize }),
    ...(scheduleDelay !== undefined && { delayMillis: millisOf(scheduleDelay) }),
    ...(exportTimeout !== undefined && { timeoutMillis: millisOf(exportTimeout) }),
  };
  return Object.keys(options).length > 0 ? { batch: options } : {};
}
