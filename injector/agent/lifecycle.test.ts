import { expect, it, jest } from '@jest/globals';
import { ExitFlush } from './lifecycle.ts';

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
  const exit = new ExitFlush({ pending: () => waiting, flush });
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

it('lets go as soon as nothing waits', () => {
  const original = process.emit;
  let waiting = true;
  const exit = new ExitFlush({ pending: () => waiting, flush: () => Promise.resolve() });
  exit.arm();
  exit.release();
  expect(process.emit).not.toBe(original);
  waiting = false;
  exit.release();
  expect(process.emit).toBe(original);
});
