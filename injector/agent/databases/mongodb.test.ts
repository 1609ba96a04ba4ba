import { describe, expect, it } from '@jest/globals';
import { textOf } from './mongodb.ts';

describe('the text of a MongoDB command', () => {
  it.each<[string, Record<string, unknown>, string]>([
    [
      'a value',
      { find: 'items', filter: { name: 'secret', n: { $gt: 4 } } },
      '{"find":"?","filter":{"name":"?","n":{"$gt":"?"}}}',
    ],
    ['a document', { _id: 7, name: 'secret' }, '{"_id":"?","name":"?"}'],
    ['a date and bytes', { at: new Date(), data: Buffer.from('secret') }, '{"at":"?","data":"?"}'],
    ['an id', { _id: { _bsontype: 'ObjectId', id: 'secret' } }, '{"_id":"?"}'],
    ['an order', { sort: new Map([['name', 1]]) }, '{"sort":{"name":"?"}}'],
    ['what driver 7 inserts', { insert: 'items', documents: { documents: [{ name: 'secret' }] } }, '{"name":"?"}'],
    [
      'an aggregation',
      { aggregate: 'items', pipeline: [{ $match: { a: 1 } }] },
      '{"aggregate":"items","pipeline":[{"$match":{"a":"?"}}]}',
    ],
    ['a document with such a field', { aggregate: 'secret' }, '{"aggregate":"?"}'],
  ])('%s', (_name, command, text) => expect(textOf(command)).toBe(text));

  it('has an end', () => {
    const endless: Record<string, unknown> = {};
    endless['again'] = endless;
    expect(textOf(endless).length).toBeLessThan(200);
    const long = textOf({ $in: Array.from({ length: 100_000 }, (_, i) => ({ [`key${i}`]: i })) });
    expect(long.length).toBeLessThan(1000);
    const wide = textOf(Object.fromEntries(Array.from({ length: 30 }, (_, i) => ['k'.repeat(200) + i, i])));
    expect(wide).toMatch(/^.{2000}…$/);
  });
});
