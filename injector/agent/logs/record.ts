import { attributes, begin, close, id, number, open, text, time, value, word, written } from '../wire.ts';
import { toHrTime } from '../span.ts';
import type { LogLine } from './tap.ts';

/** Characters. */
const LONGEST_TEXT = 2 ** 16;
const MOST_FIELDS = 128;
const MOST_VALUES = 2048;
const DEEPEST = 8;

/** A field of OTLP's ScopeLogs: the record with its tag and length, valid until the next call. */
export function encodeRecord(line: LogLine, millis: number): Buffer {
  const fields = plainFields(line);
  const names = Object.keys(fields);
  for (const name of names.slice(MOST_FIELDS)) delete fields[name];
  const body = new Plain().value(line.body, 0);
  const now = toHrTime(millis);
  begin();
  const start = open(0x12);
  time(0x09, now);
  if (line.severity > 0) number(0x10, line.severity);
  if (line.level) text(0x1a, line.level);
  if (body !== undefined) {
    const inner = open(0x2a);
    value(body);
    close(inner);
  }
  attributes(0x32, fields);
  number(0x38, Math.max(0, names.length - MOST_FIELDS));
  if (line.trace) {
    if (line.trace.traceFlags) word(0x45, line.trace.traceFlags);
    id(0x4a, line.trace.traceId);
    id(0x52, line.trace.spanId);
  }
  time(0x59, now);
  close(start);
  return written();
}

/** What a line says besides its message, its error in the words of the semantic conventions. */
function plainFields({ fields, body }: LogLine): Record<string, unknown> {
  const result = new Plain().object(fields, 0);
  const { err } = result;
  if (typeof err === 'object' && err !== null) {
    const { type, name, message, stack, ...more } = err as Record<string, unknown>;
    if (typeof stack === 'string') {
      delete result['err'];
      note(result, type ?? name, message, stack);
      if (Object.keys(more).length > 0) result['err'] = more;
    }
  } else if (typeof result['stack'] === 'string') {
    const { type, name, stack } = result;
    delete result['stack'];
    note(result, type ?? name, body, stack);
  }
  return result;
}

function note(result: Record<string, unknown>, type: unknown, message: unknown, stack: unknown): void {
  if (typeof type === 'string') result['exception.type'] = type;
  if (typeof message === 'string') result['exception.message'] = message;
  result['exception.stacktrace'] = stack;
}

/** Copies an app's own objects as what OTLP can say: bounded, without cycles, and as JSON would show them. */
class Plain {
  private left = MOST_VALUES;

  value(found: unknown, depth: number): unknown {
    switch (typeof found) {
      case 'string':
        return cut(found);
      case 'number':
      case 'boolean':
        return found;
      case 'bigint':
        return String(found);
      case 'object':
        return found === null ? null : this.thing(found, depth);
      case 'function':
      case 'symbol':
      case 'undefined':
        return undefined;
    }
  }

  object(found: object, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const name of Object.keys(found)) {
      if (this.left-- <= 0) break;
      const content = this.value((found as Record<string, unknown>)[name], depth + 1);
      if (content !== undefined) result[name] = content;
    }
    return result;
  }

  private thing(found: object, depth: number): unknown {
    if (depth >= DEEPEST || this.left <= 0) return '…';
    if (found instanceof Uint8Array) return found.subarray(0, LONGEST_TEXT);
    if (found instanceof Error) {
      const { name, message, stack } = found;
      return {
        type: name,
        message: cut(message),
        ...(stack !== undefined && { stack: cut(stack) }),
        ...this.object(found, depth),
      };
    }
    const { toJSON } = found as { toJSON?: unknown };
    if (typeof toJSON === 'function') return this.value((toJSON as () => unknown).call(found), depth + 1);
    if (!Array.isArray(found)) return this.object(found, depth);
    this.left -= Math.min(found.length, MOST_FIELDS);
    return found.slice(0, MOST_FIELDS).map((item) => this.value(item, depth + 1) ?? null);
  }
}

function cut(found: string): string {
  return found.length > LONGEST_TEXT ? `${found.slice(0, LONGEST_TEXT)}…` : found;
}
