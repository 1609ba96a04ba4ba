import { describe, expect, it } from '@jest/globals';
import { ServerEvents } from './browser/server-events.ts';
import type { NamespaceState } from './state.ts';
import type { Sight, Sink } from './streams.ts';
import { LIMITS, Streams } from './streams.ts';

const INTERVALS = { settle: 1, heartbeat: 20, sight: 10 };

/** A reader that can be slow, and what it has read. */
class Reader implements Sink {
  readonly read: [name: string, what: unknown][] = [];
  ended = false;
  isSlow = false;
  goOn = () => {};
  readonly #events = new ServerEvents();

  write(text: string): boolean {
    for (const { name, data } of this.#events.take(text)) {
      const { namespace, workloads, user } = JSON.parse(data) as NamespaceState & { user?: string };
      if (name !== 'current') this.read.push([name, workloads?.[0]?.name ?? namespace ?? user]);
    }
    return !this.isSlow;
  }

  drained(): Promise<void> {
    return new Promise((resolve) => (this.goOn = resolve));
  }

  end(): void {
    this.ended = true;
  }
}

function scene(names: string[]) {
  const versions = new Map(names.map((name) => [name, 1]));
  const made: string[] = [];
  const streams = new Streams({
    namespaces: () => [...versions.keys()],
    of: (namespace) => {
      made.push(namespace);
      const version = versions.get(namespace);
      const workload = {
        kind: 'Deployment',
        pods: 1,
        traced: 1,
        reporting: 0,
        policy: 'none',
        state: '',
        troubles: [],
      };
      return version === undefined
        ? undefined
        : { namespace, policies: [], workloads: [{ ...workload, name: `${namespace}-${version}` }] };
    },
    clusterPolicies: () => [],
    intervals: INTERVALS,
  });
  const change = (name: string) => {
    versions.set(name, (versions.get(name) ?? 0) + 1);
    streams.changed(name);
  };
  return { versions, made, streams, change };
}

const seen = (...namespaces: string[]): Sight => ({
  ...{ user: 'me', all: false, policies: false },
  namespaces: new Set(namespaces),
});
const settled = () => new Promise((resolve) => setTimeout(resolve, 60));

describe('streams of the coverage page', () => {
  it('tell each reader of its own namespaces, which are put together once for all, and of what changes in them', async () => {
    const { streams, made, change } = scene(['a', 'b']);
    const [of, ofBoth] = [new Reader(), new Reader()];
    const gone = new AbortController();
    const running = [
      streams.run('1', of, () => Promise.resolve(seen('a')), gone.signal),
      streams.run('2', ofBoth, () => Promise.resolve(seen('a', 'b')), gone.signal),
    ];
    await settled();
    change('b');
    await settled();
    gone.abort();
    await Promise.all(running);
    expect(of.read).toEqual([
      ['viewer', 'me'],
      ['namespace', 'a-1'],
    ]);
    expect(ofBoth.read.slice(1)).toEqual([
      ['namespace', 'a-1'],
      ['namespace', 'b-1'],
      ['namespace', 'b-2'],
    ]);
    expect(made).toEqual(['a', 'b', 'b']);
    expect([of.ended, streams.size]).toEqual([true, 0]);
  });

  it('let a slow reader miss what lies between, and put nothing together that nobody is sent', async () => {
    const { streams, made, change } = scene(['a', 'b']);
    const reader = new Reader();
    const gone = new AbortController();
    const running = streams.run('1', reader, () => Promise.resolve(seen('a', 'b')), gone.signal);
    await settled();
    reader.isSlow = true;
    for (let i = 0; i < 50; i++) {
      change('a');
      change('b');
      if (i % 10 === 0) await settled();
    }
    const madeWhileSlow = made.length;
    reader.isSlow = false;
    reader.goOn();
    await settled();
    // Which of the two was being written when the reader became slow depends on the machine.
    expect(
      reader.read
        .slice(-2)
        .map(([, what]) => what)
        .sort(),
    ).toEqual(['a-51', 'b-51']);
    expect(reader.read.length).toBeLessThan(8);
    expect(madeWhileSlow).toBeLessThan(8);
    gone.abort();
    await running;
    change('a');
    expect(made.length).toBeLessThanOrEqual(madeWhileSlow + 4);
  });

  it('take back what may not be seen any more, and end with the credential', async () => {
    const { streams } = scene(['a', 'b']);
    const reader = new Reader();
    const sights: (Sight | undefined)[] = [seen('a', 'b'), seen('b'), undefined];
    await streams.run('1', reader, () => Promise.resolve(sights.shift()), new AbortController().signal);
    expect(reader.read.slice(3)).toEqual([
      ['gone', 'a'],
      ['ended', undefined],
    ]);
    expect(reader.ended).toBe(true);
  });

  it('are few for one viewer, and end with the operator', async () => {
    const { streams } = scene([]);
    const readers = Array.from({ length: LIMITS.each }, () => new Reader());
    const running = readers.map((reader) =>
      streams.run('1', reader, () => Promise.resolve(seen()), new AbortController().signal),
    );
    expect(streams.full('1')).toBe(`you have ${LIMITS.each} pages open`);
    expect(streams.full('2')).toBeUndefined();
    streams.close();
    await Promise.all(running);
    expect(readers.every(({ ended }) => ended)).toBe(true);
  });
});
