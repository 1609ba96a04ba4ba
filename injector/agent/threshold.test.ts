import { describe, expect, it } from '@jest/globals';
import { createTraceState } from '@opentelemetry/api';
import { TraceState } from '@opentelemetry/core';
import { Threshold, continued, randomnessOf, withoutThreshold } from './threshold.ts';

const traceId = (randomness: string) => '1'.repeat(18) + randomness;

describe('Threshold', () => {
  // The column of four digits in the table of the specification, and what lies around it.
  it.each([
    [1, '0'],
    [0.5, '8'],
    [1 / 3, 'aaab'],
    [0.25, 'c'],
    [0.2, 'cccd'],
    [0.125, 'e'],
    [0.1, 'e666'],
    [0.0625, 'f'],
    [0.01, 'fd70a'],
    [0.001, 'ffbe77'],
    [0.0001, 'fff9724'],
    [0.000_01, 'ffff583a'],
    [0.000_001, 'ffffef39'],
    [0.75, '4'],
    [0.9, '199a'],
    [2 ** -56, 'ffffffffffffff'],
    [1e-20, 'ffffffffffffff'],
    [1.5, '0'],
  ])('tells a ratio of %d as th:%s, and decides by the same number', (ratio, th) => {
    const threshold = new Threshold(ratio);
    expect(threshold.state.serialize()).toBe(`ot=th:${th}`);
    const first = th.padEnd(14, '0');
    expect(threshold.admits(first)).toBe(true);
    if (th === '0') return;
    const last = (BigInt(`0x${first}`) - 1n).toString(16).padStart(14, '0');
    expect(threshold.admits(last)).toBe(false);
  });

  it.each([0, -1, NaN])('admits nothing at a ratio of %d', (ratio) => {
    expect(new Threshold(ratio).admits('f'.repeat(14))).toBe(false);
  });

  const half = new Threshold(0.5);
  it.each([
    ['ot=th:0', 'ot=th:8'],
    ['vendor=a', 'ot=th:8,vendor=a'],
    ['vendor=a,ot=rv:0123456789abcd;th:c;p:8', 'ot=th:8;rv:0123456789abcd;p:8,vendor=a'],
    [`ot=${'x:'.padEnd(255, 'y')},vendor=a`, 'vendor=a'],
  ])('is written into the tracestate %j of a decision before', (before, after) => {
    expect(half.stamp(createTraceState(before)).serialize()).toBe(after);
    expect(half.stamp(new TraceState(before)).serialize()).toBe(after);
  });

  it('leaves no other threshold in a tracestate that is full', () => {
    const others = `a=${'x'.repeat(250)},b=${'y'.repeat(247)}`;
    const full = new TraceState(`ot=th:c,${others}`);
    expect(new Threshold(0.01).stamp(full).serialize()).toBe(others);
  });
});

describe('the randomness of a trace', () => {
  it.each([
    [undefined, 'abcdef01234567'],
    ['vendor=a', 'abcdef01234567'],
    ['ot=rv:6e6d1a75832a2f', '6e6d1a75832a2f'],
    ['ot=th:0;rv:6e6d1a75832a2f', '6e6d1a75832a2f'],
    ['ot=rv:6E6D1A75832A2F', 'abcdef01234567'],
    ['ot=rv:6e6d1a75832a2', 'abcdef01234567'],
  ])('is that of its id, unless its tracestate says otherwise: %j', (state, expected) => {
    expect(randomnessOf(traceId('ABCDEF01234567'), state === undefined ? undefined : createTraceState(state))).toBe(
      expected,
    );
  });
});

describe('a tracestate that came with a sampled trace', () => {
  const after = (state: string) => continued(createTraceState(state), traceId('90000000000000'))?.serialize();

  it.each(['ot=th:8', 'ot=th:0', 'ot=th:90000000000000', 'ot=rv:ffffffffffffff;th:f', 'vendor=a', 'ot=p:8'])(
    'is passed on as it is: %s',
    (state) => expect(after(state)).toBe(state),
  );

  it.each([
    ['ot=th:a', undefined],
    ['ot=th:nonsense,vendor=a', 'vendor=a'],
    ['ot=th:', undefined],
    ['ot=th:000000000000000', undefined],
    ['vendor=a,ot=p:8;th:90000000000001', 'ot=p:8,vendor=a'],
    ['ot=th:8;rv:70000000000000', 'ot=rv:70000000000000'],
  ])('loses a threshold that is none, or that would have rejected it: %s', (state, expected) =>
    expect(after(state)).toBe(expected),
  );

  it('loses any where nobody knows how probable it was', () => {
    expect(withoutThreshold(createTraceState('ot=th:8,vendor=a'))?.serialize()).toBe('vendor=a');
    expect(withoutThreshold(undefined)).toBeUndefined();
  });
});
