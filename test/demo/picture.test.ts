import { describe, expect, it } from '@jest/globals';
import { picture } from './picture.ts';
import { sampleSpan } from '../../cli/trace/sample-span.ts';
import type { Span } from '../../cli/trace/span.ts';

const span = (spanId: string, rest: Partial<Span>) =>
  sampleSpan(spanId, { startUs: 1_000, durationUs: 1_000, ...rest });
const ROOT = span('POST /orders', { durationUs: 10_000, attributes: { 'http.response.status_code': 201 } });
const CHILD = span('SELECT "a" < 1', { parentSpanId: 'POST /orders', service: 'stock', startUs: 6_000 });

const bars = (svg: string) =>
  [...svg.matchAll(/class="bar" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)].map(([, x, y, width]) => [x, y, width]);

describe('picture', () => {
  it('draws a bar for each span, in its place in time, below its parent', () => {
    expect(bars(picture([CHILD, ROOT], 'one order'))).toEqual([
      ['470.0', '62', '530.0'],
      ['735.0', '81', '53.0'],
    ]);
  });

  it('is the same for the same spans, and well-formed whatever their names are', () => {
    const svg = picture([ROOT, CHILD], 'orders & more');
    expect(svg).toBe(picture([ROOT, CHILD], 'orders & more'));
    expect(svg).toContain('SELECT &quot;a&quot; &lt; 1');
    expect(svg).toContain('<title>orders &amp; more</title>');
    expect(svg.match(/<text/g)?.length).toBe(svg.match(/<\/text>/g)?.length);
  });

  it('says how long each took and how it ended, errors in a color of their own', () => {
    const svg = picture([ROOT, { ...CHILD, error: 'no such table' }], 'one order');
    expect(svg).toMatch(/class="quiet"[^>]*>10\.0 ms {2}HTTP 201</);
    expect(svg).toMatch(/class="error"[^>]*>1\.00 ms</);
  });

  it('has colors for dark pages', () => {
    expect(picture([ROOT], 'one order')).toContain('@media (prefers-color-scheme: dark)');
  });

  it('has nothing to draw of nothing', () => {
    expect(() => picture([], 'none')).toThrow('there are no spans to draw');
  });
});
