import { describe, expect, it } from '@jest/globals';
import { childSpan, sampleSpan } from './sample-span.ts';
import { spanTree } from './span.ts';

describe('spanTree', () => {
  it('puts children under their parents, earliest first', () => {
    const [root, ...others] = spanTree([
      childSpan('c', 'a', { startUs: 3 }),
      childSpan('b', 'a', { startUs: 2 }),
      childSpan('d', 'b', { startUs: 4 }),
      sampleSpan('a', { startUs: 1 }),
    ]);
    expect(others).toEqual([]);
    expect(root?.span.spanId).toBe('a');
    expect(root?.children.map((child) => child.span.spanId)).toEqual(['b', 'c']);
    expect(root?.children[0]?.children.map((child) => child.span.spanId)).toEqual(['d']);
  });
});
