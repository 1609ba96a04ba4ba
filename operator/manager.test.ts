import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Part } from './manager.ts';
import { Manager } from './manager.ts';

const logger = pino({ level: 'silent' });

/** A part that notes what happens to it. */
function part(name: string, log: string[], more: Partial<Part> = {}): Part {
  return {
    name,
    start: () => void log.push(`start ${name}`),
    stop: () => void log.push(`stop ${name}`),
    ...more,
  };
}

/** Something that is waited for, and comes when it is told to. */
function gate(): { promise: Promise<void>; open: () => void } {
  let open = () => {};
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}

describe('the parts of the process', () => {
  it('start in order and stop in reverse', async () => {
    const log: string[] = [];
    const manager = new Manager([part('a', log), part('b', log), part('c', log)], logger);
    await manager.start();
    await manager.stop(0);
    expect(log).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  });

  it('are drained, all of them, while they still run', async () => {
    const log: string[] = [];
    const drains = (name: string) => part(name, log, { drain: () => void log.push(`drain ${name}`) });
    const manager = new Manager([drains('a'), drains('b')], logger);
    await manager.start();
    log.length = 0;
    await manager.stop(20);
    expect(log).toEqual(['drain a', 'drain b', 'stop b', 'stop a']);
  });

  it('are all stopped though one of them cannot, and once though told twice', async () => {
    const log: string[] = [];
    const broken = part('b', log, { stop: () => Promise.reject(new Error('no')) });
    const manager = new Manager([part('a', log), broken], logger);
    await manager.start();
    await Promise.all([manager.stop(0), manager.stop(0)]);
    expect(log).toEqual(['start a', 'start b', 'stop a']);
  });

  it('fail the start when one of them does, and those before it are stopped', async () => {
    const log: string[] = [];
    const broken = part('b', log, { start: () => Promise.reject(new Error('port in use')) });
    const manager = new Manager([part('a', log), broken, part('c', log)], logger);
    await expect(manager.start()).rejects.toThrow('port in use');
    expect(manager.waitingFor()).toEqual(['b']);
    await manager.stop(0);
    expect(log).toEqual(['start a', 'stop b', 'stop a']);
  });

  it('are not started any more once the process is to end', async () => {
    const log: string[] = [];
    const slow = gate();
    const manager = new Manager([part('a', log, { start: () => slow.promise }), part('b', log)], logger);
    const starting = manager.start();
    const stopping = manager.stop(0);
    slow.open();
    await Promise.all([starting, stopping]);
    expect(log).toEqual(['stop a']);
  });
});

describe('what a process waits for', () => {
  it('is its start, then the part that is starting, then nothing', async () => {
    const [first, second] = [gate(), gate()];
    const manager = new Manager(
      [part('caches', [], { start: () => first.promise }), part('webhook', [], { start: () => second.promise })],
      logger,
    );
    expect(manager.waitingFor()).toEqual(['start']);
    const starting = manager.start();
    expect(manager.waitingFor()).toEqual(['caches']);
    first.open();
    await new Promise((resolve) => setImmediate(resolve));
    expect(manager.waitingFor()).toEqual(['webhook']);
    second.open();
    await starting;
    expect(manager.waitingFor()).toEqual([]);
  });

  it('is what a started part says, also later; one that has not begun is not asked', async () => {
    let missing: string | undefined = '2 of 6 lists';
    const caches = part('caches', [], { waitingFor: () => missing });
    const never = part('webhook', [], { waitingFor: () => 'no certificate yet' });
    const starting = gate();
    const manager = new Manager([caches, part('slow', [], { start: () => starting.promise }), never], logger);
    void manager.start();
    await new Promise((resolve) => setImmediate(resolve));
    expect(manager.waitingFor()).toEqual(['caches (2 of 6 lists)']);
    missing = undefined;
    expect(manager.waitingFor()).toEqual(['slow']);
    starting.open();
    await new Promise((resolve) => setImmediate(resolve));
    expect(manager.waitingFor()).toEqual(['webhook (no certificate yet)']);
  });

  it('is its end, from the moment it is told, while it goes on serving', async () => {
    const manager = new Manager([part('a', [])], logger);
    await manager.start();
    const stopping = manager.stop(20);
    expect(manager.waitingFor()).toEqual(['the process is to end']);
    await stopping;
    expect(manager.waitingFor()).toEqual(['the process is to end']);
  });
});
