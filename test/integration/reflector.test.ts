import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { KubeClient } from '../../operator/kube/client.ts';
import { Reflector } from '../../operator/kube/reflector.ts';
import type { KubeObject } from '../../operator/kube/reflector.ts';
import { until } from '../cluster/progress.ts';
import { makeNamespace } from './api-server.ts';

/** A TCP relay in front of the API server whose connections can be cut, and which can be shut for a while. */
class Relay {
  readonly #open = new Set<net.Socket>();
  #shut = false;
  readonly #server: net.Server;

  constructor(target: URL) {
    this.#server = net.createServer((near) => {
      if (this.#shut) return near.destroy();
      const far = net.connect(Number(target.port || 443), target.hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#open.add(from);
        from.pipe(to);
        from.on('error', () => to.destroy()).on('close', () => this.#open.delete(from));
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return (this.#server.address() as net.AddressInfo).port;
  }

  cut(shut: boolean): void {
    this.#shut = shut;
    for (const socket of this.#open) socket.destroy();
  }

  close(): void {
    this.cut(true);
    this.#server.close();
  }
}

describe('a reflector on a real API server', () => {
  const direct = KubeClient.fromDefault();
  let relay: Relay;
  let relayed: KubeClient;
  let namespace: Awaited<ReturnType<typeof makeNamespace>>;
  let reflector: Reflector<KubeObject>;
  const events: string[] = [];

  const path = () => `/api/v1/namespaces/${namespace.name}/configmaps`;
  const create = (name: string) =>
    direct.request('POST', path(), {
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { t: '1' } } },
    });
  const remove = (name: string) => direct.request('DELETE', `${path()}/${name}`);
  const names = () => [...reflector.values()].map(({ metadata }) => metadata.name).sort();

  const hasNames = (wanted: string) =>
    until(`the store has not become ${wanted}`, 20_000, () => Promise.resolve(names().join() === wanted));

  beforeAll(async () => {
    namespace = await makeNamespace(direct);
    const config = new KubeConfig();
    config.loadFromDefault();
    const cluster = config.getCurrentCluster()!;
    const target = new URL(cluster.server);
    relay = new Relay(target);
    const server = `https://127.0.0.1:${await relay.listen()}`;
    config.loadFromClusterAndUser(
      { ...cluster, server, tlsServerName: 'kubernetes.default' },
      config.getCurrentUser()!,
    );
    relayed = new KubeClient(config);
    for (let i = 0; i < 3; i++) await create(`before-${i}`);
    reflector = new Reflector({
      client: relayed,
      path: path(),
      labelSelector: 't=1',
      logger: pino({ level: 'silent' }),
      baseDelay: 50,
      maxDelay: 200,
      onChange: ({ metadata }, _previous, deleted) => events.push(`${deleted ? '-' : '+'}${metadata.name}`),
    });
    reflector.start();
    await reflector.synced;
  });
  afterAll(async () => {
    await reflector.stop();
    relay.close();
    relayed.close();
    await namespace.delete();
    direct.close();
  });

  it('has all of it once it is synced, and only what the selector asks for', () => {
    expect(names()).toEqual(['before-0', 'before-1', 'before-2']);
  });

  it('follows changes', async () => {
    await create('while');
    await remove('before-0');
    await hasNames('before-1,before-2,while');
  });

  it('misses nothing that happens while it is cut off, and says nothing twice', async () => {
    relay.cut(true);
    const heard = events.length;
    await create('unheard');
    await remove('before-1');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(events).toHaveLength(heard);
    relay.cut(false);
    await hasNames('before-2,unheard,while');
    expect(events.slice(heard).sort()).toEqual(['+unheard', '-before-1']);
  });
});
