import { beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { SimulatedClock } from '../../test/simulated-time.ts';
import { SimulatedTime } from '../../test/simulated-time.ts';
import type { KubeClient, RequestOptions } from '../kube/client.ts';
import { ApiError } from '../kube/client.ts';
import type { Lease } from './lease.ts';
import { LeaderElector } from './lease.ts';
import type { OwnerReference } from '../installation.ts';

const HOUR = 3_600_000;

/**
 * What becomes of a request: the API server answers it, with an error before it was done, or is too busy; it never gets
 * there; it is done but the answer gets lost; it is done much later.
 */
type Fate = 'answered' | 'error' | 'conflict' | 'lost' | 'answer lost' | 'late';

/** One Lease, kept as an API server does, at the other end of a network that a test can spoil. */
class LeaseServer {
  lease: Lease | undefined;
  /** Holder after each write. */
  readonly holders: (string | undefined)[] = [];
  readonly #time: SimulatedTime;
  #version = 0;
  #owners: Record<string, string> = {};

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  client(clock: SimulatedClock, fate: () => Fate): Pick<KubeClient, 'request'> {
    const serve = async (method: string, path: string, options: RequestOptions): Promise<Lease> => {
      const what = fate();
      if (what === 'lost') return new Promise(() => {});
      await this.#time.sleep(what === 'late' ? 8_000 : 5);
      if (what === 'error') throw new ApiError(method, path, 500, 'InternalError', 'etcd has no leader');
      if (what === 'conflict' && method === 'PUT') throw new ApiError(method, path, 409, 'Conflict', 'try again');
      const outcome = this.#handle(method, path, options);
      if (what === 'answer lost') return new Promise(() => {});
      await this.#time.sleep(5);
      if (outcome instanceof ApiError) throw outcome;
      return outcome;
    };
    const request = (method: string, path: string, options: RequestOptions = {}): Promise<Lease> =>
      new Promise((resolve, reject) => {
        options.signal?.addEventListener('abort', () => reject(new Error('aborted')));
        // A frozen process reads no answers.
        serve(method, path, options).then(
          (lease) => clock.thawed.then(() => resolve(lease)),
          (error: Error) => clock.thawed.then(() => reject(error)),
        );
      });
    return { request: request as KubeClient['request'] };
  }

  /** What somebody does with kubectl: the version changes, the record need not. */
  touch(change: Partial<NonNullable<Lease['spec']>> = {}): void {
    this.#store({ ...this.lease!, spec: { ...this.lease!.spec, ...change } });
  }

  #handle(method: string, path: string, { body, query }: RequestOptions): Lease | ApiError {
    const sent = structuredClone(body) as Lease;
    const error = (status: number, reason: string) => new ApiError(method, path, status, reason, reason);
    if (method === 'PATCH') {
      const manager = String(query?.['fieldManager']);
      if (this.lease && this.#owners['spec'] !== manager) return error(409, 'Conflict');
      this.#owners = { spec: manager };
      return this.#store(sent);
    }
    if (!this.lease) return error(404, 'NotFound');
    if (method === 'GET') return structuredClone(this.lease);
    if (sent.metadata.resourceVersion !== this.lease.metadata.resourceVersion) return error(409, 'Conflict');
    return this.#store(sent);
  }

  #store(lease: Lease): Lease {
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(++this.#version) } };
    this.holders.push(lease.spec?.holderIdentity);
    return structuredClone(this.lease);
  }
}

interface Replica {
  elector: LeaderElector;
  clock: SimulatedClock;
  /** What the elector told, in order. */
  told: string[];
  signal: AbortSignal | undefined;
  fate: Fate;
  kill(): void;
}

describe('LeaderElector', () => {
  let time: SimulatedTime;
  let server: LeaseServer;
  let owners: OwnerReference[];

  beforeEach(() => {
    time = new SimulatedTime();
    server = new LeaseServer(time);
    owners = [];
  });

  function replica(identity: string, options: { aheadBy?: number; rate?: number; fate?: () => Fate } = {}): Replica {
    const clock = time.clock(options);
    const self: Replica = {
      clock,
      told: [],
      signal: undefined,
      fate: 'answered',
      kill: () => {
        clock.freeze();
        self.fate = 'lost';
      },
      elector: new LeaderElector({
        client: server.client(clock, () => (options.fate && self.fate === 'answered' ? options.fate() : self.fate)),
        namespace: 'system',
        lease: 'operator',
        owners: () => owners,
        identity,
        logger: pino({ level: 'silent' }),
        clock,
        random: () => 0.99,
        onStartedLeading: (signal) => {
          self.signal = signal;
          self.told.push('started');
        },
        onStoppedLeading: async (why) => {
          await clock.sleep(100);
          self.told.push(`${why}; the Lease is ${server.lease?.spec?.holderIdentity}'s`);
        },
        onLeading: (leading) => self.told.push(leading ? '1' : '0'),
      }),
    };
    self.elector.start();
    return self;
  }

  /** Seconds until the condition holds. */
  async function seconds(condition: () => boolean): Promise<number> {
    const began = time.now;
    while (!condition() && time.now - began < 60_000) await time.advance(10);
    return (time.now - began) / 1000;
  }

  const leaders = (...replicas: Replica[]) => replicas.map(({ elector }) => elector.isLeader);

  it('makes one of three the leader, and leaves it that', async () => {
    const all = [replica('a'), replica('b'), replica('c')];
    await time.advance(1_000);
    expect(leaders(...all).filter(Boolean)).toHaveLength(1);
    const before = leaders(...all);
    await time.advance(HOUR);
    expect(leaders(...all)).toEqual(before);
    const leader = all[before.indexOf(true)]!;
    expect(leader.told).toEqual(['0', '1', 'started']);
    expect(leader.signal?.aborted).toBe(false);
    expect(server.lease?.spec).toMatchObject({ leaseDurationSeconds: 15, leaseTransitions: 0 });
    expect(server.lease?.spec?.renewTime).toMatch(/^2026-01-01T00:5\d:\d\d\.\d{6}Z$/);
  });

  it.each([0, 500, 1_000, 1_500, 2_000])('lets another lead soon after the leader died, %i ms on', async (phase) => {
    const a = replica('a');
    await time.advance(1_000);
    const b = replica('b');
    await time.advance(30_000 + phase);
    a.kill();
    const took = await seconds(() => b.elector.isLeader);
    expect(took).toBeGreaterThan(10);
    // The lease duration, and one pause until the follower had seen the last renewal; none after.
    expect(took).toBeLessThan(17.5);
    expect(server.lease?.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  });

  it('lets another lead within 3 s after a graceful stop, and not before leader-only work has ended', async () => {
    const a = replica('a');
    await time.advance(1_000);
    const b = replica('b');
    await time.advance(10_000);
    const stopped = a.elector.stop();
    expect(await seconds(() => b.elector.isLeader)).toBeLessThan(3);
    await stopped;
    expect(a.told).toEqual(['0', '1', 'started', '0', "stopping; the Lease is a's"]);
    expect(a.signal?.aborted).toBe(true);
  });

  it('stops leading before anybody may follow when the API server is out of reach', async () => {
    const a = replica('a');
    const b = replica('b');
    await time.advance(10_000);
    expect(leaders(a, b)).toEqual([true, false]);
    a.fate = 'lost';
    expect(await seconds(() => !a.elector.isLeader)).toBeLessThanOrEqual(10.1);
    expect(a.signal?.aborted).toBe(true);
    expect(b.elector.isLeader).toBe(false);
    await time.advance(200);
    expect(a.told.at(-1)).toBe("lost; the Lease is a's");
    expect(await seconds(() => b.elector.isLeader)).toBeLessThan(10);
  });

  it('goes on leading through errors, lost answers and conflicts that are shorter than the deadline', async () => {
    const a = replica('a');
    await time.advance(1_000);
    for (const fate of ['error', 'lost', 'answer lost', 'conflict'] as const) {
      a.fate = fate;
      await time.advance(6_000);
      a.fate = 'answered';
      await time.advance(10_000);
      server.touch();
      await time.advance(10_000);
    }
    expect(a.told).toEqual(['0', '1', 'started']);
    expect(a.elector.isLeader).toBe(true);
  });

  it('makes the Lease again when somebody deletes it, once', async () => {
    const a = replica('a');
    await time.advance(1_000);
    const b = replica('b');
    await time.advance(10_000);
    server.lease = undefined;
    await time.advance(10_000);
    expect(leaders(a, b).filter(Boolean)).toHaveLength(1);
    expect(new Set(server.holders.slice(-2)).size).toBe(1);
  });

  it('leads without waiting when the answer to its taking the Lease got lost', async () => {
    const a = replica('a');
    a.fate = 'answer lost';
    await time.advance(1_000);
    expect(server.lease?.spec?.holderIdentity).toBe('a');
    a.fate = 'answered';
    expect(await seconds(() => a.elector.isLeader)).toBeLessThan(8);
  });

  it.each([-HOUR, HOUR])('is not misled by a clock that is %i ms off', async (aheadBy) => {
    const a = replica('a');
    await time.advance(1_000);
    const b = replica('b', { aheadBy });
    await time.advance(HOUR);
    expect(leaders(a, b)).toEqual([true, false]);
    a.kill();
    expect(await seconds(() => b.elector.isLeader)).toBeLessThan(20);
  });

  it('believes the holder how long its record holds', async () => {
    const a = replica('a');
    await time.advance(1_000);
    a.kill();
    server.touch({ leaseDurationSeconds: 40 });
    const b = replica('b');
    expect(await seconds(() => b.elector.isLeader)).toBeGreaterThan(39);
  });

  it('knows after it was frozen that it no longer leads, before any timer has fired', async () => {
    const a = replica('a');
    await time.advance(1_000);
    const b = replica('b');
    // In the middle of a renewal; work that waits for something goes on before the elector hears of anything.
    let work: Promise<unknown> | undefined;
    await time.advance(40_000, () => {
      if (server.lease?.metadata.resourceVersion !== '5' || work) return;
      a.clock.freeze();
      work = a.clock.thawed.then(() => ({ told: [...a.told], leads: a.elector.isLeader }));
    });
    expect(b.elector.isLeader).toBe(true);
    await a.clock.thaw();
    expect(await work).toEqual({ told: ['0', '1', 'started'], leads: false });
    expect(() => a.elector.assertLeading()).toThrow(/does not lead/);
    await time.advance(1_000);
    expect(a.told).toEqual(['0', '1', 'started', '0', "lost; the Lease is b's"]);
    expect(b.elector.isLeader).toBe(true);
  });

  it('leaves the Lease alone when it stops as a follower', async () => {
    const a = replica('a');
    await time.advance(1_000);
    const b = replica('b');
    await time.advance(5_000);
    await Promise.all([b.elector.stop(), time.advance(5_000)]);
    expect(new Set(server.holders)).toEqual(new Set(['a']));
    expect(b.told).toEqual(['0']);
    expect(a.elector.isLeader).toBe(true);
  });

  it('gives up a Lease that it gets while it stops, without having led', async () => {
    const a = replica('a');
    await time.advance(12);
    await Promise.all([a.elector.stop(), time.advance(5_000)]);
    expect(server.holders).toEqual(['a', '']);
    expect(a.told).toEqual(['0']);
  });

  it('gives the Lease to the chart when it makes it, and a Lease that was there before when it next renews it', async () => {
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'r', uid: 'first' };
    owners = [role];
    const a = replica('a');
    await time.advance(1_000);
    expect(server.lease?.metadata.ownerReferences).toEqual([role]);
    owners = [{ ...role, uid: 'second' }];
    await time.advance(3_000);
    expect(server.lease?.metadata.ownerReferences).toEqual(owners);
    owners = [];
    await time.advance(3_000);
    expect(server.lease?.metadata.ownerReferences).toHaveLength(1);
    expect(a.elector.isLeader).toBe(true);
  });

  it('refuses timing under which two could lead', () => {
    const options = {
      client: server.client(time.clock(), () => 'answered'),
      namespace: 'n',
      lease: 'l',
      identity: 'i',
      owners: () => [],
    };
    const rest = { logger: pino({ level: 'silent' }), onStartedLeading: () => {}, onStoppedLeading: () => {} };
    expect(() => new LeaderElector({ ...options, ...rest, leaseDuration: 10_000 })).toThrow(/leaseDuration >/);
  });

  it('never has two leaders, and always finds one again, whatever the network and the machines do', async () => {
    let terms = 0;
    for (let seed = 1; seed <= 40; seed++) {
      time = new SimulatedTime();
      server = new LeaseServer(time);
      const random = generator(seed);
      const fates: Fate[] = ['error', 'conflict', 'lost', 'answer lost', 'late', 'lost'];
      let trouble = 0.5;
      const fate = (): Fate => (random() < trouble ? fates[Math.floor(random() * fates.length)]! : 'answered');
      let made = 0;
      // Clocks run a fifth too fast or too slow, and are hours apart.
      const start = () => replica(`r${++made}`, { fate, rate: 0.8 + random() * 0.4, aheadBy: random() * HOUR });
      const replicas = [start(), start(), start()];
      const atMostOne = () => expect(leaders(...replicas).filter(Boolean).length).toBeLessThanOrEqual(1);
      for (let round = 0; round < 40; round++) {
        await time.advance(random() * 10_000, atMostOne);
        const one = replicas[Math.floor(random() * replicas.length)]!;
        if (one.clock.frozen) await one.clock.thaw();
        else if (random() < 0.3) one.clock.freeze();
        atMostOne();
        // A process that has lost is started again.
        for (const [i, { told }] of replicas.entries())
          if (told.some((line) => line.startsWith('lost'))) {
            terms++;
            replicas[i] = start();
          }
      }
      trouble = 0;
      for (const { clock } of replicas) await clock.thaw();
      for (const [i, { told }] of replicas.entries()) if (told.length > 3) replicas[i] = start();
      await time.advance(40_000, atMostOne);
      expect(leaders(...replicas).filter(Boolean)).toHaveLength(1);
      await Promise.all([...replicas.map(({ elector }) => elector.stop()), time.advance(20_000)]);
    }
    // Else the simulation has tried nothing.
    expect(terms).toBeGreaterThan(20);
  }, 60_000);
});

/** Numbers from 0 to 1 that are the same in each run (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
