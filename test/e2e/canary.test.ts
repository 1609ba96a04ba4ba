import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { deriveImageArchive } from '../cluster/image-archive.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import { untilUsable, withOperator } from './installation.ts';
import { nodePod } from './node-pod.ts';

interface Pod {
  metadata: { name: string; uid: string; annotations: Record<string, string>; deletionTimestamp?: string };
  status: { phase: string; containerStatuses?: { ready: boolean; restartCount: number }[] };
}
interface Status {
  conditions?: { type: string; status: string; reason: string; message: string }[];
  canary?: { pods: number; others: number };
}

/** A new agent that ends every app which loads it: half of the new pods get it, until it is noticed. */
describe('a new agent that makes apps restart', () => {
  let cluster: Cluster;
  let images: Images;
  const suffix = randomBytes(3).toString('hex');
  const name = `canary-${suffix}`;
  const folder = mkdtempSync(join(tmpdir(), 'canary-'));

  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', name, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', name, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const policy = (canary: object) =>
    apply({
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'ClusterTracingPolicy',
      metadata: { name },
      spec: {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
        exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }],
        agent: { canary },
      },
    });
  const status = async (): Promise<Status> =>
    JSON.parse((await kubectl('get', 'clustertracingpolicy', name, '-o', 'jsonpath={.status}')) || '{}') as Status;
  const halted = async () => (await status()).conditions?.find(({ type }) => type === 'CanaryHalted');
  const pods = async (): Promise<Pod[]> => {
    const { items } = JSON.parse(await kubectl('get', 'pods', '-o', 'json')) as { items: Pod[] };
    return items.filter(({ metadata }) => !metadata.deletionTimestamp);
  };
  const has = (image: string) => (pod: Pod) =>
    pod.metadata.annotations['tracing.acme/agent']?.startsWith(image) === true;
  const runs = ({ status }: Pod) => status.phase === 'Running' && status.containerStatuses?.every(({ ready }) => ready);

  /** An agent with another program that copies it, in the node's store. */
  async function image(version: string, program: string): Promise<string> {
    const root = join(folder, version);
    mkdirSync(join(root, 'bin'), { recursive: true });
    writeFileSync(join(root, 'bin/copy-agent'), program, { mode: 0o755 });
    const ref = `tracing-acme/agent-${version}:${suffix}`;
    const archive = join(folder, `${version}.tar`);
    await deriveImageArchive(archive, ref, images.agent.archive, { root, config: { User: '65532' } });
    await cluster.load({ ref, archive });
    return ref;
  }

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    await cluster.run('kubectl', ['create', 'namespace', name]);
    await untilUsable(cluster, name, 60_000);
  }, 180_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await cluster.run('kubectl', ['delete', 'clustertracingpolicy', name, '--ignore-not-found'], { tolerant: true });
    await cluster.run('kubectl', ['delete', 'namespace', name, '--wait=false'], { tolerant: true });
  }, 60_000);

  it('spreads no more once its pods restart: new pods have the other one, and go on with what they have', async () => {
    const bad = await image('bad', '#!/bin/sh\necho "process.exit(7)" > "$1/register.cjs"\n');
    const good = await image('good', '#!/bin/sh\n: > "$1/register.cjs"\n');
    await policy({ image: bad, percent: 50 });
    await until('the operator has not seen the policy', 30_000, async () => (await halted())?.status === 'False');

    const { metadata, spec } = nodePod(images.shop.ref, 'web');
    const template = { metadata: { ...metadata, annotations: { 'tracing.acme/inject': 'true' } }, spec };
    const selector = { matchLabels: metadata.labels };
    await apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { replicas: 6, selector, template },
    });
    await until('there are no pods', 60_000, async () => (await pods()).length === 6);
    const before = await pods();
    // Each replica deals by itself, so of few pods it is half, give or take one for each of them.
    const canaries = before.filter(has(bad));
    expect(canaries.length).toBeGreaterThanOrEqual(1);
    expect(canaries.length).toBeLessThanOrEqual(5);
    await until('it is not noticed', 180_000, async () => (await halted())?.status === 'True');
    expect(await halted()).toMatchObject({ reason: 'RestartsRose' });
    expect((await halted())?.message).toMatch(new RegExp(`Deployment ${name}/web: \\d+ restarts of \\d pods?`));
    const reasons = `jsonpath={.items[?(@.involvedObject.name=="${name}")].reason}`;
    await until('there is no event', 30_000, async () =>
      (await cluster.run('kubectl', ['get', 'events', '--all-namespaces', '-o', reasons])).includes('CanaryHalted'),
    );

    await kubectl('scale', 'deployment', 'web', '--replicas=10');
    await until('new pods do not run', 120_000, async () => (await pods()).filter(runs).length >= 10 - canaries.length);
    const after = await pods();
    // Nobody restarted or replaced anything, and none of the new ones has it.
    expect(
      after
        .filter(has(bad))
        .map(({ metadata }) => metadata.uid)
        .sort(),
    ).toEqual(canaries.map(({ metadata }) => metadata.uid).sort());
    expect(after.map(({ metadata }) => metadata.uid)).toEqual(
      expect.arrayContaining(before.map(({ metadata }) => metadata.uid)),
    );

    // A better one: the policy has changed, so it goes on.
    await policy({ image: good, percent: 100 });
    await until('it does not go on', 30_000, async () => (await halted())?.status === 'False');
    await kubectl('rollout', 'restart', 'deployment', 'web');
    await until('not all pods have the better one', 180_000, async () => {
      const now = await pods();
      return now.length === 10 && now.every((pod) => has(good)(pod) && runs(pod));
    });
    await until('they are not counted', 30_000, async () => (await status()).canary?.pods === 10);
    expect(await halted()).toMatchObject({ status: 'False', reason: 'Spreading' });
  }, 420_000);
});
