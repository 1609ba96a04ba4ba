import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { KubeClient } from './client.ts';
import type { KubeObject } from './reflector.ts';
import { Reflector } from './reflector.ts';

/**
 * An API server that misbehaves on request: what a real one does seldom (410, cut connections, errors between pages).
 * The same reflector runs against a real API server in test/integration.
 */
class FaultyServer {
  objects = new Map<string, KubeObject>();
  version = 1;
  requests: URL[] = [];
  pageSize = 1000;
  fault: ((url: URL, response: http.ServerResponse) => boolean) | undefined;
  readonly #watches = new Set<http.ServerResponse>();
  readonly #server = http.createServer((request, response) => {
    const url = new URL(request.url!, 'http://x');
    this.requests.push(url);
    if (this.fault?.(url, response)) return;
    if (url.searchParams.get('watch')) {
      response.writeHead(200);
      response.flushHeaders();
      this.#watches.add(response);
      response.on('close', () => this.#watches.delete(response));
      return;
    }
    const start = Number(url.searchParams.get('continue') ?? 0);
    const all = [...this.objects.values()];
    const next = start + this.pageSize < all.length ? String(start + this.pageSize) : undefined;
    const metadata = { resourceVersion: String(this.version), continue: next };
    response.end(JSON.stringify({ metadata, items: all.slice(start, start + this.pageSize) }));
  });

  async listen(): Promise<KubeClient> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    const config = new KubeConfig();
    const server = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    config.loadFromClusterAndUser({ name: 'faulty', server, skipTLSVerify: true }, { name: 'none' });
    return new KubeClient(config);
  }

  put(name: string, silent = false): void {
    const type = this.objects.has(name) ? 'MODIFIED' : 'ADDED';
    const metadata = { name, namespace: 'n', resourceVersion: String(++this.version), managedFields: [{}] };
    this.objects.set(name, { metadata });
    if (!silent) this.send({ type, object: { metadata } });
  }

  remove(name: string, silent = false): void {
    const object = this.objects.get(name)!;
    this.objects.delete(name);
    const metadata = { ...object.metadata, resourceVersion: String(++this.version) };
    if (!silent) this.send({ type: 'DELETED', object: { metadata } });
  }

  send(event: unknown): void {
    for (const watch of this.#watches) watch.write(`${JSON.stringify(event)}\n`);
  }

  cut(): void {
    for (const watch of this.#watches) watch.socket?.destroy();
  }

  get watches(): number {
    return this.#watches.size;
  }

  lists(): number {
    return this.requests.filter((url) => !url.searchParams.get('watch')).length;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

describe('Reflector', () => {
  let server: FaultyServer;
  let client: KubeClient;
  let reflector: Reflector<KubeObject>;
  let changes: string[];
  let failures: number[];

  beforeEach(async () => {
    server = new FaultyServer();
    client = await server.listen();
    changes = [];
    failures = [];
    const write = (line: string) => {
      const { failures: count } = JSON.parse(line) as { failures?: number };
      if (count !== undefined) failures.push(count);
    };
    reflector = new Reflector({
      client,
      path: '/api/v1/things',
      logger: pino({ level: 'warn' }, { write }),
      baseDelay: 5,
      maxDelay: 20,
      onChange: (object, previous, deleted) =>
        changes.push(`${deleted ? '-' : previous ? '~' : '+'}${object.metadata.name}`),
    });
  });
  afterEach(async () => {
    await reflector.stop();
    client.close();
    await server.close();
  });

  const until = async (condition: () => boolean) => {
    for (let i = 0; i < 400 && !condition(); i++) await sleep(5);
    expect(condition()).toBe(true);
  };
  const stored = () => [...reflector.values()].map(({ metadata }) => metadata.name).sort();
  const synced = async () => {
    reflector.start();
    await reflector.synced;
    await until(() => server.watches === 1);
  };

  it('lists in pages, then follows each change', async () => {
    server.pageSize = 2;
    for (const name of ['a', 'b', 'c', 'd', 'e']) server.put(name, true);
    await synced();
    expect(stored()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(server.lists()).toBe(3);
    server.put('f');
    server.put('a');
    server.remove('b');
    await until(() => changes.length === 8);
    expect(changes.slice(5)).toEqual(['+f', '~a', '-b']);
    expect(stored()).toEqual(['a', 'c', 'd', 'e', 'f']);
    expect(reflector.get('n/a')?.metadata.managedFields).toBeUndefined();
  });

  it('is not synced before a whole list succeeded, however often it fails', async () => {
    let failures = 0;
    server.put('a', true);
    server.fault = (_url, response) => {
      if (++failures > 3) return false;
      response.writeHead(500).end('{"reason":"InternalError"}');
      return true;
    };
    reflector.start();
    await sleep(5);
    expect(reflector.hasSynced).toBe(false);
    await reflector.synced;
    expect(stored()).toEqual(['a']);
  });

  it('goes on from where it was when a watch is cut: no second list, nothing missed', async () => {
    server.put('a', true);
    await synced();
    server.put('b');
    await until(() => changes.includes('+b'));
    const version = server.version;
    server.cut();
    await until(() => server.requests.length === 3 && server.watches === 1);
    expect(server.lists()).toBe(1);
    expect(server.requests[2]!.searchParams.get('resourceVersion')).toBe(String(version));
  });

  it('tries again without delay, however often a watch is cut that had brought something', async () => {
    await synced();
    for (let i = 0; i < 12; i++) {
      server.put(`x${i}`);
      await until(() => changes.includes(`+x${i}`));
      server.cut();
      await until(() => server.watches === 1 && server.requests.length === i + 3);
    }
    // With a delay that doubles, up to 20 ms here, twelve in a row would say 12 failures.
    expect(failures).toEqual(Array.from({ length: 12 }, () => 1));
  });

  it('does not go back to an older version that it is told of late, nor to what is gone', async () => {
    server.put('a', true);
    await synced();
    const old = structuredClone(server.objects.get('a')!);
    server.put('a');
    await until(() => changes.includes('~a'));
    reflector.note(old);
    expect(reflector.get('n/a')?.metadata.resourceVersion).toBe(String(server.version));
    server.remove('a');
    await until(() => changes.includes('-a'));
    reflector.note({ metadata: { ...old.metadata, resourceVersion: '9999' } });
    expect(reflector.get('n/a')).toBeUndefined();
  });

  it('starts from the last bookmark', async () => {
    await synced();
    server.send({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '777' } } });
    await sleep(20);
    server.cut();
    await until(() => server.requests.length === 3);
    expect(server.requests[2]!.searchParams.get('resourceVersion')).toBe('777');
  });

  it('lists again on 410, and finds what changed and went meanwhile', async () => {
    for (const name of ['a', 'b', 'c']) server.put(name, true);
    await synced();
    server.remove('a', true);
    server.put('b', true);
    server.put('d', true);
    server.send({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old resource version' } });
    await until(() => changes.length === 6);
    expect(changes.slice(3).sort()).toEqual(['+d', '-a', '~b']);
    expect(stored()).toEqual(['b', 'c', 'd']);
    expect(server.lists()).toBe(2);
  });

  it('outlives a garbled event and an answer that is no watch', async () => {
    server.put('a', true);
    await synced();
    server.send('not an event');
    await until(() => server.requests.length >= 3 && server.watches === 1);
    server.put('b');
    await until(() => stored().length === 2);
  });

  it('asks for a server timeout of 5 to 10 minutes, with bookmarks', async () => {
    await synced();
    const watch = server.requests.at(-1)!.searchParams;
    expect(Number(watch.get('timeoutSeconds'))).toBeGreaterThanOrEqual(300);
    expect(Number(watch.get('timeoutSeconds'))).toBeLessThanOrEqual(600);
    expect(watch.get('allowWatchBookmarks')).toBe('true');
  });
});
