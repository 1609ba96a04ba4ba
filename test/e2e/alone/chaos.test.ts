import { randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { APPLY, JSON_PATCH, KubeClient } from '../../../operator/kube/client.ts';
import { issue } from '../../../webhook/certificates.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { announce, until } from '../../cluster/progress.ts';
import { untilUsable } from '../../integration/api-server.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import { withFreshOperator } from '../installation.ts';
import type { Made } from './pod-stream.ts';
import { PodStream } from './pod-stream.ts';

/** CHAOS_SECONDS=120 for the long run of `make soak`. */
const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 40);
const PER_SECOND = 5;
/** From the moment that Endpoints change until every node's rules for the Service have followed, on a busy machine. */
const FOLLOW_MS = 4_000;
/** What `webhook.timeoutSeconds` of the chart says: then the API server goes on without an answer. */
const PATIENCE_MS = 3_000;
/** On a machine that is far too busy an answer may come too late. */
const MOST_LATE = 0.02;
/** In so long the operator lives through the 30 days of a certificate. The first replica has to be ready within two thirds. */
const LIFE_MS = Math.max(75_000, SECONDS * 1000);
const TIMEOUT_MS = 300_000 + SECONDS * 2_000;
const DAY = 86_400_000;

const SYSTEM = `/api/v1/namespaces/${OPERATOR.namespace}`;
const DEPLOYMENT = `/apis/apps/v1/namespaces/${OPERATOR.namespace}/deployments/${OPERATOR.release}`;
const SECRET = `${SYSTEM}/secrets/${OPERATOR.release}-webhook`;
const CLOCK = `${SYSTEM}/configmaps/fast-clock`;
const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${OPERATOR.namespace}/endpointslices`;

interface Replica {
  name: string;
  container: string;
  restarts: number;
  ready: boolean;
}

/** A time in which a pod need not be injected: nobody was there, or the Service still led to somebody who was not. */
interface Outage {
  why: string;
  from: number;
  to: number;
}

/** Pods are made all the time while everything that can happen to the operator happens to it. */
describe('while pods are made and the operator has a bad day', () => {
  const client = KubeClient.fromDefault();
  const namespace = `chaos-${randomBytes(3).toString('hex')}`;
  const outages: Outage[] = [];
  let cluster: Cluster;
  let template: unknown;
  let stream: PodStream;
  /** When the certificate ends that is served at first, milliseconds since 1970. */
  let end: number;
  const note = (text: string) => announce(`  ${(performance.now() / 1000).toFixed(1)} s: ${text}`);

  async function replicas(): Promise<Replica[]> {
    const { items } = await client.request<{
      items: {
        metadata: { name: string };
        status: { containerStatuses?: { containerID?: string; restartCount: number; ready: boolean }[] };
      }[];
    }>('GET', `${SYSTEM}/pods`, { query: { labelSelector: 'app.kubernetes.io/name=tracing-operator' } });
    return items.map(({ metadata, status: { containerStatuses: [status] = [] } }) => ({
      name: metadata.name,
      container: status?.containerID?.replace(/^.*:\/\//, '') ?? '',
      restarts: status?.restartCount ?? 0,
      ready: status?.ready ?? false,
    }));
  }

  /** Names of the replicas to which the Service leads. */
  async function endpoints(): Promise<string[]> {
    interface Slice {
      endpoints: { conditions: { ready?: boolean }; targetRef?: { name: string } }[] | null;
    }
    const query = { labelSelector: `kubernetes.io/service-name=${OPERATOR.release}` };
    const { items } = await client.request<{ items: Slice[] }>('GET', SLICES, { query });
    return items
      .flatMap((slice) => slice.endpoints ?? [])
      .flatMap(({ conditions, targetRef }) => (conditions.ready && targetRef ? [targetRef.name] : []));
  }

  const bothReady = () => until('not two replicas are ready', 120_000, async () => (await endpoints()).length === 2);

  /** Kills the processes of replicas without a word. It is an outage until the Service leads to those that are there. */
  async function kill(victims: Replica[]): Promise<void> {
    const why = `${victims.length} of 2 replicas killed`;
    note(why);
    const from = performance.now();
    await Promise.all(victims.map(({ container }) => cluster.killContainer(container)));
    await until('the Service does not follow', 60_000, async () => {
      const [led, now] = [await endpoints(), await replicas()];
      const noticed = victims.every(
        ({ name, restarts }) =>
          !led.includes(name) || (now.find((each) => each.name === name)?.restarts ?? 0) > restarts,
      );
      return noticed && led.length > 0;
    });
    outages.push({ why, from, to: performance.now() + FOLLOW_MS });
  }

  const served = async () => {
    const { data } = await client.request<{ data: Record<string, string> }>('GET', SECRET);
    return { ca: data['ca.crt']!, certificate: new X509Certificate(Buffer.from(data['tls.crt']!, 'base64')) };
  };
  /** A pod that no scheduler takes: nothing of it runs. */
  const pod = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, annotations: { 'tracing.acme/inject': 'true' } },
    spec: {
      schedulerName: 'nobody',
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'app', image: 'app:1' }],
    },
  });

  async function scale(count: number, operations: object[] = []): Promise<void> {
    const body = [...operations, { op: 'replace', path: '/spec/replicas', value: count }];
    await client.request('PATCH', DEPLOYMENT, { contentType: JSON_PATCH, body });
    await until(`not ${count} replicas`, 120_000, async () => {
      const all = await replicas();
      return all.length === count && all.every(({ ready }) => ready);
    });
  }

  /** Starts the operator anew, on a certificate that ends soon and a clock by which it has just been made. */
  async function withFastClock(): Promise<void> {
    const apply = (path: string, body: object) =>
      client.request('PATCH', path, { query: { fieldManager: 'chaos', force: true }, contentType: APPLY, body });
    await apply(CLOCK, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'fast-clock' },
      data: { 'fast-clock.cjs': readFileSync(new URL('fast-clock.cjs', import.meta.url), 'utf8') },
    });
    const deployment = await client.request<{ spec: { template: unknown } }>('GET', DEPLOYMENT);
    template = deployment.spec.template;
    await scale(0);

    // A certificate's times are whole seconds.
    const start = Math.floor(Date.now() / 1000) * 1000;
    end = start + LIFE_MS;
    const service = `${OPERATOR.release}.${OPERATOR.namespace}.svc`;
    const names = [service, `${service}.cluster.local`];
    const { ca, caKey } = await issue(names, start - 31 * DAY);
    const made = await issue(names, end - 30 * DAY, { ca, caKey });
    const files = { 'ca.crt': ca, 'ca.key': caKey, 'tls.crt': made.certificate, 'tls.key': made.privateKey };
    const secret = await client.request<object>('GET', SECRET);
    const data = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
    );
    await client.request('PUT', SECRET, { body: { ...secret, data } });
    const container = '/spec/template/spec/containers/0';
    await scale(2, [
      {
        op: 'add',
        path: `${container}/env`,
        value: [
          { name: 'NODE_OPTIONS', value: '--require /fast-clock/fast-clock.cjs' },
          { name: 'FAST_CLOCK', value: `${start} ${end}` },
        ],
      },
      { op: 'add', path: `${container}/volumeMounts/-`, value: { name: 'fast-clock', mountPath: '/fast-clock' } },
      {
        op: 'add',
        path: '/spec/template/spec/volumes/-',
        value: { name: 'fast-clock', configMap: { name: 'fast-clock' } },
      },
    ]);
    await bothReady();
    const { certificate } = await served();
    // On a machine that needs longer than two thirds of its life for this it has been renewed already.
    if (Date.now() < start + LIFE_MS / 2) expect(new Date(certificate.validTo).getTime()).toBe(end);
  }

  beforeAll(async () => {
    ({ cluster } = await withFreshOperator());
    await client.request('POST', '/api/v1/namespaces', {
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    });
    await client.request('POST', `/apis/tracing.acme/v1alpha1/namespaces/${namespace}/tracingpolicies`, {
      body: {
        apiVersion: 'tracing.acme/v1alpha1',
        kind: 'TracingPolicy',
        metadata: { name: 'default' },
        spec: { exporters: [{ name: 'nowhere', endpoint: 'http://127.0.0.1:9' }] },
      },
    });
    await untilUsable(client, namespace, 30_000);
    await withFastClock();
    // A replica that is ready is not yet one to which the Service leads.
    await sleep(FOLLOW_MS);
    stream = new PodStream(client, namespace, pod);
  }, 300_000);

  afterAll(async () => {
    await stream?.stop();
    await client.request('DELETE', `/api/v1/namespaces/${namespace}`).catch(() => {});
    if (template !== undefined) {
      await scale(2, [{ op: 'replace', path: '/spec/template', value: template }]);
      await client.request('DELETE', CLOCK);
    }
    client.close();
  }, 180_000);

  it(
    'no pod is refused, and each that is made while a replica is there is injected',
    async () => {
      const began = performance.now();
      stream.start(PER_SECOND);
      await sleep(2_000);
      await kill((await replicas()).slice(0, 1));
      await sleep(FOLLOW_MS + 2_000);
      await bothReady();

      await kill(await replicas());
      await sleep(FOLLOW_MS + 2_000);
      await bothReady();

      note('API server killed');
      await cluster.withoutApiServer(() => sleep(1_000));
      note('API server is back');
      await sleep(3_000);

      await sleep(Math.max(0, end + 2_000 - Date.now()));
      note('the first certificate has ended');
      const before = await served();
      expect(new Date(before.certificate.validTo).getTime()).toBeGreaterThan(Date.now() + DAY);

      note('the authority is rotated');
      await client.request('DELETE', SECRET);
      await until('there is no new authority', 30_000, async () =>
        served().then(
          ({ ca }) => ca !== before.ca,
          () => false,
        ),
      );
      await sleep(Math.max(5_000, SECONDS * 1000 - (performance.now() - began)));
      await stream.stop();

      const { made, failures, unanswered } = stream;
      const bare = made.filter(({ injected }) => !injected);
      const late = (each: Made) => each.answered - each.sent >= PATIENCE_MS;
      const excused = ({ sent, answered }: Made) => outages.find(({ from, to }) => answered >= from && sent <= to);
      const counts = outages.map(
        (outage) => `${bare.filter((each) => excused(each) === outage).length} after ${outage.why}`,
      );
      announce(
        `  ${made.length} pods made, ${bare.length} bare: ${counts.join(', ')}; ${unanswered} requests sent again`,
      );
      expect(failures).toEqual([]);
      expect(made.length).toBeGreaterThan(PER_SECOND * SECONDS * 0.7);
      const unexcused = bare.filter((each) => !excused(each));
      expect(unexcused.filter((each) => !late(each))).toEqual([]);
      expect(unexcused.length).toBeLessThanOrEqual(made.length * MOST_LATE);
      // That excuses are few: most pods had to be injected.
      expect(made.filter((each) => !excused(each)).length).toBeGreaterThan(made.length / 2);
    },
    TIMEOUT_MS,
  );

  it('the status of the policy reports each pod that was missed', async () => {
    const { made } = stream;
    const missing = made.filter(({ injected }) => !injected).length;
    const path = `/apis/tracing.acme/v1alpha1/namespaces/${namespace}/tracingpolicies/default`;
    interface Policy {
      status?: { pods?: { matched: number; missing: number } };
    }
    let pods: { matched: number; missing: number } | undefined;
    await until('the status does not settle', 60_000, async () => {
      pods = (await client.request<Policy>('GET', path)).status?.pods;
      return pods?.missing === missing && pods.matched === made.length;
    }).catch(() => {});
    expect(pods).toMatchObject({ matched: made.length, missing });
  }, 90_000);
});
