import { describe, expect, it } from '@jest/globals';
import { SpanKind, SpanStatusCode, type Attributes, type Exception } from '@opentelemetry/api';
import { describeCall, summaryOf } from './describe.ts';
import { RecordingSpan } from '../span.ts';

describe('the summary of a statement', () => {
  it.each([
    ['SELECT name FROM items WHERE id = $1', 'SELECT items'],
    ['select 1', 'SELECT'],
    ['  /* shop */ -- first\n SELECT * FROM ONLY "Shop"."Items" i', 'SELECT Shop.Items'],
    ['SELECT EXTRACT(epoch FROM made), (SELECT max(id) FROM other) FROM orders', 'SELECT orders'],
    ['SELECT * FROM (SELECT id FROM items) x', 'SELECT'],
    ['(SELECT id FROM items) UNION (SELECT id FROM orders)', 'SELECT items'],
    ['SELECT * FROM generate_series(?, ?)', 'SELECT generate_series'],
    ['insert into items (id) values (?)', 'INSERT items'],
    ['INSERT INTO `shop`.`items` SELECT * FROM others', 'INSERT shop.items'],
    ['UPDATE items SET name = ?', 'UPDATE items'],
    ['DELETE FROM [dbo].[items]', 'DELETE dbo.items'],
    ['CREATE TABLE IF NOT EXISTS items (id int)', 'CREATE items'],
    ['CREATE INDEX by_name ON items (name)', 'CREATE'],
    ['CALL settle(?)', 'CALL settle'],
    ['BEGIN', 'BEGIN'],
    ['COMMIT;', 'COMMIT'],
    ['WITH best AS (SELECT 1) SELECT * FROM best', 'WITH'],
    ['/* not closed', undefined],
    ['', undefined],
  ])('%s', (statement, summary) => expect(summaryOf(statement)).toBe(summary));

  it('is quick with whatever an app may say', () => {
    const begun = performance.now();
    summaryOf('/*'.repeat(500_000));
    summaryOf('/**/'.repeat(250_000) + '9');
    summaryOf(`SELECT ${'('.repeat(500_000)}`);
    summaryOf(`SELECT ${'from '.repeat(200_000)}`);
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});

describe('a call of a database', () => {
  const called = (name: string, scope: string, attributes: Attributes, failed?: [Exception, string]): RecordingSpan => {
    const sink = {
      limits: { attributes: 128, valueLength: Infinity, events: 128, links: 128 },
      begun() {},
      finished() {},
    };
    const identity = { traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: 1 };
    const span = new RecordingSpan(sink, { name: scope }, name, SpanKind.CLIENT, identity, undefined, 0, undefined);
    span.setAttributes(attributes);
    if (failed) {
      span.recordException(failed[0]);
      span.setStatus({ code: SpanStatusCode.ERROR, message: failed[1] });
    }
    describeCall(span);
    return span;
  };
  const PG = '@opentelemetry/instrumentation-pg';
  const query = { 'db.system.name': 'postgresql', 'db.query.text': 'SELECT * FROM items' };

  it('has its summary as its name', () => {
    expect(called('pg.query:SELECT shop', PG, query)).toMatchObject({
      name: 'SELECT items',
      attributes: { 'db.query.summary': 'SELECT items' },
    });
    expect(called('pg.connect', PG, { 'db.system.name': 'postgresql' }).name).toBe('pg.connect');
    expect(called('redis-GET', '@opentelemetry/instrumentation-redis', { 'db.system.name': 'redis' }).name).toBe('GET');
  });

  it('keeps a name that the app itself gave', () => {
    expect(called('find items', 'shop', query).name).toBe('find items');
  });

  it('has the code of its error', () => {
    const sanitized = "PostgreSQL error of type 'error' occurred (code: 23505)";
    expect(called('q', PG, query, [sanitized, 'duplicate key']).attributes).toMatchObject({
      'db.response.status_code': '23505',
      'error.type': '23505',
    });
    const knex = { code: '42P01', name: 'error', message: 'no such table' };
    expect(called('q', PG, query, [knex, 'm']).attributes).toMatchObject({ 'db.response.status_code': '42P01' });
    const refused = "PostgreSQL error of type 'Error' occurred (code: ECONNREFUSED)";
    expect(called('q', PG, query, [refused, 'm']).attributes).not.toHaveProperty('db.response.status_code');
    const wrong = 'WRONGTYPE Operation against a key holding the wrong kind of value';
    const redis = called('get', '@opentelemetry/instrumentation-ioredis', { 'db.system.name': 'redis' }, [
      wrong,
      wrong,
    ]);
    expect(redis.attributes).toMatchObject({ 'db.response.status_code': 'WRONGTYPE', 'error.type': 'WRONGTYPE' });
  });
});
