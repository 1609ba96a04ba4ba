import { describe, expect, it } from '@jest/globals';
import { spanTree } from './span.ts';
import type { Span } from './span.ts';

const span = (spanId: string, parentSpanId?: string, startUs = 0): Span => ({
  traceId: 'a1',
  spanId,
  ...(parentSpanId === undefined ? {} : { parentSpanId }),
  service: 'order',
  name: `span ${spanId}`,
  kind: 'internal',
  startUs,
  durationUs: 1,
  attributes: {},
  resource: {},
});

describe('spanTree', () => {
  it('puts children under their parents, earliest first', () => {
    const [root, ...others] = spanTree([
      span('c', 'a', 3),
      span('b', 'a', 2),
      span('d', 'b', 4),
      span('a', undefined, 1),
    ]);
    expect(others).toEqual([]);
    expect(root?.span.spanId).toBe('a');
    expect(root?.children.map((child) => child.span.spanId)).toEqual(['b', 'c']);
    expect(root?.children[0]?.children.map((child) => child.span.spanId)).toEqual(['d']);
  });
});
