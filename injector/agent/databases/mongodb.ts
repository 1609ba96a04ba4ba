import { SpanKind, SpanStatusCode, context, trace, type Span } from '@opentelemetry/api';
import { InstrumentationNodeModuleFile } from '@opentelemetry/instrumentation';
import { MongoDBInstrumentation as Base } from '@opentelemetry/instrumentation-mongodb';

// What is more than that of a list, or deeper in an object, says nothing new of its shape.
const MOST = 20;
const DEEPEST = 8;
const LONGEST = 2000;

/** Errors that the span of a command has, or that of a call. */
const recorded = new WeakSet<object>();

interface Operation {
  commandName?: string;
  ns?: { db?: string; collection?: string };
  /** Of an aggregation, whose `ns` has no collection. */
  target?: unknown;
}
interface Client {
  options?: { hosts?: { host?: string; port?: number }[] };
}
type Execute = (this: unknown, client: Client, operation: Operation, ...rest: unknown[]) => Promise<unknown>;

/**
 * Theirs, but for texts of commands, which with driver 7 have a question mark for each byte of what is inserted; for
 * writes that the server refuses in an answer that is a success otherwise; and for calls that found no server to send a
 * command to, for which theirs makes no span.
 */
export class MongoDBInstrumentation extends Base {
  constructor(config = {}) {
    super({ ...config, dbStatementSerializer: textOf });
  }

  override init() {
    const definitions = super.init();
    const file = new InstrumentationNodeModuleFile(
      'mongodb/lib/operations/execute_operation.js',
      ['>=6 <8'],
      (exports: { executeOperation: Execute }) => {
        this._wrap(exports, 'executeOperation', (execute) => this.watched(execute));
        return exports;
      },
      (exports?: { executeOperation: Execute }) => {
        if (exports !== undefined) this._unwrap(exports, 'executeOperation');
      },
    );
    definitions.at(-1)?.files.push(file);
    return definitions;
  }

  private watched(execute: Execute): Execute {
    const fail = this.noteUnsent.bind(this);
    return async function (client, operation, ...rest) {
      const caller = context.active();
      const startTime = performance.now();
      try {
        return await execute.call(this, client, operation, ...rest);
      } catch (error) {
        // As for commands: nothing outside of a trace.
        if (trace.getSpan(caller) !== undefined && isUnsent(error))
          context.with(caller, fail, undefined, error, operation, client, startTime);
        throw error;
      }
    };
  }

  private noteUnsent(error: Error, { commandName, ns, target }: Operation, client: Client, startTime: number): void {
    recorded.add(error);
    const collection = ns?.collection === '$cmd' ? target : ns?.collection;
    const [server, another] = client.options?.hosts ?? [];
    const name = [commandName, collection].filter((each) => typeof each === 'string').join(' ');
    const span = this.tracer.startSpan(name || 'mongodb', {
      kind: SpanKind.CLIENT,
      startTime,
      attributes: {
        'db.system.name': 'mongodb',
        'db.namespace': ns?.db,
        'db.operation.name': commandName,
        'db.collection.name': typeof collection === 'string' ? collection : undefined,
        // Of several, it is none in particular that did not answer.
        ...(another === undefined && { 'server.address': server?.host, 'server.port': server?.port }),
        'error.type': error.name,
      },
    });
    span.recordException(error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    span.end();
  }
}

/** Whether an error of the driver says that no server could be asked, and no command's own span has it. */
function isUnsent(error: unknown): error is Error {
  return error instanceof Error && /^Mongo.*(Selection|Network|Pool|Timeout)/.test(error.name) && !recorded.has(error);
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

/** Notes an error, with the server's code, and a write that it refused. */
function noteError(span: Span, error: unknown, answer: unknown): void {
  if (error instanceof Error) {
    recorded.add(error);
    span.recordException(error);
  }
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
const patchEndWithError: PatchEnd = function (this: unknown, span, ...values) {
  const end = patchEnd.call(this, span, ...values);
  return function (error, answer, ...more) {
    if (span !== undefined) noteError(span, error, answer);
    return end.call(this, error, answer, ...more);
  };
};
Object.defineProperty(MongoDBInstrumentation.prototype, '_patchEnd', { value: patchEndWithError });
