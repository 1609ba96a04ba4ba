import { describe, expect, it } from '@jest/globals';
import { redactSql, redactStatement } from './redact.ts';

describe('redactSql', () => {
  it.each([
    ["SELECT * FROM t1 WHERE name = 'O''Brien' AND n = 42", 'SELECT * FROM t1 WHERE name = ? AND n = ?'],
    ['SELECT a.b1, $1, $2 FROM t2 LIMIT 10', 'SELECT a.b1, $1, $2 FROM t2 LIMIT ?'],
    ["INSERT INTO x VALUES (-1.5, 0xFF, 1e9, 'a\\'b', NULL)", 'INSERT INTO x VALUES (?, ?, ?, ?, NULL)'],
    ['SELECT $tag$secret $1$tag$', 'SELECT ?'],
    ["SELECT 'cut off", 'SELECT ?'],
    ['SELECT "Column" FROM "Table"', 'SELECT "Column" FROM "Table"'],
    ['SELECT :id, @p1', 'SELECT :id, @p1'],
  ])('%s', (statement, expected) => expect(redactSql(statement, false)).toBe(expected));

  it('takes double quotes for strings where they are', () => {
    expect(redactSql('SELECT `a` FROM b WHERE c = "secret"', true)).toBe('SELECT `a` FROM b WHERE c = ?');
  });
});

it('touches SQL only', () => {
  const redis = { 'db.system.name': 'redis', 'db.query.text': 'GET item:7' };
  redactStatement(redis);
  expect(redis['db.query.text']).toBe('GET item:7');
  const old = { 'db.system': 'mysql', 'db.statement': 'SELECT "x"' };
  redactStatement(old);
  expect(old['db.statement']).toBe('SELECT ?');
});
