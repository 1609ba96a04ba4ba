import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { withLock } from './lock.ts';

describe('a lock', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lock-'));
    path = join(folder, 'x.lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('lets one in at a time, and tells the others who is in', async () => {
    const events: string[] = [];
    const told: number[] = [];
    const work = (name: string) => async () => {
      events.push(`${name} in`);
      await sleep(30);
      events.push(`${name} out`);
    };
    const options = { pollMs: 5, onWait: (pid: number) => told.push(pid) };
    await Promise.all([withLock(path, options, work('a')), withLock(path, options, work('b'))]);
    expect(events).toEqual(['a in', 'a out', 'b in', 'b out']);
    expect(told).toEqual([process.pid]);
  });

  it('is taken over from a dead process', async () => {
    writeFileSync(path, JSON.stringify({ pid: process.pid, started: 'before', boot: 'another' }));
    expect(await withLock(path, {}, () => Promise.resolve('done'))).toBe('done');
  });

  it('is taken over when it is not readable', async () => {
    writeFileSync(path, 'garbage');
    expect(await withLock(path, {}, () => Promise.resolve('done'))).toBe('done');
  });

  it('is gone after success and after failure', async () => {
    await withLock(path, {}, () => Promise.resolve());
    expect(existsSync(path)).toBe(false);
    await expect(withLock(path, {}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(existsSync(path)).toBe(false);
  });
});
