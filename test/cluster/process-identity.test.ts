import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { identify, isAlive, parseIdentity, startTimeOf } from './process-identity.ts';

describe('who a process is', () => {
  it('finds the start time behind a command name with spaces and parentheses', () => {
    const fields = Array.from({ length: 49 }, (_, index) => String(index + 4));
    expect(startTimeOf(`77 (a) b (c)) S ${fields.join(' ')}`)).toBe('22');
  });

  it('knows itself', () => {
    const self = identify(process.pid);
    expect(self?.pid).toBe(process.pid);
    expect(self !== undefined && isAlive(self)).toBe(true);
  });

  it('takes another process with the same number for another', () => {
    const written = { pid: 4711, started: '100', boot: 'a' };
    expect(isAlive(written, () => ({ pid: 4711, started: '100', boot: 'a' }))).toBe(true);
    expect(isAlive(written, () => ({ pid: 4711, started: '200', boot: 'a' }))).toBe(false);
    expect(isAlive(written, () => ({ pid: 4711, started: '100', boot: 'b' }))).toBe(false);
    expect(isAlive(written, () => undefined)).toBe(false);
  });

  it('sees that a process has ended', async () => {
    const child = spawn('sleep', ['60']);
    const identity = identify(child.pid ?? 0);
    expect(identity !== undefined && isAlive(identity)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(identity !== undefined && isAlive(identity)).toBe(false);
  });

  it.each(['', 'null', '12', '{"pid":"1"}', '{"pid":1,"started":"2"}', '{'])('reads %j as nobody', (text) => {
    expect(parseIdentity(text)).toBeUndefined();
  });

  it('reads what was written', () => {
    const identity = { pid: 1, started: '2', boot: '3' };
    expect(parseIdentity(JSON.stringify(identity))).toEqual(identity);
  });
});
