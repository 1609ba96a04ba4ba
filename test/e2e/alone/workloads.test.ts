import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { run } from '../../cluster/command.ts';
import { until } from '../../cluster/progress.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { withFreshOperator, withoutOperator, untilUsable } from '../installation.ts';
import { nodePod } from '../node-pod.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
const SCRIPT = '"$0" "$@" 2>&1; echo "exit code $?"';
const INJECT = 'tracing.acme/inject';
const MARK = 'tracing.acme/inject-from-workload';

interface ReplicaSet {
  metadata: { name: string; creationTimestamp: string };
  spec: { replicas: number };
}
interface Workload {
  metadata: { annotations?: Record<string, string> };
  spec: { template: { metadata: { annotations?: Record<string, string> } } };
}

/** The annotation on a workload, beside all that people and tools do to workloads: a rollout each time it changes, and no other. */
describe('the annotation of a workload', () => {
  let cluster: Cluster;
  let images: Images;
  const namespace = `workloads-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown, ...args: string[]) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-', ...args], { input: JSON.stringify(item) });

  const tracing = (...args: string[]) =>
    cluster.run('sh', ['-c', SCRIPT, join(CHECKOUT, 'dist/kubectl-tracing'), ...args]);

  /** A Deployment as its owner has it in a file, which says nothing of us. */
  const manifest = (name: string, replicas = 1) => {
    const { metadata, spec } = nodePod(images.shop.ref, name);
    const template = { metadata: { labels: metadata.labels, annotations: { 'example.com/own': 'x' } }, spec };
    const selector = { matchLabels: metadata.labels };
    return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec: { replicas, selector, template } };
  };
  const read = async (name: string, kind = 'deployment') =>
    JSON.parse(await kubectl('get', kind, name, '-o', 'json')) as Workload;
  const said = async (name: string, kind = 'deployment') => {
    const { [INJECT]: inject, [MARK]: mark } = (await read(name, kind)).spec.template.metadata.annotations ?? {};
    return { inject, mark };
  };
  const traced = { inject: 'true', mark: 'true' };
  const untraced = { inject: undefined, mark: undefined };
  const replicaSets = async (name: string) => {
    const text = await kubectl('get', 'replicasets', '-l', `app=${name}`, '-o', 'json');
    return (JSON.parse(text) as { items: ReplicaSet[] }).items;
  };
  const count = async (name: string) => (await replicaSets(name)).length;
  const rolledOut = (name: string) => kubectl('rollout', 'status', `deployment/${name}`, '--timeout=120s');
  /** Whether all pods that are to stay have the agent. */
  const haveAgent = async (name: string) => {
    const path =
      'jsonpath={range .items[*]}{.metadata.deletionTimestamp}/{.metadata.labels.tracing\\.acme/injected} {end}';
    const pods = (await kubectl('get', 'pods', '-l', `app=${name}`, '-o', path)).split(' ').filter(Boolean);
    return pods.filter((pod) => pod.startsWith('/')).every((pod) => pod === '/true');
  };
  const made = async (name: string, replicas = 1) => {
    await apply(manifest(name, replicas));
    await rolledOut(name);
  };

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    await run(process.execPath, ['cli/build.ts'], { cwd: CHECKOUT });
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await untilUsable(cluster, namespace, 30_000);
  }, 180_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('alone starts the rollout that makes its pods traced, once; without it they are rolled back', async () => {
    await made('web', 2);
    await kubectl('annotate', 'deployment', 'web', `${INJECT}=true`);
    expect(await said('web')).toEqual(traced);
    await rolledOut('web');
    expect(await haveAgent('web')).toBe(true);
    expect(await count('web')).toBe(2);

    await kubectl('annotate', 'deployment', 'web', `${INJECT}-`);
    expect(await said('web')).toEqual(untraced);
    await rolledOut('web');
    expect(await haveAgent('web')).toBe(false);
    // The template is what it was: so is the ReplicaSet.
    expect(await count('web')).toBe(2);
  }, 240_000);

  it('stays through applies of the original, on the client and on the server, and in a loop: nothing else is rolled out', async () => {
    await made('applied');
    await kubectl('annotate', 'deployment', 'applied', `${INJECT}=true`);
    await rolledOut('applied');
    const { spec } = await read('applied');
    for (let i = 0; i < 5; i++) expect(await apply(manifest('applied'))).toContain('unchanged');
    for (let i = 0; i < 5; i++) {
      await apply(manifest('applied'), '--server-side', '--force-conflicts', '--field-manager=gitops');
      expect((await read('applied')).spec).toEqual(spec);
    }
    // As a tool does that compares what it has with what is there, every few seconds.
    for (let i = 0; i < 5; i++) {
      expect(await apply(manifest('applied'), '--server-side', '--field-manager=gitops')).toContain(
        'serverside-applied',
      );
      const difference = await cluster.run(
        'sh',
        [
          '-c',
          'kubectl "$@" | grep "^[+-] " || true',
          'sh',
          '-n',
          namespace,
          'diff',
          '--server-side',
          '--field-manager=gitops',
          '-f',
          '-',
        ],
        { input: JSON.stringify(manifest('applied')) },
      );
      expect(difference).toBe('');
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    }
    expect(await said('applied')).toEqual(traced);
    expect((await read('applied')).spec).toEqual(spec);
    expect(await count('applied')).toBe(2);
  }, 240_000);

  it('stays through a tool that writes the whole original with the annotation, again and again', async () => {
    const whole = manifest('replaced') as { metadata: object };
    whole.metadata = { ...whole.metadata, annotations: { [INJECT]: 'true' } };
    await apply(whole);
    await rolledOut('replaced');
    const { spec } = await read('replaced');
    for (let i = 0; i < 5; i++)
      await cluster.run('kubectl', ['--namespace', namespace, 'replace', '-f', '-'], { input: JSON.stringify(whole) });
    expect(await said('replaced')).toEqual(traced);
    expect((await read('replaced')).spec).toEqual(spec);
    expect(await count('replaced')).toBe(1);
  }, 120_000);

  it('goes through a restart, and back and forth with rollout undo', async () => {
    await made('undone');
    await kubectl('annotate', 'deployment', 'undone', `${INJECT}=true`);
    await rolledOut('undone');
    await kubectl('rollout', 'restart', 'deployment/undone');
    await rolledOut('undone');
    expect(await said('undone')).toEqual(traced);
    expect(await haveAgent('undone')).toBe(true);
    expect(await count('undone')).toBe(3);

    // To before the annotation, which kubectl takes back too; and forth again.
    await kubectl('rollout', 'undo', 'deployment/undone', '--to-revision=1');
    await rolledOut('undone');
    expect((await read('undone')).metadata.annotations?.[INJECT]).toBeUndefined();
    expect(await said('undone')).toEqual(untraced);
    expect(await haveAgent('undone')).toBe(false);
    await kubectl('rollout', 'undo', 'deployment/undone');
    await rolledOut('undone');
    expect(await said('undone')).toEqual(traced);
    expect(await haveAgent('undone')).toBe(true);
    expect(await count('undone')).toBe(3);
  }, 240_000);

  it('never touches what the owner has written on the template', async () => {
    const own = manifest('own');
    Object.assign(own.spec.template.metadata.annotations, { [INJECT]: 'false' });
    await apply(own);
    await kubectl('annotate', 'deployment', 'own', `${INJECT}=true`);
    expect(await said('own')).toEqual({ inject: 'false', mark: undefined });
    await kubectl('annotate', 'deployment', 'own', `${INJECT}-`);
    expect(await said('own')).toEqual({ inject: 'false', mark: undefined });
    expect(await count('own')).toBe(1);
  }, 60_000);

  it('is seen to where it was written or taken away while the webhook was not there, once', async () => {
    const { metadata, spec } = nodePod(images.shop.ref, 'kept');
    const template = { metadata: { labels: metadata.labels }, spec };
    const selector = { matchLabels: metadata.labels };
    await made('given', 1);
    await made('taken', 1);
    await apply({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'kept' },
      spec: { selector, template, serviceName: 'kept' },
    });
    const cron = {
      schedule: '0 0 1 1 *',
      jobTemplate: { spec: { template: { spec: { ...spec, restartPolicy: 'Never' } } } },
    };
    await apply({ apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name: 'nightly' }, spec: cron });
    await kubectl('annotate', 'deployment', 'taken', `${INJECT}=true`);
    await rolledOut('taken');

    await withoutOperator(cluster, async () => {
      await kubectl('annotate', 'deployment', 'given', `${INJECT}=true`);
      await kubectl('annotate', 'statefulset', 'kept', `${INJECT}=true`);
      await kubectl('annotate', 'cronjob', 'nightly', `${INJECT}=true`);
      await kubectl('annotate', 'deployment', 'taken', `${INJECT}-`);
      expect(await said('given')).toEqual(untraced);
      expect(await said('taken')).toEqual(traced);
      // Whoever wonders is told that it is the operator, and how to have it back.
      const scale = `kubectl -n ${OPERATOR.namespace} scale deployment/${OPERATOR.release} --replicas=2`;
      for (const verb of ['explain', 'verify']) {
        const text = await tracing(verb, 'deployment/given', '-n', namespace);
        expect(text).toContain(scale);
        expect(text).toMatch(/exit code 1\n$/);
      }
      expect(await tracing('verify', 'deployment/given', '-n', namespace)).toMatch(
        /, not watched: there is no need\n {2}operator +BROKEN +no replica of the operator in [^]*\nBroken at: operator\n/,
      );
      const status = await tracing('status', '-n', namespace);
      expect(status.replace(/\s+/g, ' ')).toContain(`is from before. ${scale}`);
      expect(status).not.toContain('led by');
    });
    const nightly = async () =>
      kubectl('get', 'cronjob', 'nightly', '-o', 'jsonpath={.spec.jobTemplate.spec.template.metadata.annotations}');
    await until('they are not set right', 60_000, async () => {
      const [given, taken, kept] = [await said('given'), await said('taken'), await said('kept', 'statefulset')];
      const all = [given.mark, taken.mark, kept.mark, (await nightly()).includes(MARK)];
      return JSON.stringify(all) === JSON.stringify(['true', null, 'true', true]);
    });
    await Promise.all(['given', 'taken'].map(rolledOut));
    expect(await haveAgent('given')).toBe(true);
    expect(await haveAgent('taken')).toBe(false);
    expect([await count('given'), await count('taken')]).toEqual([2, 2]);
  }, 300_000);
});
