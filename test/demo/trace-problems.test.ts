import { describe, expect, it } from '@jest/globals';
import type { Span } from '../../cli/trace/span.ts';
import { traceProblems } from './trace-problems.ts';

const span = (spanId: string, parentSpanId?: string, startUs = 0, traceId = 'a1'): Span => ({
  traceId,
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

describe('traceProblems', () => {
  it('finds none in a whole trace', () => {
    expect(traceProblems([span('a'), span('b', 'a'), span('c', 'b')])).toEqual([]);
  });

  it.each<[string, Span[], string[]]>([
    ['nothing', [], ['there are no spans']],
    ['two trace ids', [span('a'), span('b', 'a', 0, 'a2')], ['there are 2 trace ids: a1, a2']],
    ['an orphan', [span('a'), span('b', 'x')], ['order "span b" (b) is an orphan: its parent x is not there']],
    ['two roots', [span('a'), span('b')], ['there are 2 root spans: order "span a" (a), order "span b" (b)']],
    ['a span twice', [span('a'), span('b', 'a'), span('b', 'a')], ['1 span ids occur more than once']],
  ])('names %s', (_what, spans, problems) => {
    expect(traceProblems(spans)).toEqual(problems);
  });
});
