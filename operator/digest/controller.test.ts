import { beforeEach, describe, expect, it } from '@jest/globals';
import { ApiError } from '../kube/client.ts';
import type { RequestOptions } from '../kube/client.ts';
import type { ConfigMap, NamespaceMeta, PodMeta } from '../policy/cluster-view.ts';
import type { KeptReport } from '../reports/report.ts';
import { DigestController } from './controller.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const meta = (name: string, uid = name) => ({ name, uid, resourceVersion: '1' });
const SIGNAL = new AbortController().signal;

/** Namespaces with a pod each, whose agents count something in every minute; time is passed by hand. */
class Cluster {
  now = Date.parse('2026-01-01T12:00:00Z');
  /** Namespaces in the order in which they were written. */
  writes: string[] = [];
  bodies: unknown[] = [];
  failure: Error | undefined;
  /** What the agents of a namespace say besides numbers. */
  readonly said = new Map<string, Partial<KeptReport>>();
  readonly owners = new Map<string, string>();
  readonly gone = new Set<string>();
  started = 1;
  readonly news = new Set<string>();
  readonly watched = new Set<string>();
  readonly controller = new DigestController(
    {
      request: <T>(_method: string, path: string, options?: RequestOptions) => {
        if (this.failure) return Promise.reject<T>(this.failure);
        this.writes.push(/namespaces\/([^/]*)/.exec(path)![1]!);
        this.bodies.push(options?.body);
        return Promise.resolve({} as T);
      },
    },
    {
      namespace: (name) => (this.gone.has(name) ? undefined : ({ metadata: meta(name) } satisfies NamespaceMeta)),
      configMap: (name) =>
        ({ metadata: meta('tracing-acme-policies', this.owners.get(name) ?? name) }) satisfies ConfigMap,
      injectedPods: (name) => [
        {
          metadata: { ...meta(name), namespace: name, creationTimestamp: '2026-01-01T00:00:00Z' },
          status: { phase: 'Running' },
        } satisfies PodMeta,
      ],
    },
    {
      reports: (podUid) => this.reports(podUid),
      now: () => this.now,
      onNews: (name) => void this.news.add(name),
      isWatched: (name) => this.watched.has(name),
    },
  );

  /** One round of the operator's: a look at each, then what is new and so many whose numbers are due. */
  async round(names: string[], most = 30): Promise<string[]> {
    this.writes = [];
    for (const name of names) this.controller.look(name);
    for (const name of new Set([...this.news, ...this.controller.due(most)])) await this.controller.write(name, SIGNAL);
    this.news.clear();
    return this.writes;
  }

  pass(milliseconds: number): void {
    this.now += milliseconds;
    this.started++;
  }

  private reports(podUid: string): KeptReport[] {
    const said = this.said.get(podUid);
    return said === undefined
      ? []
      : [
          {
            ...{ namespace: podUid, pod: podUid, podUid, container: 'app', pid: 1, receivedAt: this.now },
            ...{ key: 'policy.default.json', revision: '1', agentVersion: '0.1.0', nodeVersion: 'v24.1.0' },
            counters: {
              started: this.started,
              sampled: 0,
              exported: 0,
              queueFull: 0,
              exportFailed: 0,
              shutdown: 0,
              exceptions: 0,
            },
            ...said,
          },
        ];
  }
}

let cluster: Cluster;
const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);
beforeEach(() => void (cluster = new Cluster()));

describe('what is written about the agents of a namespace', () => {
  it('is nothing before one reports, and nothing at rest', async () => {
    expect(await cluster.round(['a'])).toEqual([]);
    cluster.said.set('a', {});
    expect(await cluster.round(['a'])).toEqual(['a']);
    for (let minute = 0; minute < 60; minute++) {
      cluster.now += MINUTE;
      expect(await cluster.round(['a'])).toEqual([]);
    }
  });

  it.each<[string, Partial<KeptReport>]>([
    ['another revision', { revision: '2' }],
    ['a problem', { problems: ['propagators: no such one'] }],
    ['a library', { libraries: ['express@5.1.0'] }],
    ['a library without spans', { uninstrumented: [{ library: 'pg@6.4.2', why: 'UnsupportedVersion' }] }],
    [
      'the first span that is lost',
      {
        counters: { started: 9, sampled: 0, exported: 0, queueFull: 1, exportFailed: 0, shutdown: 0, exceptions: 0 },
      },
    ],
    ['a failure', { failure: 'not traced by us: it is npm' }],
    [
      'a receiver that is away',
      {
        exporters: [
          { name: 'main', exported: 0, dropped: 1, errors: 1, queued: 0, queueSize: 9, trouble: 'x: ECONNREFUSED' },
        ],
      },
    ],
  ])('is written anew half a minute after the last time for %s', async (_what, said) => {
    cluster.said.set('a', {});
    await cluster.round(['a']);
    cluster.said.set('a', said);
    cluster.pass(10 * SECOND);
    expect(cluster.controller.look('a')).toBe(20 * SECOND);
    expect(await cluster.round(['a'])).toEqual([]);
    cluster.pass(20 * SECOND);
    expect(await cluster.round(['a'])).toEqual(['a']);
    expect(await cluster.round(['a'])).toEqual([]);
  });

  it('is numbers too while somebody watches closely, every two seconds', async () => {
    cluster.said.set('a', {});
    await cluster.round(['a']);
    cluster.watched.add('a');
    const written: number[] = [];
    for (let second = 1; second <= 6; second++) {
      cluster.pass(SECOND);
      written.push((await cluster.round(['a'])).length);
    }
    expect(written).toEqual([0, 1, 0, 1, 0, 1]);
    cluster.now += 2 * SECOND;
    // Nothing runs: it comes again all the same.
    expect(cluster.controller.look('a')).toBe(2 * SECOND);
    cluster.watched.delete('a');
    cluster.pass(2 * SECOND);
    expect(await cluster.round(['a'])).toEqual([]);
  });

  it('says so when nobody reports any more', async () => {
    cluster.said.set('a', {});
    await cluster.round(['a']);
    cluster.said.delete('a');
    cluster.pass(MINUTE);
    expect(await cluster.round(cluster.controller.known())).toEqual(['a']);
    expect(cluster.bodies.at(-1)).toMatchObject({ data: {} });
  });

  it('is written again where it went with its owner, and forgotten with its namespace', async () => {
    cluster.said.set('a', {});
    await cluster.round(['a']);
    cluster.owners.set('a', 'another');
    expect(await cluster.round(['a'])).toEqual(['a']);
    cluster.gone.add('a');
    expect(await cluster.round(['a'])).toEqual([]);
    expect(cluster.controller.known()).toEqual([]);
  });

  it('is tried again after an error, and given up in a namespace that is going', async () => {
    cluster.said.set('a', {});
    cluster.failure = new ApiError('PATCH', '/', 500, 'InternalError', 'no');
    await expect(cluster.round(['a'])).rejects.toThrow('no');
    cluster.failure = new ApiError('PATCH', '/', 404, 'NotFound', 'no');
    expect(await cluster.round(['a'])).toEqual([]);
    cluster.failure = undefined;
    expect(await cluster.round(['a'])).toEqual([]);
  });
});

describe('numbers that run', () => {
  it('are written every five minutes where there are few namespaces', async () => {
    const few = names(3);
    for (const name of few) cluster.said.set(name, {});
    expect(await cluster.round(few)).toEqual(few);
    const counts: number[] = [];
    for (let minute = 1; minute <= 10; minute++) {
      cluster.pass(MINUTE);
      counts.push((await cluster.round(few)).length);
    }
    expect(counts).toEqual([0, 0, 0, 0, 3, 0, 0, 0, 0, 3]);
  });

  it('of a thousand namespaces are thirty writes a minute, and each has its turn', async () => {
    const many = names(1_000);
    for (const name of many) cluster.said.set(name, {});
    expect(await cluster.round(many)).toHaveLength(1_000);
    const written = new Map<string, number>();
    cluster.pass(4 * MINUTE);
    for (let minute = 1; minute <= 34; minute++) {
      cluster.pass(MINUTE);
      const writes = await cluster.round(many);
      expect(writes.length).toBeLessThanOrEqual(30);
      for (const name of writes) written.set(name, (written.get(name) ?? 0) + 1);
    }
    expect(written.size).toBe(1_000);
    expect(Math.max(...written.values())).toBeLessThanOrEqual(2);

    // What is new does not wait for them.
    cluster.said.set('n500', { revision: '2' });
    cluster.pass(MINUTE);
    expect(await cluster.round(many)).toContain('n500');
  });
});
