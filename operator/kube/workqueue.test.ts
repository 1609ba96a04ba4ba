import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { WorkQueue } from './workqueue.ts';

describe('WorkQueue', () => {
  it('works once on a key that was added many times', async () => {
    const seen: string[] = [];
    const queue = new WorkQueue((key) => Promise.resolve(void seen.push(key)));
    for (const key of ['a', 'b', 'a', 'a', 'b']) queue.add(key);
    queue.start();
    await sleep(20);
    expect(seen).toEqual(['a', 'b']);
    await queue.stop();
  });

  it('works again on a key that was added meanwhile, and never twice at once', async () => {
    let active = 0;
    let most = 0;
    let runs = 0;
    const queue = new WorkQueue(
      async () => {
        most = Math.max(most, ++active);
        runs++;
        await sleep(10);
        active--;
        return undefined;
      },
      { workers: 4 },
    );
    queue.start();
    queue.add('a');
    await sleep(2);
    queue.add('a');
    queue.add('a');
    await sleep(60);
    expect({ runs, most }).toEqual({ runs: 2, most: 1 });
    await queue.stop();
  });

  it('works on several keys at once, as many as there are workers', async () => {
    let active = 0;
    let most = 0;
    const queue = new WorkQueue(
      async () => {
        most = Math.max(most, ++active);
        await sleep(5);
        active--;
        return undefined;
      },
      { workers: 3 },
    );
    for (let i = 0; i < 10; i++) queue.add(String(i));
    queue.start();
    await sleep(60);
    expect(most).toBe(3);
    await queue.stop();
  });

  it('tries again with a doubling delay, and starts over after a success', async () => {
    const times: number[] = [];
    const queue = new WorkQueue(
      () => {
        times.push(performance.now());
        return times.length < 5 ? Promise.reject(new Error('not yet')) : Promise.resolve(undefined);
      },
      { baseDelay: 10 },
    );
    queue.start();
    queue.add('a');
    await sleep(300);
    expect(times).toHaveLength(5);
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    for (const [i, least] of [9, 19, 39, 79].entries()) expect(gaps[i]).toBeGreaterThanOrEqual(least);
    await queue.stop();
  });

  it('sees a key again after the time that work asked for', async () => {
    let runs = 0;
    const queue = new WorkQueue(() => Promise.resolve(++runs === 1 ? 10 : undefined));
    queue.start();
    queue.add('a');
    await sleep(60);
    expect(runs).toBe(2);
    await queue.stop();
  });

  it('lets many keys that fail together be tried again no faster than overall allowed', async () => {
    const runs = new Map<string, number>();
    const queue = new WorkQueue(
      (key) => {
        const count = (runs.get(key) ?? 0) + 1;
        runs.set(key, count);
        return count === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve(undefined);
      },
      { workers: 20, baseDelay: 1, retries: { burst: 5, perSecond: 100 } },
    );
    const began = performance.now();
    queue.start();
    for (let i = 0; i < 20; i++) queue.add(String(i));
    while ([...runs.values()].some((count) => count < 2)) await sleep(5);
    // Five at once, the other fifteen one each 10 ms.
    expect(performance.now() - began).toBeGreaterThanOrEqual(145);
    await queue.stop();
  });

  it('begins work at its pace, and as much at once as was saved up', async () => {
    const times: number[] = [];
    const queue = new WorkQueue(() => Promise.resolve(void times.push(performance.now())), {
      workers: 50,
      pace: { burst: 10, perSecond: 100 },
    });
    const began = performance.now();
    queue.start();
    for (let i = 0; i < 25; i++) queue.add(String(i));
    expect(times.length).toBeGreaterThanOrEqual(10);
    while (times.length < 25) await sleep(5);
    // Ten at once, then none before its time: later is right on a busy machine.
    const early = times.filter((time, index) => time - began < (index - 9) * 10 - 1);
    expect(early).toEqual([]);
    await queue.stop();
  });

  it('lets groups take turns, so that a few keys do not wait behind many', async () => {
    const seen: string[] = [];
    const queue = new WorkQueue((key) => Promise.resolve(void seen.push(key)), { group: (key) => key[0]! });
    for (const key of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) queue.add(key);
    queue.start();
    await sleep(20);
    expect(seen).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']);
    await queue.stop();
  });

  it('stops when the work in hand is done, and takes no more', async () => {
    let done = false;
    const queue = new WorkQueue(async () => {
      await sleep(20);
      done = true;
      return undefined;
    });
    queue.start();
    queue.add('a');
    await queue.stop();
    expect(done).toBe(true);
    queue.add('b');
    await sleep(5);
  });
});
