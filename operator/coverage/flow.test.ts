import { describe, expect, it } from '@jest/globals';
import { flowText } from './flow.ts';

const flow = (spansPerSecond: number, bytesPerSecond: number) => ({ spansPerSecond, bytesPerSecond });

describe('a flow of spans', () => {
  it.each([
    [flow(0, 0), '0 spans/s, 0 B/s'],
    [flow(3.2, 0), '3.2 spans/s'],
    [flow(2.444, 999), '2.4 spans/s, 999 B/s'],
    [flow(1234, 8_123), '1234 spans/s, 8.1 kB/s'],
    [flow(15, 2_500_000), '15 spans/s, 2.5 MB/s'],
  ])('%j is %s', (given, text) => expect(flowText(given)).toBe(text));
});
