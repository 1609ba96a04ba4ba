import { SpanStatusCode, type Span } from '@opentelemetry/api';
import { MongoDBInstrumentation as Base } from '@opentelemetry/instrumentation-mongodb';

// What is more than that of a list, or deeper in an object, says nothing new of its shape.
const MOST = 20;
const DEEPEST = 8;
const LONGEST = 2000;

/**
 * Theirs, but for texts of commands, which with driver 7 have a question mark for each byte of what is inserted, and for
 * writes that the server refuses in an answer that is a success otherwise.
 */
export class MongoDBInstrumentation extends Base {
  constructor(config = {}) {
    super({ ...config, dbStatementSerializer: textOf });
  }
}

/** A command, or the first of the documents that it inserts, without values. */
export function textOf(command: Record<string, unknown>): string {
  const inserted = (command['documents'] as { documents?: unknown } | undefined)?.documents;
  const shape = shapeOf(Array.isArray(inserted) ? (inserted[0] as unknown) : command, 0);
  // The only place where the collection is named: describe.ts reads it.
  if (Array.isArray(command['pipeline']) && typeof command['aggregate'] === 'string')
    (shape as Record<string, unknown>)['aggregate'] = command['aggregate'];
  const text = JSON.stringify(shape);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function shapeOf(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth === DEEPEST) return '?';
  if (Array.isArray(value)) return value.slice(0, MOST).map((each) => shapeOf(each, depth + 1));
  const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
  // Numbers, dates, ids and bytes are objects, too.
  if (!(value instanceof Map) && (!isPlain(value) || '_bsontype' in value)) return '?';
  return Object.fromEntries(entries.slice(0, MOST).map(([key, each]) => [key, shapeOf(each, depth + 1)]));
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Notes the server's code of an error, and of a write that it refused. */
function noteCode(span: Span, error: unknown, answer: unknown): void {
  const refused = error ? undefined : refusal(answer);
  if (refused !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
  const code = error instanceof Error ? (error as { code?: unknown }).code : refused;
  if (typeof code !== 'number') return;
  span.setAttribute('db.response.status_code', String(code)).setAttribute('error.type', String(code));
}

interface Answer {
  writeErrors?: { code?: unknown }[];
  /** Of one that is read when somebody asks. */
  get?(
    key: string,
    type: number,
  ): { get(index: number, type: number): { getNumber(key: string): unknown } | null } | null;
}
// https://bsonspec.org/spec.html
const [OBJECT, ARRAY] = [3, 4];

function refusal(answer: unknown): unknown {
  const { writeErrors, get } = (answer ?? {}) as Answer;
  if (Array.isArray(writeErrors)) return writeErrors[0]?.code;
  return get?.call(answer, 'writeErrors', ARRAY)?.get(0, OBJECT)?.getNumber('code');
}

type End = (this: unknown, error: unknown, answer?: unknown, ...values: unknown[]) => unknown;
type PatchEnd = (span: Span | undefined, ...values: unknown[]) => End;
const patchEnd = (Base.prototype as unknown as { _patchEnd: PatchEnd })._patchEnd;
const patchEndWithCode: PatchEnd = function (this: unknown, span, ...values) {
  const end = patchEnd.call(this, span, ...values);
  return function (error, answer, ...more) {
    if (span !== undefined) noteCode(span, error, answer);
    return end.call(this, error, answer, ...more);
  };
};
Object.defineProperty(MongoDBInstrumentation.prototype, '_patchEnd', { value: patchEndWithCode });
