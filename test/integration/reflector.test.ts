import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { KubeClient } from '../../operator/kube/client.ts';
import { Reflector } from '../../operator/kube/reflector.ts';
import type { KubeObject } from '../../operator/kube/reflector.ts';
import { until } from '../cluster/progress.ts';
import { makeNamespace } from './api-server.ts';
import { Relay } from './relay.ts';

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
    relay = new Relay();
    relayed = await relay.client();
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
