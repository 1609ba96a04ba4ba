import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeText } from './encode.ts';
import { decodeTraces } from './export/decode.ts';
import { SpanLog, type Batch } from './span-log.ts';

const MEGABYTE = 2 ** 20;
const SCOPES = [{ name: 'one' }, { name: 'two', version: '2.0.0', schemaUrl: 'https://schemas.test/2' }];

/** A span that has a name and nothing else; `padding` makes it longer. */
function span(name: string, padding = 0): Buffer {
  const content = encodeText(0x2a, name.padEnd(padding));
  const length = encodeText(0x12, ' '.repeat(content.length)).subarray(0, -content.length || undefined);
  return Buffer.concat([length, content]);
}

const names = ({ body }: Batch): string[] =>
  decodeTraces(body).resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name.trim())),
  );

describe('SpanLog', () => {
  it('is a queue that loses its oldest, however it is filled and emptied', () => {
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 0, max: 40_000 }) }),
      fc.record({ take: fc.integer({ min: 1, max: 12 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 10 }), (steps, limit) => {
        const log = new SpanLog(limit);
        const model: string[] = [];
        let next = 0;
        for (const action of steps) {
          if ('push' in action) {
            model.push(String(next));
            const expected = model.length > limit ? 1 : 0;
            if (expected === 1) model.shift();
            expect(log.push(span(String(next++), action.push), SCOPES[0]!)).toBe(expected);
          } else if (log.size > 0) {
            const batch = log.take(action.take, {});
            expect(names(batch)).toEqual(model.splice(0, action.take));
          }
          expect(log.size).toBe(model.length);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('groups spans by scope, under the resource of the moment', () => {
    const log = new SpanLog(10);
    for (const [index, name] of ['a', 'b', 'c'].entries()) log.push(span(name), SCOPES[index % 2]!);
    expect(decodeTraces(log.take(10, { 'service.name': 'shop' }).body)).toEqual({
      resourceSpans: [
        {
          resource: {
            attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }],
            droppedAttributesCount: 0,
          },
          scopeSpans: [
            { scope: { name: 'one' }, spans: [{ name: 'a' }, { name: 'c' }] },
            {
              scope: { name: 'two', version: '2.0.0' },
              spans: [{ name: 'b' }],
              schemaUrl: 'https://schemas.test/2',
            },
          ],
        },
      ],
    });
  });

  it('holds no more than 16 MB, and batches are no larger than receivers take', () => {
    const log = new SpanLog(100);
    let lost = 0;
    for (let i = 0; i < 20; i++) lost += log.push(span(String(i), MEGABYTE), SCOPES[0]!);
    expect([lost, log.size]).toEqual([5, 15]);
    expect(log.push(span('too long', 17 * MEGABYTE), SCOPES[0]!)).toBe(1);
    expect(log.isFull(100)).toBe(true);
    const batch = log.take(100, {});
    expect(batch.count).toBe(3);
    expect(batch.body.length).toBeLessThan(4 * MEGABYTE);
    expect(names(batch)).toEqual(['5', '6', '7']);
    log.push(span('long', 8 * MEGABYTE), SCOPES[0]!);
    while (log.size > 1) log.take(100, {});
    expect(names(log.take(100, {}))).toEqual(['long']);
  });

  it.each([1, 300, 20_000])('says which trace a batch is of, by the first of its spans, be that %i long', (length) => {
    const id = '4bf92f3577b34da6a3ce929d0e0e4736';
    const content = Buffer.concat([
      Buffer.from([0x0a, 16]),
      Buffer.from(id, 'hex'),
      encodeText(0x2a, ' '.repeat(length)),
    ]);
    const log = new SpanLog(10);
    const head = encodeText(0x12, ' '.repeat(content.length)).subarray(0, -content.length);
    log.push(Buffer.concat([head, content]), SCOPES[0]!);
    log.push(span('another'), SCOPES[0]!);
    expect(log.take(10, {})).toMatchObject({ count: 2, trace: id });
  });
});
