import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Explanation } from '../../../cli/explain/layout.ts';
import type { Overview } from '../../../operator/coverage/overview.ts';
import { ApiError, KubeClient } from '../../../operator/kube/client.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { run } from '../../cluster/command.ts';
import { announce, until } from '../../cluster/progress.ts';
import { installOperator, OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { CHECKOUT } from '../../docs/pages.ts';
import { untilUsable } from '../../integration/api-server.ts';
import { withFreshOperator } from '../installation.ts';
import { nodePod } from '../node-pod.ts';
import { PodStream } from './pod-stream.ts';
import { loadPreviousImages, packagePreviousChart, PREVIOUS } from './previous-version.ts';

const PER_SECOND = 5;
/** `webhook.timeoutSeconds` of the chart: a pod that took so long has waited for somebody who was not there. */
const PATIENCE_MS = 3_000;
/** The command of the guide that removes what `helm uninstall` keeps. */
const REMOVE = ['delete', 'crd', 'tracingpolicies.tracing.acme', 'clustertracingpolicies.tracing.acme'];
/** What an uninstalled chart keeps: the definitions, and that the API server serves them. */
const KEPT = [
  'APIService v1alpha1.tracing.acme',
  'CustomResourceDefinition clustertracingpolicies.tracing.acme',
  'CustomResourceDefinition tracingpolicies.tracing.acme',
];
const ADMISSION = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const CLUSTER_NAME = `${OPERATOR.release}.${OPERATOR.namespace}`;

/** From nothing over an older version to this one and back to nothing, while pods are made all the time. */
describe('the life of an installation', () => {
  const client = KubeClient.fromDefault();
  const namespace = `life-${randomBytes(3).toString('hex')}`;
  const folder = mkdtempSync(join(tmpdir(), 'lifecycle-'));
  let cluster: Cluster;
  let images: Images;
  let before: Set<string>;
  let stream: PodStream | undefined;

  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const helm = (...args: string[]) => cluster.run('helm', [...args, '--namespace', OPERATOR.namespace]);
  const policy = (spec: object = {}) => ({
    apiVersion: 'tracing.acme/v1alpha1',
    kind: 'TracingPolicy',
    metadata: { name: 'default' },
    spec: {
      injection: 'All',
      exporters: [{ name: 'sink', endpoint: `http://${sink}:4318`, protocol: 'http/json' }],
      ...spec,
    },
  });
  let sink = '';

  /** Everything that is in the cluster, but for pods and events. */
  async function objects(): Promise<Set<string>> {
    const kinds = (await kubectl('api-resources', '--verbs=list,get', '--output=name'))
      .split('\n')
      .filter((name) => name !== '' && !/^(pods|events(\.events\.k8s\.io)?|componentstatuses)$/.test(name));
    const format = '{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{"\\n"}{end}';
    const listed = await kubectl(
      'get',
      kinds.join(),
      '--all-namespaces',
      '--ignore-not-found',
      `--output=jsonpath=${format}`,
    );
    return new Set(
      listed
        .split('\n')
        .filter(Boolean)
        .map((line) => line.replace(' /', ' ')),
    );
  }
  const added = async () => [...(await objects())].filter((each) => !before.has(each)).sort();

  /** A pod that no scheduler takes: nothing of it runs. */
  const unscheduled = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, annotations: { 'tracing.acme/inject': 'true' } },
    spec: { schedulerName: 'nobody', terminationGracePeriodSeconds: 0, containers: [{ name: 'app', image: 'app:1' }] },
  });
  /** Makes pods all the time while something else is done, and before and after. */
  async function whilePodsAreMade(work: () => Promise<void>): Promise<PodStream> {
    stream = new PodStream(client, namespace, unscheduled);
    stream.start(PER_SECOND);
    await sleep(2_000);
    await work();
    await sleep(3_000);
    await stream.stop();
    // Their names are to be had again.
    await kubectl('delete', 'pods', '--field-selector=spec.schedulerName=nobody', '--force', '--grace-period=0');
    return stream;
  }
  const slowest = ({ made }: PodStream) => Math.max(...made.map(({ sent, answered }) => answered - sent));
  const isInjected = async (name: string) =>
    (await kubectl('get', 'pod', name, '--output=jsonpath={.spec.initContainers[*].name}')) === 'tracing-acme-agent';
  const restarts = (name: string) =>
    kubectl('get', 'pod', name, '--output=jsonpath={.status.containerStatuses[0].restartCount}');
  /** How many times spans have come. */
  const arrivals = async () => (await kubectl('logs', 'sink')).split('\n').filter((line) => line === 'spans').length;
  async function spansCome(): Promise<void> {
    const known = await arrivals();
    await until('no spans come', 60_000, async () => (await arrivals()) > known);
  }

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    await helm('uninstall', OPERATOR.release, '--wait');
    await cluster.run('kubectl', [...REMOVE, '--timeout=60s']);
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(client, namespace, 30_000);
    await kubectl('wait', 'configmap/kube-root-ca.crt', '--for=create', '--timeout=30s');
  }, 300_000);

  afterAll(async () => {
    await stream?.stop();
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
    rmSync(folder, { recursive: true, force: true });
    client.close();
  }, 60_000);

  it('uninstalled, and the definitions removed as the guide says, leaves nothing', async () => {
    const ours = async () =>
      [...(await objects())].filter(
        (each) =>
          /tracing[-.]|telemetr/.test(each) &&
          !each.endsWith(`Namespace ${OPERATOR.namespace}`) &&
          !each.includes(`${OPERATOR.namespace}/kube-root-ca.crt`) &&
          !each.includes(`${OPERATOR.namespace}/default`),
      );
    let left: string[] = [];
    await until('something is left', 60_000, async () => (left = await ours()).length === 0).catch(() => undefined);
    expect(left).toEqual([]);
    before = await objects();
  }, 120_000);

  it('of an older version is upgraded, its definitions too, while each pod that is made is injected and none is restarted', async () => {
    const previous = await loadPreviousImages(cluster, images, folder);
    const chart = await packagePreviousChart(cluster, folder);
    const image = (ref: string) => ref.slice(0, ref.lastIndexOf(':'));
    await helm(
      ...['install', OPERATOR.release, chart, '--wait', '--timeout=180s'],
      ...['--set', `image.repository=${image(previous.operator.ref)}`],
      ...['--set', `agent.image.repository=${image(previous.agent.ref)}`],
    );
    const server = `require('http').createServer((request, response) => {
      if (request.url === '/v1/traces') console.log('spans');
      request.resume().on('end', () => response.end('{}'));
    }).listen(4318)`;
    await apply(
      nodePod(images.shop.ref, 'sink', {
        annotations: { 'tracing.acme/inject': 'false' },
        container: { command: ['node', '-e', server] },
      }),
    );
    await kubectl('wait', 'pod/sink', '--for=condition=Ready', '--timeout=60s');
    sink = await kubectl('get', 'pod', 'sink', '--output=jsonpath={.status.podIP}');
    await apply(policy());
    await expect(apply(policy({ rollout: { strategy: 'Never' } }))).rejects.toThrow(/unknown field "spec.rollout"/);
    const stored = await kubectl('get', 'tracingpolicy', 'default', '--output=jsonpath={.metadata.uid} {.spec}');
    const calls = `setInterval(() => fetch('http://${sink}:4318/call').then((answer) => answer.text(), () => {}), 250)`;
    await until('pods are not injected', 30_000, async () => {
      await kubectl('delete', 'pod', 'traced', '--ignore-not-found', '--force', '--grace-period=0');
      await apply(nodePod(images.shop.ref, 'traced', { container: { command: ['node', '-e', calls] } }));
      return isInjected('traced');
    });
    await kubectl('wait', 'pod/traced', '--for=condition=Ready', '--timeout=60s');
    await spansCome();

    const pods = await whilePodsAreMade(() => installOperator(cluster, images));
    announce(`  ${pods.made.length} pods made, the slowest in ${slowest(pods).toFixed(0)} ms`);
    expect(pods.failures).toEqual([]);
    expect(pods.made.length).toBeGreaterThan(4 * PER_SECOND);
    expect(pods.made.filter(({ injected }) => !injected)).toEqual([]);

    const releases = JSON.parse(await helm('history', OPERATOR.release, '--output=json')) as { chart: string }[];
    expect(releases[0]!.chart).toBe(`tracing-operator-${PREVIOUS}`);
    expect(releases.at(-1)!.chart).not.toContain(PREVIOUS);
    expect(await kubectl('get', 'tracingpolicy', 'default', '--output=jsonpath={.metadata.uid} {.spec}')).toBe(stored);
    await apply(policy({ rollout: { strategy: 'Never' }, sampling: { ratio: 0.999 } }));
    await until('the policy is not delivered', 20_000, async () =>
      (await kubectl('get', 'configmap', 'tracing-acme-policies', '--output=jsonpath={.data}')).includes('0.999'),
    );
    expect(await restarts('traced')).toBe('0');
    await spansCome();
  }, 600_000);

  it('is uninstalled webhook first, no pod is refused or waits, those that are traced run on, and nothing is left but policies', async () => {
    /** When each of these was first gone, and whether it ever was back. */
    const watched = {
      webhook: `${ADMISSION}/${CLUSTER_NAME}`,
      'webhook of policies': `${ADMISSION}/${CLUSTER_NAME}-policies`,
      operator: `/apis/apps/v1/namespaces/${OPERATOR.namespace}/deployments/${OPERATOR.release}`,
      rights: `/apis/rbac.authorization.k8s.io/v1/clusterroles/${CLUSTER_NAME}`,
    };
    const gone = new Map<string, number>();
    const back: string[] = [];
    let isWatching = true;
    const watch = async () => {
      while (isWatching) {
        await Promise.all(
          Object.entries(watched).map(async ([name, path]) => {
            const isThere = await client.request('GET', path).then(
              () => true,
              (error: unknown) => !(error instanceof ApiError && error.status === 404),
            );
            if (!isThere && !gone.has(name)) gone.set(name, performance.now());
            if (isThere && gone.has(name)) back.push(name);
          }),
        );
        await sleep(10);
      }
    };
    await until('there is no webhook for the policy', 20_000, () =>
      client.request('GET', watched['webhook of policies']).then(
        () => true,
        () => false,
      ),
    );
    const { metadata, spec } = nodePod(images.shop.ref, 'asks');
    await apply({
      ...{ apiVersion: 'apps/v1', kind: 'Deployment' },
      metadata: { name: 'asks', annotations: { 'tracing.acme/inject': 'true' } },
      spec: { selector: { matchLabels: metadata.labels }, template: { metadata: { labels: metadata.labels }, spec } },
    });
    await kubectl('rollout', 'status', 'deployment/asks', '--timeout=120s');
    const began = performance.now();
    const watching = watch();
    const pods = await whilePodsAreMade(async () => {
      await helm('uninstall', OPERATOR.release, '--wait');
    });
    let left: string[] = [];
    const kept = [...KEPT, `TracingPolicy ${namespace}/default`].sort();
    const addedByUs = async () => (await added()).filter((each) => !each.includes(`${namespace}/asks`));
    await until('something is left', 60_000, async () => (left = await addedByUs()).length === kept.length).catch(
      () => undefined,
    );
    isWatching = false;
    await watching;
    const order = [...gone].map(([name, at]) => `${name} ${((at - began) / 1000).toFixed(2)} s`);
    announce(
      `  gone: ${order.join(', ')}; back: ${back.length}; the slowest of ${pods.made.length} pods: ${slowest(pods).toFixed(0)} ms`,
    );
    expect(left).toEqual(kept);
    expect([...gone.keys()].sort()).toEqual(Object.keys(watched).sort());
    expect(gone.get('webhook')).toBeLessThan(gone.get('operator')!);
    expect(back).toEqual([]);
    expect(pods.failures).toEqual([]);
    expect(slowest(pods)).toBeLessThan(PATIENCE_MS);
    expect(pods.made[0]!.injected).toBe(true);
    expect(pods.made.at(-1)!.injected).toBe(false);

    expect(await restarts('traced')).toBe('0');
    await spansCome();
    const id = await kubectl('get', 'pod', 'traced', '--output=jsonpath={.status.containerStatuses[0].containerID}');
    await cluster.killContainer(id.replace(/^.*:\/\//, ''));
    await until('it does not start again', 60_000, async () => (await restarts('traced')) === '1');
    await kubectl('wait', 'pod/traced', '--for=condition=Ready', '--timeout=60s');
    await spansCome();
  }, 300_000);

  it('is not spoken of as if it were there, and what it left of a workload goes by the command that explain gives', async () => {
    await run(process.execPath, ['cli/build.ts'], { cwd: CHECKOUT });
    const tracing = async (...args: string[]) =>
      JSON.parse(
        await cluster.run(join(CHECKOUT, 'dist/kubectl-tracing'), [...args, '-n', namespace, '-o', 'json'], {
          tolerant: true,
        }),
      ) as Overview & Explanation;
    const status = await tracing('status');
    expect(status.operator.troubles).toEqual([
      { reason: 'NotInstalled', message: expect.stringContaining('Left over: 1 policy') },
    ]);
    expect(JSON.stringify(status)).not.toContain('restart it');

    const annotations = () =>
      kubectl(
        ...['get', 'deployment', 'asks'],
        '--output=jsonpath={.metadata.annotations.tracing\\.acme/inject} {.spec.template.metadata.annotations}',
      );
    expect(await annotations()).toContain('tracing.acme/inject-from-workload');
    const { problems } = await tracing('explain', 'deployment/asks');
    expect(problems[0]!.text).toMatch(/^the operator is not installed/);
    expect(problems).toHaveLength(2);
    await cluster.run('bash', ['-c', problems[1]!.next]);
    await kubectl('rollout', 'status', 'deployment/asks', '--timeout=120s');
    expect((await annotations()).trim()).toBe('');
    await until('a pod with the agent is left', 60_000, async () => {
      const pods = await kubectl('get', 'pods', '-l', 'app=asks', '--output=jsonpath={.items[*].metadata.labels}');
      return !pods.includes('tracing.acme/injected');
    });
    expect((await tracing('explain', 'deployment/asks')).problems).toHaveLength(1);
    await kubectl('delete', 'deployment', 'asks');
  }, 300_000);

  it('takes up work again where it is installed anew: the policies are those from before', async () => {
    await installOperator(cluster, images);
    await until('pods are not injected', 30_000, async () => {
      await kubectl('delete', 'pod', 'again', '--ignore-not-found', '--force', '--grace-period=0');
      await apply(nodePod(images.shop.ref, 'again'));
      return isInjected('again');
    });
    await until('the policy does not see it', 60_000, async () => {
      const status = await kubectl('get', 'tracingpolicy', 'default', '--output=jsonpath={.status.pods.injected}');
      return Number(status) >= 2;
    });
  }, 300_000);
});
