import { describe, expect, it } from '@jest/globals';
import { SpanRing } from './span-ring.ts';
import type { RecordingSpan } from './span.ts';

const span = (name: number) => ({ name }) as unknown as RecordingSpan;
const names = (spans: RecordingSpan[]) => spans.map((each) => each.name as unknown as number);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('SpanRing', () => {
  it.each([1, 2, 63, 64, 65, 200])('of %i keeps the newest in their order', (limit) => {
    const ring = new SpanRing(limit);
    const kept = range(0, 500).map((i) => ring.push(span(i)));
    expect(kept).toEqual(range(0, 500).map((i) => i < limit));
    expect(names(ring.take(1000))).toEqual(range(500 - limit, 500));
    expect([ring.size, ring.take(10)]).toEqual([0, []]);
  });

  it('does what a plain list does, however it is filled and emptied', () => {
    const ring = new SpanRing(150);
    let plain: number[] = [];
    let next = 0;
    for (const [pushed, taken] of [
      [10, 3],
      [100, 50],
      [120, 1],
      [400, 149],
      [1, 5],
      [70, 60],
      [300, 150],
    ] as const) {
      for (const i of range(next, next + pushed)) {
        ring.push(span(i));
        plain.push(i);
      }
      next += pushed;
      plain = plain.slice(-150);
      expect(names(ring.take(taken))).toEqual(plain.splice(0, taken));
      expect(ring.size).toBe(plain.length);
    }
  });
});
