import { describe, expect, it } from '@jest/globals';
import { SpanKind, SpanStatusCode, createTraceState } from '@opentelemetry/api';
import { Fragment, Keeper } from './keep.ts';
import { RecordingSpan } from './span.ts';

const LIMITS = { attributes: 128, valueLength: Infinity, events: 128, links: 128 };

/** Requests that are not sampled, on a clock of their own. */
class Requests {
  readonly sent: RecordingSpan[] = [];
  readonly keeper: Keeper;
  now = 1e12;
  private count = 0;

  constructor(keep: Parameters<Keeper['set']>[0], maxBytes?: number) {
    this.keeper = new Keeper((span) => this.sent.push(span), maxBytes);
    this.keeper.set(keep);
  }

  begin(name: string, fragment = new Fragment()): RecordingSpan {
    const sink = {
      limits: LIMITS,
      begun: () => undefined,
      finished: (span: RecordingSpan) => this.keeper.finished(span, span.fragment!),
    };
    const identity = {
      traceId: 'a'.repeat(32),
      spanId: String(++this.count).padStart(16, '0'),
      traceFlags: 0,
      traceState: createTraceState('ot=th:f,vendor=a'),
    };
    const span = new RecordingSpan(
      sink,
      { name: 't' },
      name,
      SpanKind.SERVER,
      identity,
      undefined,
      0,
      this.now,
      fragment,
    );
    fragment.root ??= span;
    return span;
  }

  end(span: RecordingSpan, failed = false): void {
    if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(this.now);
  }

  get names(): string[] {
    return this.sent.map(({ name }) => name);
  }
}

describe('Keeper', () => {
  it('sends all of a request that fails, marked, and nothing of one that does not', () => {
    const requests = new Requests({ errors: true });
    for (const failed of [false, true]) {
      const root = requests.begin(`root ${failed}`);
      requests.end(requests.begin('query', root.fragment), !failed);
      requests.end(root, failed);
      requests.end(requests.begin('afterwards', root.fragment));
    }
    expect(requests.names).toEqual(['query', 'root true', 'afterwards']);
    expect(requests.keeper).toMatchObject({ kept: 3, dropped: 0, heldBytes: 0 });
    for (const span of requests.sent) {
      expect(span.attributes).toEqual({ 'tracing.acme.kept.reason': 'error' });
      expect(span.traceState?.serialize()).toBe('tracing-acme=kept:error,vendor=a');
      expect(span.spanContext().traceState?.serialize()).toBe('ot=th:f,vendor=a');
    }
  });

  it('sends what is slow as soon as that is known', () => {
    const requests = new Requests({ slowerThanMillis: 2000 });
    const root = requests.begin('root');
    const first = requests.begin('first', root.fragment);
    requests.now += 2000;
    requests.end(first);
    expect(requests.sent).toEqual([]);
    expect(requests.keeper.heldBytes).toBeGreaterThan(0);
    requests.now += 1;
    requests.end(requests.begin('second', root.fragment));
    expect(requests.names).toEqual(['first', 'second']);
    expect(requests.keeper.heldBytes).toBe(0);
    requests.end(root, true);
    expect(requests.names).toEqual(['first', 'second', 'root']);
    expect(requests.sent.map(({ attributes }) => attributes['tracing.acme.kept.reason'])).toEqual(
      Array(3).fill('slow'),
    );
  });

  it('does not take an error for slowness, nor the other way round', () => {
    const slow = new Requests({ slowerThanMillis: 2000 });
    slow.end(slow.begin('fails'), true);
    const errors = new Requests({ errors: true });
    const root = errors.begin('slow');
    errors.now += 1e6;
    errors.end(root);
    expect([...slow.sent, ...errors.sent]).toEqual([]);
  });

  it('never holds more than it may: the oldest requests lose what was held for them, but not themselves', () => {
    const requests = new Requests({ errors: true }, 16_000);
    const roots = Array.from({ length: 5 }, (_, i) => requests.begin(`root ${i}`));
    let most = 0;
    for (const root of roots)
      for (let i = 0; i < 4; i++) {
        const span = requests.begin(`query ${i}`, root.fragment);
        span.setAttribute('db.query.text', 'x'.repeat(500));
        requests.end(span);
        most = Math.max(most, requests.keeper.heldBytes);
      }
    expect(most).toBeGreaterThan(12_000);
    expect(most).toBeLessThanOrEqual(16_000);
    for (const root of roots) requests.end(root, true);
    expect(requests.names).toEqual([
      'root 0',
      'root 1',
      ...[2, 3, 4].flatMap((i) => ['query 0', 'query 1', 'query 2', 'query 3', `root ${i}`]),
    ]);
    expect(requests.sent[0]?.attributes).toMatchObject({ 'tracing.acme.kept.missing_spans': 4 });
    expect(requests.sent.at(-1)?.attributes).not.toHaveProperty(['tracing.acme.kept.missing_spans']);
    expect(requests.keeper).toMatchObject({ kept: 17, dropped: 8, heldBytes: 0 });
  });

  it('has no request take the place of all others', () => {
    const requests = new Requests({ errors: true });
    const small = requests.begin('small');
    requests.end(requests.begin('query', small.fragment));
    const large = requests.begin('large');
    for (let i = 0; i < 10_000; i++) requests.end(requests.begin('one of many', large.fragment));
    expect(requests.keeper.heldBytes).toBeLessThan(2 ** 20);
    requests.end(small, true);
    expect(requests.names).toEqual(['query', 'small']);
    requests.end(large, true);
    const { kept, dropped } = requests.keeper;
    expect(kept + dropped).toBe(10_003);
    expect(requests.sent.at(-1)?.attributes['tracing.acme.kept.missing_spans']).toBe(dropped);
  });

  it('forgets what it holds when nothing is to be kept any more', () => {
    const requests = new Requests({ errors: true });
    const root = requests.begin('root');
    requests.end(requests.begin('query', root.fragment));
    requests.keeper.set(undefined);
    expect(requests.keeper).toMatchObject({ isOn: false, heldBytes: 0, dropped: 0 });
    requests.end(root, true);
    expect(requests.sent).toEqual([]);
  });
});
