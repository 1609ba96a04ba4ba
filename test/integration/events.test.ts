import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { EventRecorder } from '../../operator/events/recorder.ts';
import type { RecordedEvent } from '../../operator/events/recorder.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import { makeNamespace } from './api-server.ts';

interface Event {
  metadata: { name: string; resourceVersion: string };
  type: string;
  reason: string;
  action: string;
  note: string;
  regarding: { kind: string; name: string };
  reportingController: string;
  series?: { count: number };
}

describe('an event recorder on a real API server', () => {
  const client = KubeClient.fromDefault();
  const dropped: string[] = [];
  let namespace: Awaited<ReturnType<typeof makeNamespace>>;
  let recorder: EventRecorder;

  const event = (name: string, changes: Partial<RecordedEvent> = {}): RecordedEvent => ({
    regarding: { apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy', namespace: namespace.name, name },
    type: 'Warning',
    reason: 'PolicyOverlaps',
    action: 'Resolve',
    note: 'shop is in force: it is older',
    ...changes,
  });
  const about = async (name: string, where = namespace.name): Promise<Event[]> => {
    const path = `/apis/events.k8s.io/v1/namespaces/${where}/events`;
    const { items } = await client.request<{ items: Event[] }>('GET', path);
    return items.filter(({ regarding }) => regarding.name === name);
  };
  const counts = async (name: string) => (await about(name)).map(({ series }) => series?.count ?? 1);
  const counted = (name: string, count: number) =>
    until(`${name} is not counted ${count} times`, 10_000, async () => (await counts(name)).join() === String(count));

  beforeAll(async () => {
    namespace = await makeNamespace(client);
    recorder = new EventRecorder({
      client,
      instance: 'operator-test',
      logger: pino({ level: 'silent' }),
      onDropped: (why, count) => dropped.push(`${why} ${count}`),
    });
    recorder.start();
  });
  afterAll(async () => {
    await recorder.stop();
    await namespace.delete();
    client.close();
  });

  it('writes one that people find with their object', async () => {
    recorder.record(event('first'));
    await counted('first', 1);
    expect((await about('first'))[0]).toMatchObject({
      type: 'Warning',
      reason: 'PolicyOverlaps',
      action: 'Resolve',
      note: 'shop is in force: it is older',
      regarding: { kind: 'TracingPolicy', name: 'first' },
      reportingController: 'tracing.acme/operator',
    });
  });

  it('counts the same as a series of one event', async () => {
    recorder.record(event('again'));
    await counted('again', 1);
    recorder.record(event('again', { note: 'another note' }));
    await counted('again', 2);
    expect(await about('again')).toHaveLength(1);
    expect(dropped).toEqual([]);
  });

  it('goes on counting when somebody deletes the event', async () => {
    recorder.record(event('deleted'));
    await counted('deleted', 1);
    const [{ metadata } = { metadata: { name: '' } }] = await about('deleted');
    await client.request('DELETE', `/apis/events.k8s.io/v1/namespaces/${namespace.name}/events/${metadata.name}`);
    recorder.record(event('deleted'));
    await counted('deleted', 2);
  });

  it('writes one about an object without a namespace, and one with the longest note and name', async () => {
    const name = `${namespace.name}-${'x'.repeat(200)}`;
    const regarding = { apiVersion: 'tracing.acme/v1alpha1', kind: 'ClusterTracingPolicy', name };
    recorder.record(event('', { regarding, note: '✓'.repeat(1_000), action: 'A'.repeat(200) }));
    await until('there is no such event', 10_000, async () => (await about(name, 'default')).length === 1);
  });

  it('drops what is refused: an event in a namespace that is not there', async () => {
    recorder.record(event('lost', { regarding: { apiVersion: 'v1', kind: 'Pod', name: 'p', namespace: 'not-there' } }));
    await until('nothing was dropped', 10_000, () => Promise.resolve(dropped.includes('refused 1')));
  });

  it('writes the count of a series when it stops', async () => {
    for (let i = 0; i < 3; i++) {
      recorder.record(event('last'));
      if (i < 2) await counted('last', i + 1);
    }
    await recorder.stop();
    expect(await counts('last')).toEqual([3]);
  });
});
