import { InstrumentationNodeModuleDefinition } from '@opentelemetry/instrumentation';
import { LocalCacheInstrumentation } from './local.ts';

interface Cache {
  get(...values: unknown[]): unknown;
  mget(keys: unknown, ...values: unknown[]): unknown;
}
type Exports = { prototype: Cache };

/** node-cache: `get` and `mget`, which each cache binds to itself when it is made. */
export class NodeCacheInstrumentation extends LocalCacheInstrumentation {
  constructor(config = {}) {
    super('node-cache', config);
  }

  protected init() {
    return new InstrumentationNodeModuleDefinition(
      'node-cache',
      ['>=4 <6'],
      (exports: Exports) => {
        const count = this.count.bind(this);
        this._wrap(
          exports.prototype,
          'get',
          (get) =>
            function (this: Cache, ...values) {
              const value: unknown = get.apply(this, values);
              if (value === undefined) count(0, 1);
              else count(1, 0);
              return value;
            },
        );
        this._wrap(
          exports.prototype,
          'mget',
          (mget) =>
            function (this: Cache, ...values) {
              const found: unknown = mget.apply(this, values);
              const [keys] = values;
              if (Array.isArray(keys) && typeof found === 'object' && found !== null) {
                const hits = Object.keys(found).length;
                count(hits, new Set(keys).size - hits);
              }
              return found;
            },
        );
        return exports;
      },
      (exports?: Exports) => {
        if (exports === undefined) return;
        this._unwrap(exports.prototype, 'get');
        this._unwrap(exports.prototype, 'mget');
      },
    );
  }
}
