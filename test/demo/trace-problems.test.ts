import { describe, expect, it } from '@jest/globals';
import { childSpan, sampleSpan } from '../../cli/trace/sample-span.ts';
import type { Span } from '../../cli/trace/span.ts';
import { traceProblems } from './trace-problems.ts';

describe('traceProblems', () => {
  it('finds none in a whole trace', () => {
    expect(traceProblems([sampleSpan('a'), childSpan('b', 'a'), childSpan('c', 'b')])).toEqual([]);
  });

  it.each<[string, Span[], string[]]>([
    ['nothing', [], ['there are no spans']],
    ['two trace ids', [sampleSpan('a'), childSpan('b', 'a', { traceId: 'a2' })], ['there are 2 trace ids: a1, a2']],
    ['an orphan', [sampleSpan('a'), childSpan('b', 'x')], ['order "b" (b) is an orphan: its parent x is not there']],
    ['two roots', [sampleSpan('a'), sampleSpan('b')], ['there are 2 root spans: order "a" (a), order "b" (b)']],
    ['a span twice', [sampleSpan('a'), childSpan('b', 'a'), childSpan('b', 'a')], ['1 span ids occur more than once']],
  ])('names %s', (_what, spans, problems) => {
    expect(traceProblems(spans)).toEqual(problems);
  });
});
