import { describe, expect, it } from '@jest/globals';
import { SpanQueue, type Destination } from './queue.ts';
import type { RecordingSpan } from './span.ts';

const span = (name: number): RecordingSpan => ({ name }) as unknown as RecordingSpan;
const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/** A destination that keeps what it gets and answers as told. */
function destination(
  answer: () => Promise<boolean> = () => Promise.resolve(true),
): Destination & { batches: number[][]; closed: number } {
  const made = {
    batches: [] as number[][],
    closed: 0,
    send(spans: RecordingSpan[]) {
      made.batches.push(spans.map((each) => each.name as unknown as number));
      return answer();
    },
    close() {
      made.closed += 1;
    },
  };
  return made;
}

describe('SpanQueue', () => {
  it('opens nothing before there is something to send', async () => {
    let opened = 0;
    const queue = new SpanQueue({ maxQueue: 10, maxBatch: 5, delayMillis: 1 }, () => {
      opened += 1;
      return destination();
    });
    await queue.flush(false);
    expect(opened).toBe(0);
    queue.add(span(1));
    await wait(20);
    expect([opened, queue.sent, queue.pending]).toEqual([1, 1, false]);
  });

  it('sends a full batch at once and the rest after the delay, one batch at a time', async () => {
    let release: () => void = () => undefined;
    const to = destination(() => new Promise((resolve) => (release = () => resolve(true))));
    const queue = new SpanQueue({ maxQueue: 100, maxBatch: 3, delayMillis: 20 }, () => to);
    for (let i = 0; i < 7; i++) queue.add(span(i));
    await wait(10);
    expect(to.batches).toEqual([[0, 1, 2]]);
    release();
    await wait(10);
    expect(to.batches).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    release();
    await wait(40);
    expect(to.batches[2]).toEqual([6]);
    release();
    await wait(1);
    expect(queue.sent).toBe(7);
  });

  it('is bounded, and counts what it drops and what does not arrive', async () => {
    const to = destination(() => Promise.reject(new Error('down')));
    const queue = new SpanQueue({ maxQueue: 4, maxBatch: 4, delayMillis: 10_000 }, () => to);
    for (let i = 0; i < 6; i++) queue.add(span(i));
    expect(queue.dropped).toBe(2);
    await queue.flush(false);
    expect([queue.dropped, queue.sent]).toEqual([6, 0]);
  });

  it('sends what waits before it lets go of its destination', async () => {
    const to = destination();
    const queue = new SpanQueue({ maxQueue: 100, maxBatch: 2, delayMillis: 10_000 }, () => to);
    for (let i = 0; i < 5; i++) queue.add(span(i));
    await queue.close();
    expect([to.batches.flat(), to.closed]).toEqual([[0, 1, 2, 3, 4], 1]);
  });

  it('tells when nothing is left', async () => {
    let idle = 0;
    const queue = new SpanQueue(
      { maxQueue: 10, maxBatch: 2, delayMillis: 1 },
      () => destination(),
      () => (idle += 1),
    );
    queue.add(span(1));
    await wait(20);
    expect(idle).toBe(1);
  });
});
