import { SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { describe, expect, it } from '@jest/globals';
import { RecordingSpan, toHrTime, type SpanSink } from './span.ts';

const done: RecordingSpan[] = [];
const sink: SpanSink = {
  begun: () => undefined,
  limits: { attributes: 3, valueLength: 5, events: 2, links: 1 },
  finished: (span) => done.push(span),
};
const identity = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: TraceFlags.SAMPLED,
};
const start = (): RecordingSpan =>
  new RecordingSpan(
    sink,
    { name: 'test' },
    'work',
    SpanKind.INTERNAL,
    identity,
    undefined,
    Date.now() - performance.now(),
    undefined,
  );

describe('RecordingSpan', () => {
  it('obeys its limits and counts what it drops', () => {
    const span = start();
    span.setAttributes({ a: 'longer than five', b: ['longer than five', 1], c: true, d: 4 });
    span.setAttribute('a', 'again');
    for (const name of ['one', 'two', 'three']) span.addEvent(name, { k: 'longer than five' });
    span.addLink({ context: identity }).addLink({ context: identity });
    expect(span.attributes).toEqual({ a: 'again', b: ['longe', 1], c: true });
    expect(span.droppedAttributesCount).toBe(1);
    expect(span.events.map((event) => event.name)).toEqual(['two', 'three']);
    expect(span.events[0]?.attributes).toEqual({ k: 'longe' });
    expect([span.droppedEventsCount, span.droppedLinksCount]).toEqual([1, 1]);
  });

  it('leaves out values that cannot be exported', () => {
    const span = start();
    span.setAttributes({ f: () => 1, s: Symbol('x'), n: null, u: undefined });
    expect(span.attributes).toEqual({});
  });

  it('copies lists, which the app may change later', () => {
    const span = start();
    const list = ['a'];
    span.setAttribute('list', list);
    list.push('b');
    expect(span.attributes).toEqual({ list: ['a'] });
  });

  it('ends once, and nothing changes it after that', () => {
    const span = start();
    span.end();
    span.end();
    span.setAttribute('late', 1).updateName('late').addEvent('late').setStatus({ code: SpanStatusCode.ERROR });
    expect(done.filter((each) => each === span)).toHaveLength(1);
    expect([span.name, span.attributes, span.events, span.status.code]).toEqual(['work', {}, [], SpanStatusCode.UNSET]);
    expect(span.isRecording()).toBe(false);
  });

  it('takes every kind of time and never ends before it started', () => {
    const at = new Date('2026-11-24T00:00:00Z');
    const seconds = at.getTime() / 1000;
    const span = start();
    span.addEvent('date', at).addEvent('hr', [seconds, 5]);
    expect(span.events.map((event) => event.time[0])).toEqual([seconds, seconds]);
    const byPerformance = performance.now();
    span.addEvent('performance', byPerformance);
    expect(Math.abs(span.events[1]!.time[0] - Date.now() / 1000)).toBeLessThan(5);
    span.end([1, 0]);
    expect(span.duration).toEqual([0, 0]);
    expect(span.endTime).toEqual(span.startTime);
  });

  it('has an error that passes several layers of libraries as an event of the innermost, and all of them as failed', () => {
    const start = (name: string, above?: RecordingSpan): RecordingSpan => {
      const scope = { name };
      const clock = Date.now() - performance.now();
      const span = new RecordingSpan(sink, scope, 'work', SpanKind.INTERNAL, identity, undefined, clock, undefined);
      if (above !== undefined) span.root = above.root;
      return span;
    };
    const outer = start('@opentelemetry/instrumentation-koa');
    const inner = start('@opentelemetry/instrumentation-koa', outer);
    const own = start('shop', outer);
    const error = new RangeError('no tea');
    for (const span of [inner, outer, own]) span.recordException(error);
    const another = start('@opentelemetry/instrumentation-koa');
    another.recordException(error);
    expect([inner, outer, own, another].map(({ events }) => events.length)).toEqual([1, 0, 1, 1]);
    const { ERROR, UNSET } = SpanStatusCode;
    expect([inner, outer, own].map(({ status }) => status.code)).toEqual([ERROR, ERROR, UNSET]);
    expect(outer.status.message).toBe('no tea');
  });

  it('is no failure where a library throws what a client did wrong', () => {
    const span = start();
    Object.assign(span.instrumentationScope, { name: '@opentelemetry/instrumentation-koa' });
    span.recordException(Object.assign(new Error('not found'), { status: 404 }));
    expect([span.events.length, span.status.code]).toEqual([1, SpanStatusCode.UNSET]);
  });

  it('records exceptions, and keeps an OK status', () => {
    const span = start();
    span.recordException(new TypeError('bad'));
    expect(span.events[0]).toMatchObject({
      name: 'exception',
      attributes: { 'exception.type': 'TypeE', 'exception.message': 'bad' },
    });
    span.setStatus({ code: SpanStatusCode.OK }).setStatus({ code: SpanStatusCode.ERROR, message: 'late' });
    expect(span.status).toEqual({ code: SpanStatusCode.OK });
  });
});

describe('toHrTime', () => {
  it('carries into seconds', () => expect(toHrTime(1999.9999999)).toEqual([2, 0]));
});
