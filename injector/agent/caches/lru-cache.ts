import { InstrumentationNodeModuleDefinition } from '@opentelemetry/instrumentation';
import { LocalCacheInstrumentation } from './local.ts';

interface Cache {
  get(key: unknown, options?: unknown): unknown;
  fetch?(key: unknown, options?: unknown): Promise<unknown>;
  peek(key: unknown, options?: unknown): unknown;
  fetchMethod?: unknown;
}
type CacheClass = { prototype: Cache };
type Exports = CacheClass & { LRUCache?: CacheClass; default?: CacheClass };

/** lru-cache, from both of its module systems: `get`, and `fetch` where it has a method to fetch with. */
export class LruCacheInstrumentation extends LocalCacheInstrumentation {
  constructor(config = {}) {
    super('lru-cache', config);
  }

  protected init() {
    return new InstrumentationNodeModuleDefinition(
      'lru-cache',
      ['>=5 <12'],
      (exports: Exports) => {
        const { prototype } = exports.LRUCache ?? exports.default ?? exports;
        const count = this.count.bind(this);
        this._wrap(
          prototype,
          'get',
          (get) =>
            function (this: Cache, key, options) {
              const value: unknown = get.call(this, key, options);
              if (value === undefined) count(0, 1);
              else count(1, 0);
              return value;
            },
        );
        if (prototype.fetch)
          this._wrap(
            prototype as Required<Cache>,
            'fetch',
            (fetch) =>
              function (this: Cache, key, options) {
                // Without one it is the same as `get`, which counts by itself.
                if (this.fetchMethod === undefined) return fetch.call(this, key, options);
                if (this.peek(key) === undefined) count(0, 1);
                else count(1, 0);
                return fetch.call(this, key, options);
              },
          );
        return exports;
      },
      (exports?: Exports) => {
        if (exports === undefined) return;
        const { prototype } = exports.LRUCache ?? exports.default ?? exports;
        this._unwrap(prototype, 'get');
        if (prototype.fetch) this._unwrap(prototype as Required<Cache>, 'fetch');
      },
    );
  }
}
