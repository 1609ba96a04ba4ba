import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { installOperator, OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { withFreshOperator, untilUsable } from '../installation.ts';
import { nodePod } from '../node-pod.ts';

const CHART = join(import.meta.dirname, '../../../charts/tracing-operator');
const exporters = [{ name: 'default', endpoint: 'http://collector.observability:4318' }];

interface PodObject {
  metadata: { name: string; uid: string; annotations: Record<string, string> };
  spec: { initContainers?: { name: string }[]; containers: { name: string; env?: { name: string }[] }[] };
}

/** Which policy is in force, seen in what running pods have mounted; and what `injection: All` injects. */
describe('policies', () => {
  let cluster: Cluster;
  let images: Images;
  const suffix = randomBytes(3).toString('hex');
  const namespace = `policies-${suffix}`;
  const other = `policies-other-${suffix}`;
  const clusterPolicies: string[] = [];

  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown, where = namespace) =>
    cluster.run('kubectl', ['--namespace', where, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const pod = (name: string, annotations: Record<string, string> = {}) => {
    const made = nodePod(images.shop.ref, name, { annotations });
    const [app] = made.spec.containers;
    made.spec.containers.push({ ...app!, name: 'sidecar', command: ['sleep', '100000'] });
    return made;
  };
  const policy = (name: string, spec: object) => ({
    apiVersion: 'tracing.acme/v1alpha1',
    kind: 'TracingPolicy',
    metadata: { name },
    spec,
  });
  const clusterPolicy = async (name: string, spec: object) => {
    const full = `${name}-${suffix}`;
    if (!clusterPolicies.includes(full)) clusterPolicies.push(full);
    await apply({ apiVersion: 'tracing.acme/v1alpha1', kind: 'ClusterTracingPolicy', metadata: { name: full }, spec });
    return full;
  };
  const ours = {
    matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: [namespace, other] }],
  };
  const get = async (name: string, where = namespace): Promise<PodObject> =>
    JSON.parse(await cluster.run('kubectl', ['--namespace', where, 'get', 'pod', name, '-o', 'json'])) as PodObject;

  /** What a pod's files say is in force: the key, and the document of that key. */
  async function inForce(name: string): Promise<{ key: string; source?: string; ratio?: number; exporters?: number }> {
    const read = (file: string) =>
      kubectl('exec', name, '-c', 'app', '--', 'cat', `/var/run/tracing.acme/policy/${file}`).catch(() => '');
    const key = await read('pod/key');
    const text = key === 'none' ? '' : await read(key);
    if (text === '') return { key };
    const document = JSON.parse(text) as {
      source: string;
      spec: { sampling: { ratio: number }; exporters: unknown[] };
    };
    const { source, spec } = document;
    return { key, source, ratio: spec.sampling.ratio, exporters: spec.exporters.length };
  }
  const becomes = async (name: string, wanted: object) => {
    let last: unknown;
    await until(`${name} has not come under ${JSON.stringify(wanted)}`, 10_000, async () => {
      last = await inForce(name);
      return Object.entries(wanted).every(([key, value]) => (last as Record<string, unknown>)[key] === value);
    });
  };

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    for (const name of [namespace, other]) await cluster.run('kubectl', ['create', 'namespace', name]);
    for (const name of [namespace, other]) await untilUsable(cluster, name, 20_000);
    await apply(pod('web', { 'tracing.acme/inject': 'true' }));
    await kubectl('wait', 'pod/web', '--for=condition=Ready', '--timeout=60s');
  }, 180_000);

  afterAll(async () => {
    for (const name of clusterPolicies)
      await cluster.run('kubectl', ['delete', 'clustertracingpolicy', name, '--ignore-not-found'], { tolerant: true });
    for (const name of [namespace, other])
      await cluster.run('kubectl', ['delete', 'namespace', name, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('come into force in a running pod by rank, and fall back as they go', async () => {
    expect(await inForce('web')).toEqual({ key: 'none' });
    const base = await clusterPolicy('base', { namespaceSelector: ours, sampling: { ratio: 0.1 }, exporters });
    await becomes('web', { source: `ClusterTracingPolicy ${base}`, ratio: 0.1 });

    await apply(policy('team', { sampling: { ratio: 0.2 }, exporters }));
    await becomes('web', { source: `TracingPolicy ${namespace}/team`, ratio: 0.2 });

    await apply(policy('urgent', { priority: 10, sampling: { ratio: 0.3 }, exporters }));
    await becomes('web', { source: `TracingPolicy ${namespace}/urgent`, ratio: 0.3 });

    await kubectl('annotate', 'pod', 'web', 'tracing.acme/policy=team');
    await becomes('web', { source: `TracingPolicy ${namespace}/team`, ratio: 0.2 });

    await kubectl('annotate', 'pod', 'web', 'tracing.acme/policy-');
    await becomes('web', { source: `TracingPolicy ${namespace}/urgent` });
    await kubectl('delete', 'tracingpolicy', 'urgent');
    await becomes('web', { source: `TracingPolicy ${namespace}/team` });
    await kubectl('delete', 'tracingpolicy', 'team');
    await becomes('web', { source: `ClusterTracingPolicy ${base}` });
    await cluster.run('kubectl', ['delete', 'clustertracingpolicy', base]);
    await becomes('web', { key: 'none' });
    await until('the ConfigMap is still there', 10_000, () =>
      kubectl('get', 'configmap', 'tracing-acme-policies').then(
        () => false,
        () => true,
      ),
    );
  }, 120_000);

  it('apply to the pods that they select, and of equals the oldest, then the first by name', async () => {
    interface Made {
      status?: { conditions?: { type: string; status: string }[] };
    }
    const read = async (name: string) => JSON.parse(await kubectl('get', 'tracingpolicy', name, '-o', 'json')) as Made;
    const overlaps = (name: string) =>
      until(`${name} does not say that it overlaps`, 10_000, async () => {
        const { conditions = [] } = (await read(name)).status ?? {};
        return conditions.some(({ type, status }) => type === 'Overlapping' && status === 'True');
      });
    const comesFrom = (name: string) => becomes('web', { source: `TracingPolicy ${namespace}/${name}` });
    const selecting = (app: string) => ({ priority: 1, selector: { matchLabels: { app } }, exporters });

    await apply(policy('m-oldest', { exporters }));
    await comesFrom('m-oldest');
    await apply(policy('selecting', selecting('web')));
    await comesFrom('selecting');
    await apply(policy('selecting', selecting('another')));
    await comesFrom('m-oldest');
    await kubectl('delete', 'tracingpolicy', 'selecting');

    // Times of creation are whole seconds: two policies made at once are seldom of different ones.
    const pair = {
      apiVersion: 'v1',
      kind: 'List',
      items: ['z-later', 'a-later'].map((name) => policy(name, { exporters })),
    };
    const created = '{.items[*].metadata.creationTimestamp}';
    const times = async () =>
      (await kubectl('get', 'tracingpolicy', 'a-later', 'z-later', '-o', `jsonpath=${created}`)).split(' ');
    do {
      await kubectl('delete', 'tracingpolicy', 'a-later', 'z-later', '--ignore-not-found');
      await apply(pair);
    } while (new Set(await times()).size > 1);
    for (const name of ['a-later', 'z-later', 'm-oldest']) await overlaps(name);
    await comesFrom('m-oldest');
    await kubectl('delete', 'tracingpolicy', 'm-oldest');
    await comesFrom('a-later');
    await kubectl('delete', 'tracingpolicy', 'a-later');
    await comesFrom('z-later');
    await kubectl('delete', 'tracingpolicy', 'z-later');
    await becomes('web', { key: 'none' });
  }, 120_000);

  it('say so when a pod names one that is not there', async () => {
    await apply(policy('team', { exporters }));
    await kubectl('annotate', 'pod', 'web', 'tracing.acme/policy=missing');
    const degraded = 'jsonpath={.status.conditions[?(@.type=="Degraded")].message}';
    await until('the policy in force says nothing', 10_000, async () =>
      (await kubectl('get', 'tracingpolicy', 'team', '-o', degraded)).includes('names missing'),
    );
    await becomes('web', { source: `TracingPolicy ${namespace}/team` });
    await apply(policy('missing', { sampling: { ratio: 0.5 }, exporters }));
    await becomes('web', { source: `TracingPolicy ${namespace}/missing` });
    await kubectl('annotate', 'pod', 'web', 'tracing.acme/policy-');
    await kubectl('delete', 'tracingpolicy', 'missing', 'team');
    await becomes('web', { key: 'none' });
  }, 60_000);

  it('leave the rest to the default of the chart, where that has an exporter', async () => {
    const { namespace: where, release } = OPERATOR;
    const defaults = JSON.stringify({ sampling: { ratio: 0.7 }, exporters });
    const values = ['--reuse-values', '--set-json', `defaultPolicy=${defaults}`, '--wait', '--timeout', '120s'];
    try {
      await cluster.run('helm', ['upgrade', release, CHART, '--namespace', where, ...values]);
      await until('web has not come under the default', 30_000, async () => (await inForce('web')).ratio === 0.7);
      expect(await inForce('web')).toMatchObject({ source: 'chart default', exporters: 1 });
      await apply(policy('team', { sampling: { ratio: 0.2 }, exporters }));
      await becomes('web', { source: `TracingPolicy ${namespace}/team`, ratio: 0.2 });
      await kubectl('delete', 'tracingpolicy', 'team');
      await becomes('web', { source: 'chart default' });
    } finally {
      await installOperator(cluster, images);
    }
    await until('web is still under the default', 30_000, async () => (await inForce('web')).key === 'none');
  }, 300_000);

  it('are switched off everywhere by one cluster policy that overrides, and on again', async () => {
    await apply(policy('team', { sampling: { ratio: 0.2 }, exporters }));
    await becomes('web', { exporters: 1 });
    const off = await clusterPolicy('off', { namespaceSelector: ours, enabled: false, override: true });
    await becomes('web', { source: `ClusterTracingPolicy ${off}`, exporters: 0 });
    await cluster.run('kubectl', ['delete', 'clustertracingpolicy', off]);
    await becomes('web', { source: `TracingPolicy ${namespace}/team`, exporters: 1 });
  }, 60_000);

  it('send spans only where a cluster policy allows', async () => {
    const limit = await clusterPolicy('limit', {
      namespaceSelector: ours,
      allowedEndpoints: ['elsewhere.example.com'],
    });
    await becomes('web', { source: `TracingPolicy ${namespace}/team`, exporters: 0 });
    await cluster.run('kubectl', ['delete', 'clustertracingpolicy', limit]);
    await becomes('web', { exporters: 1 });
  }, 60_000);

  it('with injection: All inject every new pod of their namespace but those that say no, and no other namespace', async () => {
    const injected = async (name: string, where = namespace) =>
      (await get(name, where)).spec.initContainers !== undefined;
    const dryRun = async (where = namespace) => {
      const args = ['--namespace', where, 'apply', '--dry-run=server', '--output=json', '-f', '-'];
      const made = JSON.parse(await cluster.run('kubectl', args, { input: JSON.stringify(pod('probe')) })) as PodObject;
      return made.spec.initContainers !== undefined;
    };
    expect(await dryRun()).toBe(false);
    await apply(policy('team', { injection: 'All', containers: ['app'], exporters }));
    await until('pods are not injected', 10_000, () => dryRun());

    await apply(pod('by-policy'));
    await apply(pod('says-no', { 'tracing.acme/inject': 'false' }));
    await apply(pod('elsewhere'), other);
    expect(await injected('by-policy')).toBe(true);
    expect(await injected('says-no')).toBe(false);
    expect(await injected('elsewhere', other)).toBe(false);
    const { containers } = (await get('by-policy')).spec;
    const traced = containers.filter(({ env = [] }) => env.some(({ name }) => name === 'NODE_OPTIONS'));
    expect(traced.map(({ name }) => name)).toEqual(['app']);

    await cluster.run('kubectl', ['label', 'namespace', namespace, 'tracing.acme/inject=false']);
    await until('the namespace is still injected', 10_000, async () => !(await dryRun()));
    await cluster.run('kubectl', ['label', 'namespace', namespace, 'tracing.acme/inject-']);
    await until('pods are not injected again', 10_000, () => dryRun());
    await kubectl('delete', 'tracingpolicy', 'team');
    await until('pods are still injected', 10_000, async () => !(await dryRun()));
  }, 90_000);

  it('of the cluster inject pods of the namespaces they select, at once in a new one when they select all', async () => {
    const dryRun = async (where: string) => {
      const args = ['--namespace', where, 'apply', '--dry-run=server', '--output=json', '-f', '-'];
      const made = JSON.parse(await cluster.run('kubectl', args, { input: JSON.stringify(pod('probe')) })) as PodObject;
      return made.spec.initContainers !== undefined;
    };
    const all = await clusterPolicy('all', { namespaceSelector: ours, injection: 'All', exporters });
    await until('pods are not injected', 10_000, () => dryRun(other));
    expect(await dryRun('default')).toBe(false);
    await clusterPolicy('all', { injection: 'All', exporters });
    await until('pods of default are not injected', 10_000, () => dryRun('default'));
    await cluster.run('kubectl', ['delete', 'clustertracingpolicy', all]);
    await until('pods of default are still injected', 10_000, async () => !(await dryRun('default')));
  }, 60_000);

  it('say in their status what became of them', async () => {
    interface Status {
      observedGeneration: number;
      conditions: { type: string; status: string; reason: string; message: string }[];
      pods: Record<string, number>;
      workloads?: { kind: string; name: string; reason: string }[];
    }
    const status = async (name: string) => {
      const text = await kubectl('get', 'tracingpolicy', name, '-o', 'json');
      return (JSON.parse(text) as { status?: Status }).status;
    };
    const has = async (name: string, check: (found: Status) => boolean) => {
      let found: Status | undefined;
      try {
        await until('status', 10_000, async () => ((found = await status(name)) ? check(found) : false));
      } catch {
        throw new Error(`${name} has the status ${JSON.stringify(found)}`);
      }
    };
    const condition = (found: Status, type: string) => found.conditions.find((each) => each.type === type);

    await apply(policy('first', { exporters }));
    await has(
      'first',
      (found) => found.observedGeneration === 1 && found.pods.injected! > 0 && found.pods.missing === 0,
    );
    await has('first', (found) => condition(found, 'Ready')?.status === 'True');

    await apply(policy('nowhere', { priority: 9 }));
    await has('nowhere', (found) => condition(found, 'Ready')?.reason === 'NoExporter');
    await has('first', (found) => condition(found, 'Overlapping')?.status === 'True');
    const overlapping = condition((await status('first'))!, 'Overlapping');
    expect(overlapping?.message).toContain(`TracingPolicy ${namespace}/nowhere over TracingPolicy ${namespace}/first`);
    await kubectl('delete', 'tracingpolicy', 'nowhere');
    await has('first', (found) => condition(found, 'Overlapping')?.status === 'False');

    // A pod that is told to be traced too late: it has no agent, and a restart is what it needs.
    await apply(pod('late'));
    await kubectl('annotate', 'pod', 'late', 'tracing.acme/inject=true');
    await has('first', (found) => found.pods.missing === 1 && condition(found, 'Degraded')?.reason === 'PodsMissing');
    const late = expect.objectContaining({ kind: 'Pod', name: 'late', reason: 'Missing' });
    expect((await status('first'))?.workloads).toEqual(expect.arrayContaining([late]));
    expect(await kubectl('get', 'tracingpolicy')).toMatch(
      /NAME +RATIO +EXPORTERS +MATCHED +REPORTING +OUTDATED +MISSING +READY +HEALTH +AGE\nfirst .* True +PodsMissing /,
    );
    // Events say what happened, by words that people can filter by.
    await until('there is no event', 10_000, async () =>
      (await kubectl('get', 'events.events.k8s.io')).includes('RestartNeeded'),
    );
    const events = await kubectl('get', 'events.events.k8s.io');
    expect(events).toMatch(/PolicyProblem +tracingpolicy\/nowhere/);
    expect(events).toMatch(/PolicyOverlaps +tracingpolicy\/first/);
    await kubectl('delete', 'tracingpolicy', 'first');
  }, 90_000);

  it('refuse to be switched off and inject all pods', async () => {
    await expect(apply(policy('odd', { enabled: false, injection: 'All' }))).rejects.toThrow(
      /switched off cannot inject all pods.*\{enabled: true, injection: All\}/,
    );
  });
});
