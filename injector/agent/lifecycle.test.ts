import { expect, it, jest } from '@jest/globals';
import { ExitFlush } from './lifecycle.ts';

const NOTHING = { any: false, uncaught: () => undefined, abandon: () => undefined };

it('holds beforeExit back once while something waits, and gives process.emit back', async () => {
  const original = process.emit;
  let waiting = true;
  let finish: () => void = () => undefined;
  const flush = jest.fn(
    () =>
      new Promise<void>((resolve) => {
        finish = () => {
          waiting = false;
          resolve();
        };
      }),
  );
  const exit = new ExitFlush({ pending: () => waiting, flush, flushNow: () => undefined }, NOTHING);
  const seen = jest.fn();
  process.on('beforeExit', seen);
  exit.arm();
  expect(process.emit).not.toBe(original);
  process.emit('beforeExit', 0);
  expect([flush.mock.calls.length, seen.mock.calls.length]).toEqual([1, 0]);
  expect(process.emit).toBe(original);
  finish();
  await Promise.resolve();
  process.emit('beforeExit', 0);
  expect(seen).toHaveBeenCalledTimes(1);
  process.removeListener('beforeExit', seen);
});

it('tells of an error that nobody caught, also of a rejection that the app sees to, while something is unfinished', () => {
  const original = process.emit;
  const emit = (...values: unknown[]): unknown => Reflect.apply(process.emit, process, values);
  const nothing = { pending: () => false, flush: () => Promise.resolve(), flushNow: () => undefined };
  const unfinished = { any: true, uncaught: jest.fn<(error: unknown) => void>(), abandon: jest.fn<() => void>() };
  const exit = new ExitFlush(nothing, unfinished);
  exit.arm();
  exit.release();
  emit('uncaughtExceptionMonitor', new Error('one'), 'uncaughtException');
  // Nobody listens: it comes back as the other.
  emit('unhandledRejection', new Error('two'), Promise.resolve());
  const see = jest.fn();
  process.on('unhandledRejection', see);
  emit('unhandledRejection', new Error('three'), Promise.resolve());
  process.removeListener('unhandledRejection', see);
  expect(unfinished.uncaught.mock.calls).toEqual([[new Error('one')], [new Error('three')]]);
  expect(unfinished.abandon).not.toHaveBeenCalled();
  process.emit('exit', 0);
  expect(unfinished.abandon).toHaveBeenCalledTimes(1);
  unfinished.any = false;
  exit.release();
  expect(process.emit).toBe(original);
});

it('lets go as soon as nothing waits', () => {
  const original = process.emit;
  let waiting = true;
  const exit = new ExitFlush(
    { pending: () => waiting, flush: () => Promise.resolve(), flushNow: () => undefined },
    NOTHING,
  );
  exit.arm();
  exit.release();
  expect(process.emit).not.toBe(original);
  waiting = false;
  exit.release();
  expect(process.emit).toBe(original);
});

it('sends at once when the process exits, or sends itself a signal that ends it', () => {
  const own = process as unknown as { _kill(pid: number, signal: number): number };
  const original = own._kill;
  const kill = jest.fn(() => 0);
  own._kill = kill;
  try {
    let waiting = true;
    const flushNow = jest.fn<(millis: number) => void>();
    const exit = new ExitFlush({ pending: () => waiting, flush: () => Promise.resolve(), flushNow }, NOTHING);
    exit.arm();
    process.emit('exit', 0);
    expect(flushNow.mock.calls).toEqual([[200]]);
    own._kill(process.pid, 15);
    expect(flushNow).toHaveBeenCalledTimes(2);
    const ignore = (): void => undefined;
    process.on('SIGTERM', ignore);
    own._kill(process.pid, 15);
    process.removeListener('SIGTERM', ignore);
    own._kill(process.pid, 0);
    own._kill(process.ppid, 15);
    expect(flushNow).toHaveBeenCalledTimes(2);
    expect(kill.mock.calls).toHaveLength(4);
    waiting = false;
    exit.release();
    expect(own._kill).toBe(kill);
  } finally {
    own._kill = original;
  }
});
