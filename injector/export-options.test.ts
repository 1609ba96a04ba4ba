import { describe, expect, it } from '@jest/globals';
import { batchOptions, exportOptions } from './export-options.ts';

const exporter = { name: 'a', endpoint: 'http://a:4318' };

describe('how an exporter sends', () => {
  it('is left out where it is as ever', () => {
    expect(exportOptions(exporter)).toEqual({});
    expect(exportOptions({ ...exporter, compression: 'none', retry: {} })).toEqual({});
    expect(exportOptions({ ...exporter, retry: { enabled: true } })).toEqual({});
    expect(batchOptions({})).toEqual({});
  });

  it('is in milliseconds', () => {
    const retry = { initialInterval: '500ms', maxInterval: '1m' };
    expect(exportOptions({ ...exporter, compression: 'gzip', timeout: '5s', retry, signals: ['logs'] })).toEqual({
      ...{ compression: 'gzip', timeoutMillis: 5_000, signals: ['logs'] },
      retry: { initialMillis: 500, maxMillis: 60_000 },
    });
    expect(batchOptions({ maxQueueSize: 100, scheduleDelay: '50ms', exportTimeout: '2m' })).toEqual({
      batch: { maxQueue: 100, delayMillis: 50, timeoutMillis: 120_000 },
    });
    expect(batchOptions({ maxExportBatchSize: 10 })).toEqual({ batch: { maxBatch: 10 } });
  });

  it('may be: once', () => {
    expect(exportOptions({ ...exporter, retry: { enabled: false, maxInterval: '1s' } })).toEqual({ retry: false });
  });
});
