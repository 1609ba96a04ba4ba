import type { Attributes } from '@opentelemetry/api';

const TEXT_KEYS = ['db.query.text', 'db.statement'];
const SQL = /sql|mariadb|oracle|cassandra|db2|sqlite|cockroach|h2/;
// String literals (also dollar-quoted and, in MySQL, double-quoted ones) and numbers that are not part of a name or $1.
const LITERALS =
  /\$([A-Za-z_]\w*|)\$[\s\S]*?\$\1\$|'(?:[^'\\]|''|\\[\s\S])*'?|(?<![\w$.@:])-?(?:0x[0-9a-f]+|\d+(?:\.\d+)?(?:e[+-]?\d+)?)\b/gi;
const DOUBLE_QUOTED = /"(?:[^"\\]|""|\\[\s\S])*"?/g;

/** Replaces what an app wrote into an SQL statement by `?`: statements are shapes, not data. */
export function redactSql(statement: string, doubleQuotesAreStrings: boolean): string {
  const plain = doubleQuotesAreStrings ? statement.replace(DOUBLE_QUOTED, '?') : statement;
  return plain.replace(LITERALS, '?');
}

/** Whether a database, by its `db.system.name`, is asked in SQL. */
export function isSql(system: string): boolean {
  return SQL.test(system);
}

/** Redacts the statement of a finished span, whichever instrumentation recorded it. */
export function redactStatement(attributes: Attributes): void {
  for (const key of TEXT_KEYS) {
    const statement = attributes[key];
    if (typeof statement !== 'string') continue;
    const system = attributes['db.system.name'] ?? attributes['db.system'];
    if (typeof system !== 'string' || !isSql(system)) continue;
    attributes[key] = redactSql(statement, /mysql|mariadb/.test(system));
  }
}
