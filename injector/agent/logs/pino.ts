import {
  InstrumentationBase,
  InstrumentationNodeModuleDefinition,
  InstrumentationNodeModuleFile,
} from '@opentelemetry/instrumentation';
import { severityOfNumber } from './severity.ts';
import { replaceMethod, traceFields, type LogLine, type LogTap, type TappedInstrumentation } from './tap.ts';

const VERSIONS = ['>=5.14.0 <11'];
/** Longer lines are not taken apart. */
const LONGEST = 2 ** 20;

interface Logger {
  levels?: { labels: Record<number, string> };
  [key: symbol]: unknown;
}
type AsJson = (this: Logger, ...values: unknown[]) => string;

/**
 * All loggers of a copy of pino, those that are there already too, make their lines by one function of one prototype. What
 * it returns is the line as it is written, so that what the app has had redacted is redacted in ours.
 */
export class PinoInstrumentation extends InstrumentationBase implements TappedInstrumentation {
  tap?: LogTap;

  constructor(config = {}) {
    super('tracing-operator/pino', '', config);
  }

  protected init() {
    const file = new InstrumentationNodeModuleFile(
      'pino/lib/proto.js',
      VERSIONS,
      (exports: unknown) => {
        const made: unknown =
          typeof exports === 'function' ? Object.getPrototypeOf((exports as () => object)()) : exports;
        if (this.tap) hook(made as Logger, this.tap);
        return exports;
      },
      () => undefined,
    );
    return new InstrumentationNodeModuleDefinition('pino', VERSIONS, undefined, undefined, [file]);
  }
}

function hook(prototype: Logger, tap: LogTap): void {
  const symbol = Object.getOwnPropertySymbols(prototype).find(({ description }) => description === 'pino.asJson');
  if (symbol === undefined) throw new Error('pino has no function pino.asJson');
  const make = (before: () => AsJson): AsJson =>
    function asJson(...values) {
      const line = Reflect.apply(before(), this, values);
      const trace = tap.trace();
      tap.tell(() => taken(this, line, Number(values.at(-2)), trace));
      return tap.marks && trace !== undefined ? marked(line, JSON.stringify(traceFields(trace))) : line;
    };
  tap.add(replaceMethod(prototype, symbol, make));
}

/** A line with more fields at its end; one that names a trace already, or is no object, stays as it is. */
export function marked(line: string, fields: string): string {
  const end = line.lastIndexOf('}');
  if (end < 1 || !line.startsWith('{') || line.includes('"trace_id"')) return line;
  const comma = line.slice(0, end).trimEnd().endsWith('{') ? '' : ',';
  return `${line.slice(0, end)}${comma}${fields.slice(1, -1)}${line.slice(end)}`;
}

function taken(logger: Logger, line: string, level: number, trace: LogLine['trace']): LogLine {
  const label = logger.levels?.labels[level] ?? String(level);
  const result: LogLine = {
    library: 'pino',
    level: label,
    severity: severityOfNumber(level),
    body: line,
    fields: {},
    trace,
  };
  let fields: unknown;
  try {
    if (line.length <= LONGEST) fields = JSON.parse(line);
  } catch {
    // A formatter of the app's own: the line is what there is.
  }
  if (typeof fields !== 'object' || fields === null) return result;
  const { level: _level, time: _time, pid: _pid, hostname: _hostname, ...rest } = fields as Record<string, unknown>;
  const messageKey = setting(logger, 'pino.messageKey') ?? 'msg';
  const errorKey = setting(logger, 'pino.errorKey') ?? 'err';
  // The version of the format, up to pino 5.
  if (rest['v'] === 1) delete rest['v'];
  result.body = rest[messageKey];
  delete rest[messageKey];
  if (errorKey !== 'err' && rest['err'] === undefined && rest[errorKey] !== undefined) {
    rest['err'] = rest[errorKey];
    delete rest[errorKey];
  }
  result.fields = rest;
  return result;
}

/** A setting of a logger, which is at the logger itself or at the one that it is a child of. */
function setting(logger: Logger, name: string): string | undefined {
  for (let object: unknown = logger; object; object = Object.getPrototypeOf(object))
    for (const symbol of Object.getOwnPropertySymbols(object))
      if (symbol.description === name) return String((object as Logger)[symbol]);
  return undefined;
}
