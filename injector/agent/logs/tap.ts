import { context, isSpanContextValid, trace, type SpanContext } from '@opentelemetry/api';
import { failed } from '../report.ts';

/** A line that a library has written, as its hook (pino.ts, winston.ts, bunyan.ts) sees it. */
export interface LogLine {
  /** `pino`, `winston`, `bunyan`. */
  library: string;
  /** The library's own name of the level. */
  level: string;
  /** https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber; 0 where nobody knows. */
  severity: number;
  /** What was said. */
  body: unknown;
  /** All else in the line: the app's own objects, which may be anything. */
  fields: Record<string, unknown>;
  trace: SpanContext | undefined;
}

/** Installs or removes what a hook does to its library; `before` is back when nothing is wanted. */
export type SwitchHook = (wanted: boolean) => void;

/** What one of the log libraries' instrumentations has. */
export interface TappedInstrumentation {
  tap?: LogTap;
}

/**
 * Between the log libraries and whatever is wanted of their lines at the moment: the trace in them, a copy of them, or
 * nothing, which is when the libraries run as they came. A hook calls `trace` and `tell` for each line, and whatever
 * happens in there, the line goes on.
 */
export class LogTap {
  /** Lines get the trace that they belong to. */
  marks = false;
  private readonly hooks: SwitchHook[] = [];
  /** Libraries whose lines cannot be sent. */
  readonly unsent = new Set<string>();
  private readonly quiet: () => boolean;
  private readonly onUnsent: () => void;
  private sink: ((line: LogLine) => void) | undefined;
  private wanted = false;
  private busy = false;

  /** `quiet` says whether what happens just now is our own work. */
  constructor(quiet: () => boolean, onUnsent: () => void) {
    this.quiet = quiet;
    this.onUnsent = onUnsent;
  }

  /** A library was loaded whose lines cannot be sent, for people: `winston before 3`. */
  cannotSend(library: string): void {
    this.unsent.add(library);
    this.onUnsent();
  }

  /** Whether somebody takes copies of lines. */
  get sends(): boolean {
    return this.sink !== undefined;
  }

  set(marks: boolean, sink: ((line: LogLine) => void) | undefined): void {
    this.marks = marks;
    this.sink = sink;
    const wanted = marks || sink !== undefined;
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    for (const hook of this.hooks) this.attempt(() => hook(wanted));
  }

  /** A library was loaded. */
  add(hook: SwitchHook): void {
    this.hooks.push(hook);
    if (this.wanted) this.attempt(() => hook(true));
  }

  /** The trace that whatever is said now belongs to. */
  trace(): SpanContext | undefined {
    const span = trace.getSpan(context.active())?.spanContext();
    return span !== undefined && isSpanContextValid(span) ? span : undefined;
  }

  /** Has a line sent, if lines are. What describes it is asked for only then. */
  tell(line: () => LogLine | undefined): void {
    // Whoever reads the app's objects may come by code that says something again.
    if (this.sink === undefined || this.busy || this.quiet()) return;
    this.busy = true;
    try {
      const found = line();
      if (found) this.sink(found);
    } catch (error) {
      failed('a log record could not be taken', error);
    } finally {
      this.busy = false;
    }
  }

  private attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      failed('a log library could not be instrumented', error);
    }
  }
}

/** A method of a prototype, replaced while it is wanted; `before` gives what ours has to pass on to. */
export function replaceMethod<F>(target: object, name: string | symbol, make: (before: () => F) => F): SwitchHook {
  let before = Reflect.get(target, name) as F;
  const ours = make(() => before);
  const define = (value: F): void => {
    const { enumerable = false } = Object.getOwnPropertyDescriptor(target, name) ?? {};
    Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable });
  };
  let covered = false;
  return (wanted) => {
    const current = Reflect.get(target, name) as F;
    if (!wanted) {
      // Somebody may have wrapped ours: theirs stays, and ours below it passes everything on.
      if (current === ours) define(before);
      else covered = true;
    } else if (!covered) {
      before = current;
      define(ours);
    }
  };
}

/** As the OpenTelemetry contrib instrumentations write it into lines. */
export function traceFields({ traceId, spanId, traceFlags }: SpanContext): Record<string, string> {
  return { trace_id: traceId, span_id: spanId, trace_flags: traceFlags.toString(16).padStart(2, '0') };
}
