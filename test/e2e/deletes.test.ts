import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KubeClient, MERGE_PATCH } from '../../operator/kube/client.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { until } from '../cluster/progress.ts';
import { untilUsable, withOperator } from './installation.ts';
import { stolenToken } from './stolen-token.ts';

/** Of pods that are never scheduled: what is said of them is their status, and that is written here. */
const podSpec = {
  nodeSelector: { 'example.com/none': 'none' },
  containers: [{ name: 'app', image: 'app:1' }],
};
const INJECTED = { 'tracing.acme/injected': 'true' };
const RESTARTED = { 'tracing.acme/restarted-at': '2026-01-01T00:00:00Z' };

interface Made {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

/** Which pods somebody who has stolen the operator's token can end: RBAC lets it delete any, an admission policy these alone. */
describe("the operator's own ServiceAccount may delete", () => {
  const namespace = `deletes-${randomBytes(3).toString('hex')}`;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  let cluster: Cluster;
  let thief: KubeClient;
  const admin = KubeClient.fromDefault();
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);

  /** The name of the one pod that a workload makes. */
  async function made(kind: 'ReplicaSet' | 'StatefulSet', name: string, metadata: Made, spec: object): Promise<string> {
    const labels = { app: name, ...metadata.labels };
    const template = { metadata: { ...metadata, labels }, spec };
    await admin.request('POST', `/apis/apps/v1/namespaces/${namespace}/${kind.toLowerCase()}s`, {
      body: {
        metadata: { name },
        spec: {
          ...{ replicas: 1, selector: { matchLabels: { app: name } }, template },
          ...(kind === 'StatefulSet' && { serviceName: name }),
        },
      },
    });
    let pod = '';
    await until(`the ${kind} has no pod`, 60_000, async () => {
      pod = await podsOf(name);
      return pod !== '';
    });
    return pod;
  }
  const podsOf = (app: string) =>
    kubectl('get', 'pods', '-l', `app=${app}`, '-o', 'jsonpath={.items[*].metadata.name}');
  const uidOf = (pod: string) => kubectl('get', 'pod', pod, '--ignore-not-found', '-o', 'jsonpath={.metadata.uid}');
  const alone = (name: string, metadata: Made, spec: object) =>
    admin.request('POST', pods, { body: { metadata: { name, ...metadata }, spec } });
  const container = (of: string, state: object, more: object = {}) => [
    { name: of, image: 'x:1', imageID: '', ready: false, restartCount: 0, state, ...more },
  ];
  const set = (pod: string, status: object) =>
    admin.request('PATCH', `${pods}/${pod}/status`, { contentType: MERGE_PATCH, body: { status } });
  const refused = (pod: string) =>
    expect(thief.request('DELETE', `${pods}/${pod}`)).rejects.toThrow(/may not DELETE pods but those/);

  beforeAll(async () => {
    ({ cluster } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 60_000);
    thief = await stolenToken(cluster);
  }, 180_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
    thief.close();
    admin.close();
  }, 30_000);

  it('a pod that hangs by our agent, has never run, and is made anew', async () => {
    const spec = { ...podSpec, initContainers: [{ name: 'tracing-acme-agent', image: 'agent:1' }] };
    const name = await made('ReplicaSet', 'hanging', { labels: INJECTED }, spec);
    await alone('nobodys', { labels: INJECTED }, spec);
    const app = (state: object, more: object = {}) => container('app', state, more);
    const waiting = { waiting: { reason: 'PodInitializing' } };
    const hangs = container('tracing-acme-agent', { waiting: { reason: 'ErrImagePull' } });
    const says = (pod: string, initContainerStatuses: unknown, containerStatuses: unknown, phase = 'Pending') =>
      set(pod, { phase, initContainerStatuses, containerStatuses });

    await alone('target', {}, podSpec);
    await refused('target');
    await refused(name);
    await says('nobodys', hangs, app(waiting));
    await refused('nobodys');
    await says(name, container('tracing-acme-agent', { terminated: { exitCode: 0 } }), app(waiting));
    await refused(name);
    await says(name, hangs, app({ running: {} }));
    await refused(name);
    await says(name, hangs, app(waiting, { lastState: { terminated: { exitCode: 1 } } }));
    await refused(name);
    await says(name, hangs, app(waiting), 'Running');
    await refused(name);
    await says(name, hangs, app(waiting));
    await thief.request('DELETE', `${pods}/${name}`);
    await until('its owner has not made it anew', 60_000, async () => {
      const others = await podsOf('hanging');
      return others !== '' && !others.includes(name);
    });
  }, 180_000);

  it('a pod that crashes with our agent since its StatefulSet was restarted', async () => {
    const crashes = (restartCount: number, more: object = {}) => ({
      phase: 'Running',
      containerStatuses: container('app', { waiting: { reason: 'CrashLoopBackOff' } }, { restartCount, ...more }),
    });
    const ours = { labels: INJECTED, annotations: RESTARTED };
    const name = await made('StatefulSet', 'crashing', ours, podSpec);
    await refused(name);
    await set(name, crashes(1));
    await refused(name);
    await set(name, crashes(5, { ready: true, state: { running: {} } }));
    await refused(name);

    // As bad, and none of our business: without the agent, not restarted by us, of another owner, of none.
    for (const [app, kind, metadata] of [
      ['bare', 'StatefulSet', { annotations: RESTARTED }],
      ['before', 'StatefulSet', { labels: INJECTED }],
      ['replicas', 'ReplicaSet', ours],
    ] as const) {
      const other = await made(kind, app, metadata, podSpec);
      await set(other, crashes(5));
      await refused(other);
    }
    await alone('single', ours, podSpec);
    await set('single', crashes(5));
    await refused('single');

    await set(name, crashes(2));
    const uid = await uidOf(name);
    await thief.request('DELETE', `${pods}/${name}`);
    await until('its owner has not made it anew', 60_000, async () => !['', uid].includes(await uidOf(name)));
  }, 180_000);
});
