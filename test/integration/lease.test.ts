import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { KubeClient } from '../../operator/kube/client.ts';
import type { Lease } from '../../operator/leader/lease.ts';
import { LeaderElector } from '../../operator/leader/lease.ts';
import { until } from '../cluster/progress.ts';
import { makeNamespace } from './api-server.ts';
import { Relay } from './relay.ts';

const client = KubeClient.fromDefault();
let namespace: Awaited<ReturnType<typeof makeNamespace>>;
const processes: Replica[] = [];

/** A replica that is a process of its own, and what it said. */
class Replica {
  readonly identity: string;
  readonly lines: { at: number; what: string }[] = [];
  readonly #process: ChildProcess;

  constructor(lease: string, identity: string) {
    this.identity = identity;
    const script = new URL('elector.ts', import.meta.url).pathname;
    this.#process = spawn(process.execPath, [script, namespace.name, lease, identity], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    createInterface(this.#process.stdout!).on('line', (line) => {
      const space = line.indexOf(' ');
      this.lines.push({ at: Number(line.slice(0, space)), what: line.slice(space + 1) });
    });
    processes.push(this);
  }

  says(what: string): boolean {
    return this.lines.some((line) => line.what === what);
  }

  async saying(what: string, timeout = 30_000): Promise<void> {
    await until(`${this.identity} has not said "${what}"`, timeout, () => Promise.resolve(this.says(what)));
  }

  /** When it wrote. */
  get writes(): number[] {
    return this.lines.filter(({ what }) => what === 'writes').map(({ at }) => at);
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async end(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
  }
}

const leasePath = (lease: string) => `/apis/coordination.k8s.io/v1/namespaces/${namespace.name}/leases/${lease}`;
const read = (lease: string) => client.request<Lease>('GET', leasePath(lease));

/** Two replicas: one that leads, one that follows. */
async function pair(lease: string): Promise<[Replica, Replica]> {
  const leader = new Replica(lease, 'first');
  await leader.saying('leads');
  const follower = new Replica(lease, 'second');
  await follower.saying('follows');
  return [leader, follower];
}

/** A replica in this process, started. */
function elector(of: KubeClient, lease: string, identity: string, told: string[] = []): LeaderElector {
  const made = new LeaderElector({
    client: of,
    namespace: namespace.name,
    lease,
    owners: () => [],
    identity,
    logger: pino({ level: 'silent' }),
    onStartedLeading: () => told.push('leads'),
    onStoppedLeading: (why) => void told.push(why),
  });
  made.start();
  return made;
}

beforeAll(async () => {
  namespace = await makeNamespace(client);
});
afterAll(async () => {
  await Promise.all(processes.map((replica) => replica.end()));
  await namespace.delete();
  client.close();
});

// At the same time: most of it is waiting for a Lease to run out.
describe('leader election on a real API server', () => {
  it.concurrent(
    'has another lead within 20 s after the leader was killed',
    async () => {
      const [leader, follower] = await pair('killed');
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      const killed = Date.now();
      leader.kill('SIGKILL');
      await follower.saying('leads');
      expect(Date.now() - killed).toBeLessThan(20_000);
      const { spec } = await read('killed');
      expect(spec).toMatchObject({ holderIdentity: 'second', leaseDurationSeconds: 15, leaseTransitions: 1 });
    },
    120_000,
  );

  it.concurrent(
    'has another lead within 3 s after a graceful end',
    async () => {
      const [leader, follower] = await pair('graceful');
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      const told = Date.now();
      leader.kill('SIGTERM');
      await follower.saying('leads');
      expect(Date.now() - told).toBeLessThan(3_000);
      expect(leader.says('stopping')).toBe(true);
      expect(leader.writes.at(-1)).toBeLessThanOrEqual(follower.writes[0] ?? Infinity);
    },
    120_000,
  );

  it.concurrent(
    'lets a leader that was frozen write nothing more',
    async () => {
      const [leader, follower] = await pair('frozen');
      await until('the leader does not write', 10_000, () => Promise.resolve(leader.writes.length > 10));
      leader.kill('SIGSTOP');
      await follower.saying('leads');
      const woken = Date.now();
      leader.kill('SIGCONT');
      await leader.saying('lost');
      // Refused by the guard or ended by the signal, whichever the event loop came to first.
      expect(leader.writes.filter((at) => at >= woken)).toEqual([]);
      expect(follower.says('lost')).toBe(false);
      expect((await read('frozen')).spec?.holderIdentity).toBe('second');
    },
    120_000,
  );

  it.concurrent(
    'stops leading when the API server is out of reach, before another may lead',
    async () => {
      const relay = new Relay();
      const relayed = await relay.client();
      const told: string[] = [];
      const cutOff = elector(relayed, 'cut-off', 'first', told);
      try {
        await until('nobody leads', 10_000, () => Promise.resolve(cutOff.isLeader));
        const follower = new Replica('cut-off', 'second');
        await follower.saying('follows');
        const cut = Date.now();
        relay.cut(true);
        await until('it still leads', 20_000, () => Promise.resolve(!cutOff.isLeader));
        expect(Date.now() - cut).toBeLessThan(11_000);
        expect(follower.says('leads')).toBe(false);
        await follower.saying('leads');
        expect(Date.now() - cut).toBeLessThan(20_000);
        expect(told).toEqual(['leads', 'lost']);
      } finally {
        await cutOff.stop();
        relay.close();
        relayed.close();
      }
    },
    120_000,
  );

  it.concurrent(
    'gives a Lease that is not there to one of many that want it',
    async () => {
      const all = [...Array(8).keys()].map((i) => elector(client, 'contested', `replica-${i}`));
      const leaders = () => all.filter(({ isLeader }) => isLeader);
      try {
        await until('nobody leads', 20_000, () => Promise.resolve(leaders().length > 0));
        await new Promise((resolve) => setTimeout(resolve, 5_000));
        expect(leaders()).toHaveLength(1);
        expect((await read('contested')).spec).toMatchObject({ leaseTransitions: 0 });
      } finally {
        await Promise.all(all.map((one) => one.stop()));
      }
    },
    120_000,
  );
});
