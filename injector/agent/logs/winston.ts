import {
  InstrumentationBase,
  InstrumentationNodeModuleDefinition,
  InstrumentationNodeModuleFile,
} from '@opentelemetry/instrumentation';
import type { SpanContext } from '@opentelemetry/api';
import { severityOfName } from './severity.ts';
import { replaceMethod, traceFields, type LogLine, type LogTap, type TappedInstrumentation } from './tap.ts';

const FILE = 'winston/lib/winston/logger.js';
const LEVEL = Symbol.for('level');

type Info = Record<string | symbol, unknown>;
interface Transport {
  silent?: boolean;
  level?: string;
}
interface Logger {
  level: string;
  levels: Record<string, number>;
  transports: Transport[];
}
type Method = (this: Logger, ...values: unknown[]) => unknown;

/**
 * winston 3: a logger is a stream. What is written to it may wait there, so that the trace is looked up when it is
 * written; what it has made of that by the logger's own format, redaction included, it pushes on to its transports.
 * Before 3 there is no such place: the trace gets into lines, but lines are not sent.
 */
export class WinstonInstrumentation extends InstrumentationBase implements TappedInstrumentation {
  tap?: LogTap;

  constructor(config = {}) {
    super('tracing-operator/winston', '', config);
  }

  protected init() {
    const part = (versions: string[], patch: (exports: never, tap: LogTap) => void) =>
      new InstrumentationNodeModuleDefinition('winston', versions, undefined, undefined, [
        new InstrumentationNodeModuleFile(
          FILE,
          versions,
          (exports: unknown) => {
            if (this.tap) patch(exports as never, this.tap);
            return exports;
          },
          () => undefined,
        ),
      ]);
    return [
      part(['>=3 <4'], (exports: { prototype: object }, tap) => hook(exports.prototype, tap)),
      part(['>=1 <3'], (exports: { Logger: { prototype: object } }, tap) => hookOld(exports.Logger.prototype, tap)),
    ];
  }
}

function hook(prototype: object, tap: LogTap): void {
  const traces = new WeakMap<object, SpanContext>();
  let current: SpanContext | undefined;
  const write = (before: () => Method): Method =>
    function (...values) {
      const info = values[0];
      const trace = isObject(info) ? tap.trace() : undefined;
      if (isObject(info) && trace !== undefined) {
        if (tap.sends) traces.set(info, trace);
        if (tap.marks && info['trace_id'] === undefined) mark(info, trace);
      }
      return Reflect.apply(before(), this, values);
    };
  const transform = (before: () => Method): Method =>
    function (...values) {
      const outer = current;
      current = isObject(values[0]) ? traces.get(values[0]) : undefined;
      try {
        return Reflect.apply(before(), this, values);
      } finally {
        current = outer;
      }
    };
  const push = (before: () => Method): Method =>
    function (...values) {
      const info = values[0];
      if (isObject(info)) tap.tell(() => taken(this, info, current));
      return Reflect.apply(before(), this, values);
    };
  tap.add(replaceMethod(prototype, 'write', write));
  tap.add(replaceMethod(prototype, '_transform', transform));
  tap.add(replaceMethod(prototype, 'push', push));
}

function isObject(value: unknown): value is Info {
  return typeof value === 'object' && value !== null;
}

function mark(info: Info, trace: SpanContext): void {
  try {
    Object.assign(info, traceFields(trace));
  } catch {
    // A frozen object: winston itself will say so, in its own words.
  }
}

/** Undefined for what no transport takes. */
function taken(logger: Logger, info: Info, trace: SpanContext | undefined): LogLine | undefined {
  const level = String(info[LEVEL] ?? info['level']);
  const rank = logger.levels[level] ?? Infinity;
  const takes = ({ silent, level: own }: Transport): boolean =>
    !silent && (logger.levels[own ?? logger.level] ?? -1) >= rank;
  if (!logger.transports.some(takes)) return undefined;
  const { level: _level, message, timestamp: _timestamp, ...fields } = info as Record<string, unknown>;
  for (const key of Object.keys(fields).filter((name) => /^(trace_id|span_id|trace_flags)$/.test(name)))
    if (trace !== undefined && traceFields(trace)[key] === fields[key]) delete fields[key];
  return { library: 'winston', level, severity: severityOfName(level), body: message, fields, trace };
}

/** The trace goes into the meta data of a call, which is the last of what it is given but for a callback. */
function hookOld(prototype: object, tap: LogTap): void {
  const log = (before: () => Method): Method =>
    function (...values) {
      const trace = tap.marks ? tap.trace() : undefined;
      return Reflect.apply(before(), this, trace === undefined ? values : withMeta(values, traceFields(trace)));
    };
  tap.add(replaceMethod(prototype, 'log', log));
  tap.cannotSend('winston before 3');
}

function withMeta(values: unknown[], fields: Record<string, string>): unknown[] {
  const end = typeof values.at(-1) === 'function' ? values.length - 1 : values.length;
  const last = end > 1 ? values[end - 1] : undefined;
  if (!isObject(last)) return [...values.slice(0, end), fields, ...values.slice(end)];
  // What has a class of its own, such as an error, would not be the same any more.
  if (Object.getPrototypeOf(last) !== Object.prototype) return values;
  return [...values.slice(0, end - 1), { ...fields, ...last }, ...values.slice(end)];
}
