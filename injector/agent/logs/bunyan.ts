import { InstrumentationBase, InstrumentationNodeModuleDefinition } from '@opentelemetry/instrumentation';
import { severityOfNumber } from './severity.ts';
import { replaceMethod, traceFields, type LogLine, type LogTap, type TappedInstrumentation } from './tap.ts';

const LEVELS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };

type Record_ = Record<string, unknown> & { level: number };
interface Logger {
  streams: { level: number }[];
}
type Emit = (this: Logger, record: Record_, noEmit?: boolean) => unknown;

/** All loggers write what they have made of a call (serializers included) by one method of their prototype. */
export class BunyanInstrumentation extends InstrumentationBase implements TappedInstrumentation {
  tap?: LogTap;

  constructor(config = {}) {
    super('tracing-operator/bunyan', '', config);
  }

  protected init() {
    return new InstrumentationNodeModuleDefinition('bunyan', ['>=1.0.0 <2'], (exports: unknown) => {
      if (this.tap) hook((exports as { prototype: { _emit: Emit } }).prototype, this.tap);
      return exports;
    });
  }
}

function hook(prototype: { _emit: Emit }, tap: LogTap): void {
  const make = (before: () => Emit): Emit =>
    function _emit(record, noEmit) {
      const trace = tap.trace();
      if (!noEmit && this.streams.some(({ level }) => level <= record.level)) tap.tell(() => taken(record, trace));
      if (tap.marks && trace !== undefined && record['trace_id'] === undefined)
        Object.assign(record, traceFields(trace));
      return before().call(this, record, noEmit);
    };
  tap.add(replaceMethod(prototype, '_emit', make));
}

function taken(record: Record_, trace: LogLine['trace']): LogLine {
  const { level, msg, time: _time, pid: _pid, hostname: _hostname, v: _v, ...fields } = record;
  return {
    library: 'bunyan',
    level: LEVELS[level] ?? String(level),
    severity: severityOfNumber(level),
    body: msg,
    fields,
    trace,
  };
}
