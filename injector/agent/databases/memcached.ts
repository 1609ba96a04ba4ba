import type { Span } from '@opentelemetry/api';
import { MemcachedInstrumentation as Base } from '@opentelemetry/instrumentation-memcached';
import { HIT, noteSeveral } from '../caches/hit.ts';

/** A command of memcached, as it is about to be sent. */
interface Query {
  type?: string;
  multi?: boolean;
  /** As it is sent: `get a b`. */
  command?: string;
  callback?: (this: unknown, error?: unknown, value?: unknown, ...values: unknown[]) => unknown;
}
type Compiler = (this: unknown, ...values: unknown[]) => Query;
type WrapCompiler = (compiler: Compiler, client: unknown, server: unknown, context: unknown, span: Span) => Compiler;

/** Theirs, which does not say whether a key was there. */
export class MemcachedInstrumentation extends Base {}

const prototype = Base.prototype as unknown as { wrapQueryCompiler: WrapCompiler };
const wrapCompiler: WrapCompiler = function (this: unknown, compiler, client, server, context, span) {
  const compile = prototype.wrapQueryCompiler.call(this, compiler, client, server, context, span);
  return function (...values) {
    const query = compile.apply(this, values);
    const { callback } = query;
    if (callback === undefined || !/^gets?$/.test(query.type ?? '')) return query;
    query.callback = function (error, value, ...rest) {
      if (!error) noteValue(span, query, value);
      return callback.call(this, error, value, ...rest);
    };
    return query;
  };
};
Object.defineProperty(MemcachedInstrumentation.prototype, 'wrapQueryCompiler', { value: wrapCompiler });

function noteValue(span: Span, { multi, command = '' }: Query, value: unknown): void {
  if (!multi) span.setAttribute(HIT, value !== undefined && value !== false);
  else {
    const found = (Array.isArray(value) ? value : [value]).filter((each) => each !== undefined && each !== false);
    const hits = found.reduce((sum: number, each) => sum + Object.keys(each as object).length, 0);
    noteSeveral(span, hits, command.split(' ').length - 1);
  }
}
