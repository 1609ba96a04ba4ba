import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { operatorMetric, withFreshOperator } from '../installation.ts';
import { nodePod } from '../node-pod.ts';

const REPLICAS = 3;

interface Status {
  observedGeneration: number;
  conditions: { type: string; status: string; reason: string; message: string }[];
  pods: Record<string, number>;
  workloads?: { kind: string; name: string; reason: string; message: string }[];
}

/** Takes spans and says nothing of them. */
const RECEIVER = `require('http').createServer((q, s) => { q.resume(); s.end(); }).listen(4318)`;
/** Traces something all the time. */
const BUSY = `const h = require('http'); h.createServer((q, s) => s.end()).listen(8080);
  setInterval(() => h.get('http://127.0.0.1:8080', (r) => r.resume()), 200)`;

/** What agents in real pods tell the operator, and what becomes of it in a policy's status. */
describe('reports of agents', () => {
  let cluster: Cluster;
  let images: Images;
  const namespace = `reports-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const operator = (...args: string[]) => cluster.run('kubectl', ['--namespace', OPERATOR.namespace, ...args]);

  const policy = (ratio: number) => ({
    apiVersion: 'tracing.acme/v1alpha1',
    kind: 'TracingPolicy',
    metadata: { name: 'default' },
    spec: { sampling: { ratio }, exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }] },
  });
  const status = async (name = 'default') => {
    const text = await kubectl('get', 'tracingpolicy', name, '-o', 'json');
    return (JSON.parse(text) as { status?: Status }).status;
  };
  const becomes = async (what: string, seconds: number, check: (found: Status) => boolean, name?: string) => {
    let found: Status | undefined;
    try {
      await until(what, seconds * 1000, async () => ((found = await status(name)) ? check(found) : false));
    } catch {
      throw new Error(`${what}: the status is ${JSON.stringify(found)}`);
    }
    return found!;
  };
  const restarted = async () => {
    await operator('rollout', 'restart', `deployment/${OPERATOR.release}`);
    await operator('rollout', 'status', `deployment/${OPERATOR.release}`, '--timeout=120s');
  };

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await apply(policy(1));
    const { metadata, spec } = nodePod(images.shop.ref, 'web');
    await apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', annotations: { 'tracing.acme/inject': 'true' } },
      spec: {
        replicas: REPLICAS,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: metadata.labels }, spec },
      },
    });
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=90s');
  }, 240_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('make a pod current that follows its policy', async () => {
    const found = await becomes('pods are not current', 40, ({ pods }) => pods.current === REPLICAS);
    expect(found.pods).toMatchObject({ matched: REPLICAS, injected: REPLICAS, reporting: REPLICAS, outdated: 0 });
    expect(found.workloads ?? []).toEqual([]);
  }, 60_000);

  it('say within seconds that a change has arrived', async () => {
    await apply(policy(0.5));
    await becomes('pods are not outdated', 5, (found) => found.observedGeneration === 2 && found.pods.outdated! > 0);
    await becomes('pods are not current again', 15, ({ pods }) => pods.current === REPLICAS && pods.outdated === 0);
  }, 30_000);

  it('go to both replicas, and reach the leader from whichever they went to', async () => {
    const before = await operatorMetric(cluster, 'tracing_operator_reports_total');
    expect(before.size).toBe(2);
    // Each change makes every agent report, on a new connection that leads to either of them.
    for (let round = 0, spread = false; !spread; round++) {
      if (round === 10) throw new Error('all reports went to one replica');
      const changed = policy(round % 2 === 0 ? 0.4 : 0.6);
      await apply(changed);
      const { metadata } = JSON.parse(await kubectl('get', 'tracingpolicy', 'default', '-o', 'json')) as {
        metadata: { generation: number };
      };
      await becomes('the change has not arrived in every pod', 20, ({ observedGeneration, pods }) => {
        return observedGeneration === metadata.generation && pods.current === REPLICAS && pods.outdated === 0;
      });
      const after = await operatorMetric(cluster, 'tracing_operator_reports_total');
      spread = [...after].every(([pod, count]) => count > (before.get(pod) ?? count));
    }
  }, 150_000);

  it('are all there for whoever leads after the leader was killed', async () => {
    const holder = async () => operator('get', 'lease', OPERATOR.release, '-o', 'jsonpath={.spec.holderIdentity}');
    const old = await holder();
    const [leader] = old.split('_');
    const state = 'jsonpath={.status.containerStatuses[0].containerID}';
    const id = (await operator('get', 'pod', leader!, '-o', state)).replace(/^.*:\/\//, '');
    await cluster.killContainer(id);
    await until('nobody else leads', 40_000, async () => (await holder()) !== old);
    // Looked at while the new leader writes its first status: none of its counts is of a part of the reports.
    const seen: number[] = [];
    await apply(policy(0.5));
    await becomes('the new leader sees no current pods', 20, ({ conditions, pods }) => {
      seen.push(pods.reporting!);
      return pods.current === REPLICAS && conditions.some((each) => each.type === 'Ready' && each.status === 'True');
    });
    await operator('rollout', 'status', `deployment/${OPERATOR.release}`, '--timeout=60s');
    seen.push((await status())!.pods.reporting!);
    expect(seen.filter((reporting) => reporting !== REPLICAS)).toEqual([]);
  }, 120_000);

  it('are not lost when the replicas are replaced one by one', async () => {
    await restarted();
    // Nobody has reported to the new replicas: they have it from the old ones.
    const found = await status();
    expect(found?.pods).toMatchObject({ matched: REPLICAS });
    await becomes('pods are not current after a restart', 15, ({ pods }) => pods.current === REPLICAS);
  }, 150_000);

  it('name what an agent found in its way', async () => {
    const tracer = '/tmp/node_modules/dd-trace';
    const script = `mkdir -p ${tracer} && echo "module.exports = {}" > ${tracer}/index.js && cd /tmp && exec node -e "require('dd-trace'); setInterval(() => {}, 1000)"`;
    const annotations = { 'tracing.acme/inject': 'true' };
    await apply(nodePod(images.shop.ref, 'bare', { annotations, container: { command: ['sh', '-c', script] } }));
    const found = await becomes('the pod has not failed', 40, ({ pods }) => pods.failed === 1);
    expect(found.workloads).toMatchObject([{ kind: 'Pod', name: 'bare', reason: 'AgentFailed' }]);
    expect(found.workloads?.[0]?.message).toMatch(/dd-trace/);
    expect(found.conditions.find(({ type }) => type === 'Degraded')).toMatchObject({
      status: 'True',
      reason: 'AgentFailed',
    });
    await kubectl('delete', 'pod', 'bare');
  }, 90_000);

  it('say that spans do not arrive, and why, and that they do again', async () => {
    // A name that stands for no pod yet: the receiver is down.
    await apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'receiver' },
      spec: { selector: { app: 'receiver' }, ports: [{ port: 4318 }] },
    });
    const endpoint = `http://receiver.${namespace}:4318`;
    const { metadata, ...rest } = policy(1);
    const spec = { ...rest.spec, priority: 5, selector: { matchLabels: { app: 'busy' } } };
    await apply({
      ...rest,
      metadata: { ...metadata, name: 'busy' },
      // So that some are lost, and not only late.
      spec: { ...spec, exporters: [{ name: 'main', endpoint }], batch: { exportTimeout: '5s' } },
    });
    const annotations = { 'tracing.acme/inject': 'true' };
    await apply(nodePod(images.shop.ref, 'busy', { annotations, container: { command: ['node', '-e', BUSY] } }));

    const lost = await becomes(
      'the status does not say that spans are lost',
      60,
      ({ conditions }) => conditions.some(({ reason }) => reason === 'ExportFailing'),
      'busy',
    );
    expect(lost.pods).toMatchObject({ matched: 1, failed: 0 });
    expect(lost.workloads).toMatchObject([{ kind: 'Pod', name: 'busy', reason: 'ExportFailing' }]);
    expect(lost.workloads?.[0]?.message).toMatch(
      /^exporter main: receiver\..*:4318: .*(ECONNREFUSED|EHOSTUNREACH|time)/,
    );
    const degraded = lost.conditions.find(({ type }) => type === 'Degraded');
    expect(degraded).toMatchObject({ status: 'True', message: expect.stringContaining(lost.workloads![0]!.message) });
    await until('there is no event', 10_000, async () =>
      (await kubectl('get', 'events.events.k8s.io', '-o', 'jsonpath={.items[*].reason}')).includes('ExportFailing'),
    );

    await apply(nodePod(images.shop.ref, 'receiver', { container: { command: ['node', '-e', RECEIVER] } }));
    const well = await becomes(
      'the status does not become well',
      120,
      ({ conditions }) => conditions.some(({ reason }) => reason === 'AsExpected'),
      'busy',
    );
    expect(well.workloads ?? []).toEqual([]);
    // Over all replicas: each counts what it was told itself.
    const metrics = ['spans_exported_total', 'spans_dropped_total', 'export_errors_total'];
    for (const metric of metrics.map((name) => `tracing_operator_${name}`)) {
      const counted = [...(await operatorMetric(cluster, metric)).values()].reduce((sum, count) => sum + count, 0);
      expect({ metric, isCounted: counted > 0 }).toEqual({ metric, isCounted: true });
    }
    await kubectl('delete', 'tracingpolicy/busy', 'pod/busy', 'pod/receiver');
  }, 260_000);

  it('are taken from nobody without a token for them', async () => {
    const post = (token: string) =>
      kubectl(
        ...['exec', 'deployment/web', '--', 'node', '--no-warnings', '-e'],
        `process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
         const body = JSON.stringify({ container: 'app', pid: 1, key: 'none', revision: 'none', agentVersion: '', nodeVersion: '' });
         fetch('https://${OPERATOR.release}.${OPERATOR.namespace}:8443/reports', { method: 'POST', body, headers: { authorization: 'Bearer ' + ${token} } })
           .then(({ status }) => console.log(status));`,
      );
    expect((await post(`'nonsense'`)).trim()).toBe('401');
    const own = `require('fs').readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/token', 'utf8')`;
    expect((await post(own)).trim()).toBe('401');
    const right = `require('fs').readFileSync('/var/run/tracing.acme/policy/token', 'utf8')`;
    expect((await post(right)).trim()).toBe('204');
  }, 60_000);
});
