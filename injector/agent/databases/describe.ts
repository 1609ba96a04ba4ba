import { SpanStatusCode } from '@opentelemetry/api';
import { isSql } from '../redact.ts';
import { INSTRUMENTATION, type RecordingSpan } from '../span.ts';

const NAME = '((?:["`[]?[\\w$]+["`\\]]?\\.)*["`[]?[\\w$]+["`\\]]?)';
const WORD = /[a-z]+/iy;
const ONLY = '(?:only\\s+)?';
/** Where a statement says which table it is about; what is in parentheses is about something else. */
const TARGETS: Record<string, RegExp> = {
  SELECT: new RegExp(`[()]|\\bfrom\\s+${ONLY}${NAME}`, 'gi'),
  DELETE: new RegExp(`[()]|\\bfrom\\s+${ONLY}${NAME}`, 'gi'),
  INSERT: new RegExp(`[()]|\\binto\\s+${NAME}`, 'gi'),
  REPLACE: new RegExp(`[()]|\\binto\\s+${NAME}`, 'gi'),
  MERGE: new RegExp(`[()]|\\binto\\s+${NAME}`, 'gi'),
  UPDATE: new RegExp(`[()]|\\bupdate\\s+${ONLY}${NAME}`, 'gi'),
  CALL: new RegExp(`[()]|\\bcall\\s+${NAME}`, 'gi'),
};
for (const verb of ['CREATE', 'ALTER', 'DROP', 'TRUNCATE'])
  TARGETS[verb] = new RegExp(`[()]|\\btable\\s+(?:if\\s+(?:not\\s+)?exists\\s+)?${NAME}`, 'gi');
const LONGEST = 255;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/**
 * What a statement does, and to which table first: `SELECT items`, `BEGIN`. Undefined where that cannot be seen.
 * https://opentelemetry.io/docs/specs/semconv/database/database-spans/#generating-a-summary-of-the-query
 */
export function summaryOf(statement: string): string | undefined {
  WORD.lastIndex = beginning(statement);
  const verb = WORD.exec(statement)?.[0].toUpperCase();
  if (verb === undefined) return undefined;
  const target = TARGETS[verb] && targetOf(statement, TARGETS[verb], WORD.lastIndex - verb.length);
  return (target === undefined ? verb : `${verb} ${target}`).slice(0, LONGEST);
}

/** Where a statement begins, after comments. */
function beginning(statement: string): number {
  for (let at = 0; ;) {
    while (/[\s(]/.test(statement.charAt(at))) at += 1;
    const end = statement.startsWith('--', at) ? '\n' : statement.startsWith('/*', at) ? '*/' : undefined;
    if (end === undefined) return at;
    const found = statement.indexOf(end, at);
    if (found === -1) return statement.length;
    at = found + end.length;
  }
}

function targetOf(statement: string, pattern: RegExp, from: number): string | undefined {
  pattern.lastIndex = from;
  let depth = 0;
  for (let match; (match = pattern.exec(statement)) !== null;) {
    if (match[0] === '(') depth += 1;
    else if (match[0] === ')') depth -= 1;
    else if (depth === 0) return match[1]?.replace(/["`[\]]/g, '');
  }
  return undefined;
}

export type DescribeCall = (span: RecordingSpan) => void;

/** Gives a finished span of a database the name and the error code of the semantic conventions, where its library has others. */
export function describeCall(span: RecordingSpan): void {
  const { attributes, status } = span;
  const system = attributes['db.system.name'];
  if (typeof system !== 'string' || !INSTRUMENTATION.test(span.instrumentationScope.name)) return;
  const sql = isSql(system);
  const text = attributes['db.query.text'];
  // An aggregation says in the command itself what it is about.
  if (attributes['db.collection.name'] === '$cmd') {
    const collection = /^\{"aggregate":"([^"?]+)"/.exec(String(text))?.[1];
    if (collection) span.name = `aggregate ${(attributes['db.collection.name'] = collection)}`;
  }
  const summary = sql && typeof text === 'string' ? summaryOf(text) : undefined;
  if (summary === undefined) span.name = span.name.replace(/^(redis-|memcached )/, '');
  else span.name = attributes['db.query.summary'] = summary;
  if (status.code !== SpanStatusCode.ERROR) return;
  // What Redis puts before its messages.
  const prefix = system === 'redis' ? /^[A-Z]{2,}(?= )/.exec(status.message ?? '')?.[0] : undefined;
  const code = prefix ?? codeOf(span);
  if (code === undefined) return;
  attributes['error.type'] ??= code;
  if (prefix !== undefined || (sql && SQLSTATE.test(code))) attributes['db.response.status_code'] ??= code;
}

/** What a library has put into its exception: a code of the server, or one of Node, or the name of a class. */
function codeOf({ events }: RecordingSpan): string | undefined {
  for (const { attributes } of events) {
    const [type, message] = [attributes?.['exception.type'], attributes?.['exception.message']];
    const code = /\(code: (\w+)\)/.exec(String(message))?.[1] ?? type;
    if (typeof code === 'string') return code;
  }
  return undefined;
}
