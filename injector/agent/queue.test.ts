import { describe, expect, it } from '@jest/globals';
import { decodeTraces } from './export/decode.ts';
import { encodeText } from './encode.ts';
import { SpanQueue, type BatchOptions, type Destination, type QueueListener } from './queue.ts';

const SCOPE = { name: 'test' };
/** A span that has a name and nothing else. */
const span = (name: number): Buffer => {
  const content = encodeText(0x2a, String(name));
  return Buffer.concat([Buffer.from([0x12, content.length]), content]);
};
class Queue extends SpanQueue {
  constructor(options: BatchOptions, open: () => Destination, listener?: QueueListener, now?: () => number) {
    super(options, () => ({}), open, listener, now);
  }

  override add(encoded: Buffer): void {
    super.add(encoded, SCOPE);
  }
}
const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/** A destination that keeps what it gets and answers as told. */
function destination(
  answer: () => Promise<string | undefined> = () => Promise.resolve(undefined),
): Destination & { batches: number[][]; closed: number } {
  const made = {
    batches: [] as number[][],
    closed: 0,
    send(body: Uint8Array) {
      made.sendNow(body);
      return answer().then((failure) => (failure === undefined ? {} : { failure }));
    },
    sendNow(body: Uint8Array | undefined) {
      const spans =
        body && decodeTraces(body).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans));
      if (spans) made.batches.push(spans.map(({ name }) => Number(name)));
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
    const queue = new Queue({ maxQueue: 10, maxBatch: 5, delayMillis: 1, timeoutMillis: 10_000 }, () => {
      opened += 1;
      return destination();
    });
    await queue.flush(false);
    expect(opened).toBe(0);
    queue.add(span(1));
    await wait(20);
    expect([opened, queue.sent, queue.pending]).toEqual([1, 1, false]);
    expect(queue.bytes).toBeGreaterThan(span(1).length);
  });

  it('sends a full batch at once and the rest after the delay, one batch at a time', async () => {
    let release: () => void = () => undefined;
    const to = destination(() => new Promise((resolve) => (release = () => resolve(undefined))));
    const queue = new Queue({ maxQueue: 100, maxBatch: 3, delayMillis: 20, timeoutMillis: 10_000 }, () => to);
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

  it('loses its oldest when it is full, and counts what is lost by reason', async () => {
    const answers = ['refused', undefined];
    const to = destination(() => Promise.resolve(answers.shift()));
    const queue = new Queue({ maxQueue: 4, maxBatch: 2, delayMillis: 10_000, timeoutMillis: 10_000 }, () => to);
    for (let i = 0; i < 7; i++) queue.add(span(i));
    expect(queue.dropped).toEqual({ queueFull: 3, exportFailed: 0, rejected: 0, shutdown: 0 });
    await queue.flush(false);
    expect(to.batches).toEqual([
      [3, 4],
      [5, 6],
    ]);
    expect(queue.dropped).toEqual({ queueFull: 3, exportFailed: 2, rejected: 0, shutdown: 0 });
    expect([queue.sent, queue.errors, queue.queued]).toEqual([2, 1, 0]);
  });

  it('counts what a destination that throws did not take, and what a closed one left', async () => {
    const to = destination(() => Promise.reject(new Error('down')));
    const queue = new Queue({ maxQueue: 4, maxBatch: 4, delayMillis: 10_000, timeoutMillis: 10_000 }, () => to);
    queue.add(span(1));
    await queue.flush(false);
    queue.add(span(2));
    await queue.close();
    expect([queue.dropped, queue.trouble]).toEqual([
      { queueFull: 0, exportFailed: 1, rejected: 0, shutdown: 1 },
      'down',
    ]);
  });

  it('gives all that waits to its destination before it returns', () => {
    const to = destination();
    const queue = new Queue({ maxQueue: 300, maxBatch: 300, delayMillis: 10_000, timeoutMillis: 10_000 }, () => to);
    queue.flushNow(Infinity);
    expect(to.batches).toEqual([]);
    for (let i = 0; i < 200; i++) queue.add(span(i));
    queue.flushNow(Infinity);
    expect(to.batches.map((batch) => batch.length)).toEqual([128, 72]);
    expect([queue.pending, queue.sent]).toEqual([false, 200]);
  });

  it('leaves a batch under way alone when the rest has to be sent at once', async () => {
    const bodies: Buffer[] = [];
    const to = destination(() => new Promise(() => undefined));
    const queue = new Queue({ maxQueue: 10, maxBatch: 2, delayMillis: 10_000, timeoutMillis: 10_000 }, () => ({
      ...to,
      send(body) {
        bodies.push(body as Buffer);
        return to.send(body, { timeoutMillis: 1000, keepAlive: false });
      },
    }));
    for (let i = 0; i < 4; i++) queue.add(span(i));
    await wait(20);
    const before = Buffer.from(bodies[0]!);
    queue.flushNow(Infinity);
    expect(to.batches).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(bodies[0]!.equals(before)).toBe(true);
  });

  it('is in trouble until all has arrived for a while', async () => {
    let now = 0;
    let told = 0;
    let answer: string | undefined;
    const queue = new Queue(
      { maxQueue: 2, maxBatch: 2, delayMillis: 10_000, timeoutMillis: 10_000 },
      () => destination(() => Promise.resolve(answer)),
      { onIdle: () => undefined, onTrouble: () => (told += 1) },
      () => now,
    );
    const send = async (seconds: number, outcome?: string): Promise<unknown[]> => {
      now = seconds * 1000;
      answer = outcome;
      queue.add(span(1));
      await queue.flush(false);
      return [queue.trouble, told];
    };
    expect(await send(0)).toEqual([undefined, 0]);
    expect(await send(1, 'ECONNREFUSED')).toEqual(['ECONNREFUSED', 1]);
    expect(await send(2, 'ECONNREFUSED')).toEqual(['ECONNREFUSED', 1]);
    expect(await send(10, 'HTTP 503')).toEqual(['ECONNREFUSED', 1]);
    expect(await send(11)).toEqual(['ECONNREFUSED', 1]);
    expect(await send(40, 'HTTP 503')).toEqual(['HTTP 503', 2]);
    expect(await send(69)).toEqual(['HTTP 503', 2]);
    expect(await send(71)).toEqual([undefined, 3]);
  });

  it('says that it was full unless it knows why', async () => {
    const queue = new Queue({ maxQueue: 2, maxBatch: 2, delayMillis: 10_000, timeoutMillis: 10_000 }, () =>
      destination(() => Promise.resolve('HTTP 500')),
    );
    for (let i = 0; i < 3; i++) queue.add(span(i));
    expect(queue.trouble).toMatch(/full/);
    await queue.flush(false);
    expect(queue.trouble).toBe('HTTP 500');
    for (let i = 0; i < 9; i++) queue.add(span(i));
    expect(queue.trouble).toBe('HTTP 500');
    await queue.flush(false);
  });

  it('sends what waits before it lets go of its destination', async () => {
    const to = destination();
    const queue = new Queue({ maxQueue: 100, maxBatch: 2, delayMillis: 10_000, timeoutMillis: 10_000 }, () => to);
    for (let i = 0; i < 5; i++) queue.add(span(i));
    await queue.close();
    expect([to.batches.flat(), to.closed]).toEqual([[0, 1, 2, 3, 4], 1]);
  });

  it('tells when nothing is left', async () => {
    let idle = 0;
    const queue = new Queue({ maxQueue: 10, maxBatch: 2, delayMillis: 1, timeoutMillis: 10_000 }, () => destination(), {
      onIdle: () => (idle += 1),
      onTrouble: () => undefined,
    });
    queue.add(span(1));
    await wait(20);
    expect(idle).toBe(1);
  });

  it('takes other sizes and another delay while spans wait, and loses only those there is no room for', async () => {
    const to = destination();
    const options = { maxQueue: 10, maxBatch: 10, delayMillis: 10_000, timeoutMillis: 10_000 };
    const queue = new Queue(options, () => to);
    for (let i = 0; i < 7; i++) queue.add(span(i));
    queue.setOptions({ ...options, maxQueue: 20 });
    for (let i = 7; i < 12; i++) queue.add(span(i));
    expect([queue.queued, queue.capacity, queue.dropped.queueFull]).toEqual([12, 20, 0]);
    queue.setOptions({ ...options, maxQueue: 8, maxBatch: 8, delayMillis: 1 });
    expect([queue.queued, queue.capacity, queue.dropped.queueFull]).toEqual([8, 8, 4]);
    await wait(30);
    expect(to.batches).toEqual([[4, 5, 6, 7, 8, 9, 10, 11]]);
  });

  it('sends what waits, and what was under way in vain, to where it leads now', async () => {
    let fail: (why: string) => void = () => undefined;
    const before = destination(() => new Promise((resolve) => (fail = resolve)));
    const after = destination();
    const options = { maxQueue: 10, maxBatch: 2, delayMillis: 10_000, timeoutMillis: 10_000 };
    const queue = new Queue(options, () => before);
    for (let i = 0; i < 3; i++) queue.add(span(i));
    await wait(20);
    queue.redirect(() => after);
    expect([before.batches, before.closed]).toEqual([[[0, 1]], 1]);
    fail('ECONNREFUSED');
    await queue.flush(false);
    expect(after.batches).toEqual([[0, 1], [2]]);
    expect([queue.sent, queue.errors, queue.dropped.exportFailed, queue.trouble]).toEqual([3, 0, 0, undefined]);
  });

  it('does not send again what arrived where it led before', async () => {
    let arrive: () => void = () => undefined;
    const before = destination(() => new Promise((resolve) => (arrive = () => resolve(undefined))));
    const after = destination();
    const queue = new Queue({ maxQueue: 10, maxBatch: 2, delayMillis: 1, timeoutMillis: 10_000 }, () => before);
    for (let i = 0; i < 3; i++) queue.add(span(i));
    await wait(20);
    queue.redirect(() => after);
    arrive();
    await queue.flush(false);
    expect([before.batches, after.batches, queue.sent]).toEqual([[[0, 1]], [[2]], 3]);
  });

  it('counts what a receiver rejects of a batch that it takes', async () => {
    const rejected = { count: 2, reason: 'too old' };
    const to: Destination = { ...destination(), send: () => Promise.resolve({ rejected }) };
    const queue = new Queue({ maxQueue: 10, maxBatch: 5, delayMillis: 10_000, timeoutMillis: 10_000 }, () => to);
    for (let i = 0; i < 5; i++) queue.add(span(i));
    await queue.flush(false);
    expect([queue.sent, queue.dropped.rejected, queue.errors]).toEqual([3, 2, 0]);
    expect(queue.trouble).toMatch(/rejected .* too old$/);
  });

  it('gives up what is left when it is closed, in the time that one batch may take', async () => {
    let now = 0;
    const to = destination(() => {
      now += 6_000;
      return Promise.resolve('HTTP 503');
    });
    const options = { maxQueue: 10, maxBatch: 1, delayMillis: 10_000, timeoutMillis: 10_000 };
    const queue = new Queue(
      options,
      () => to,
      undefined,
      () => now,
    );
    queue.add(span(0));
    await queue.flush(false);
    for (let i = 1; i < 6; i++) queue.add(span(i));
    await queue.close();
    expect([to.batches.length, queue.dropped]).toEqual([
      3,
      { queueFull: 0, exportFailed: 1, rejected: 0, shutdown: 5 },
    ]);
  });
});
