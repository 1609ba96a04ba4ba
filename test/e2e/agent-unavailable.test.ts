import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../cluster/cluster.ts';
import { deriveImageArchive } from '../cluster/image-archive.ts';
import { until } from '../cluster/progress.ts';
import type { Images } from '../demo/prepare.ts';
import { withOperator, untilUsable } from './installation.ts';
import { nodePod } from './node-pod.ts';

const COPY_AGENT = 'bin/copy-agent';
/** The beginning of a program for a machine that is not this one: nothing more of it is ever read. */
const FOREIGN_PROGRAM = (() => {
  const header = Buffer.alloc(64);
  const machine = process.arch === 'x64' ? 183 : 62;
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header);
  [2, machine].forEach((value, i) => header.writeUInt16LE(value, 16 + 2 * i));
  return header;
})();

interface Status {
  conditions?: { type: string; status: string; reason: string; message: string }[];
  workloads?: { kind: string; name: string; reason: string; message?: string }[];
}
interface Pod {
  metadata: { name: string; uid: string; annotations: Record<string, string>; deletionTimestamp?: string };
  spec: { initContainers?: unknown[] };
  status: { phase: string };
}

/** Agents that cannot be had, each in a namespace of its own: apps start untraced, and are traced when it is repaired. */
describe('an agent that keeps pods from starting', () => {
  let cluster: Cluster;
  let images: Images;
  const suffix = randomBytes(3).toString('hex');
  const folder = mkdtempSync(join(tmpdir(), 'bad-agents-'));
  const made: Unavailable[] = [];

  /** A namespace in which a cluster policy gives pods this agent. */
  class Unavailable {
    readonly name: string;
    constructor(name: string) {
      this.name = `unavailable-${name}-${suffix}`;
      made.push(this);
    }

    kubectl(...args: string[]) {
      return cluster.run('kubectl', ['--namespace', this.name, ...args]);
    }

    apply(item: unknown) {
      return cluster.run('kubectl', ['--namespace', this.name, 'apply', '-f', '-'], { input: JSON.stringify(item) });
    }

    async setUp(agent: { image: string; imagePullPolicy?: string } | undefined) {
      await cluster.run('kubectl', ['create', 'namespace', this.name]);
      await untilUsable(cluster, this.name, 30_000);
      await this.give(agent);
    }

    give(agent: { image: string; imagePullPolicy?: string } | undefined) {
      return this.apply({
        apiVersion: 'tracing.acme/v1alpha1',
        kind: 'ClusterTracingPolicy',
        metadata: { name: this.name },
        spec: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': this.name } },
          exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }],
          ...(agent && { agent }),
        },
      });
    }

    workload(kind: string, spec: object = {}, pod: object = {}) {
      const { metadata, spec: podSpec } = nodePod(images.shop.ref, 'web');
      const annotations = { 'tracing.acme/inject': 'true' };
      const template = { metadata: { labels: metadata.labels, annotations }, spec: { ...podSpec, ...pod } };
      const apiVersion = kind === 'Job' ? 'batch/v1' : 'apps/v1';
      const selector = kind === 'Job' ? {} : { selector: { matchLabels: metadata.labels } };
      return this.apply({ apiVersion, kind, metadata: { name: 'web' }, spec: { ...selector, template, ...spec } });
    }

    async pods(): Promise<Pod[]> {
      const { items } = JSON.parse(await this.kubectl('get', 'pods', '-o', 'json')) as { items: Pod[] };
      return items.filter(({ metadata, status }) => !metadata.deletionTimestamp && status.phase !== 'Failed');
    }

    async status(): Promise<Status> {
      const text = await this.kubectl('get', 'clustertracingpolicy', this.name, '-o', 'jsonpath={.status}');
      return JSON.parse(text || '{}') as Status;
    }

    async degraded(): Promise<{ status: string; reason: string; message: string } | undefined> {
      return (await this.status()).conditions?.find(({ type }) => type === 'Degraded');
    }

    async outages(): Promise<{ reason: string; closed?: string }[]> {
      const path = 'jsonpath={.metadata.annotations.tracing\\.acme/agent-outages}';
      const args = ['get', 'configmap', 'tracing-acme-policies', '--ignore-not-found', '-o', path];
      return JSON.parse((await this.kubectl(...args)) || '[]') as { reason: string }[];
    }

    /** Resolves when as many pods run, all with the agent or all without. */
    async run(count: number, injected: boolean, timeout: number): Promise<Pod[]> {
      let pods: Pod[] = [];
      await until(
        `there are not ${count} running pods ${injected ? 'with' : 'without'} the agent`,
        timeout,
        async () => {
          pods = await this.pods();
          return (
            pods.length === count &&
            pods.every(({ status, spec }) => status.phase === 'Running' && !!spec.initContainers === injected)
          );
        },
      );
      return pods;
    }

    async startsUntraced(count: number, reason: RegExp, timeout = 120_000): Promise<void> {
      for (const { metadata } of await this.run(count, false, timeout))
        expect(JSON.parse(metadata.annotations['tracing.acme/status']!)).toMatchObject({ reason: 'AgentUnavailable' });
      await until('the policy does not say so', 30_000, async () => {
        return (await this.degraded())?.reason === 'AgentUnavailable';
      });
      const { conditions, workloads } = await this.status();
      expect(conditions?.find(({ type }) => type === 'Degraded')?.message).toMatch(reason);
      expect(workloads).toContainEqual(expect.objectContaining({ name: 'web', reason: 'AgentUnavailable' }));
    }

    /** New pods have the agent again, and the policy says no more that they cannot. */
    async isOver(restart: () => Promise<unknown>, count = 1, timeout = 90_000): Promise<void> {
      await restart();
      await this.run(count, true, timeout);
      await until('the policy still says so', 30_000, async () => (await this.degraded())?.status === 'False');
    }
  }

  /** An image like the agent's, with another program to copy the agent, or under another name alone. */
  async function image(name: string, program?: string | Buffer, user = '65532'): Promise<string> {
    const root = join(folder, name);
    mkdirSync(join(root, 'bin'), { recursive: true });
    if (program !== undefined) writeFileSync(join(root, COPY_AGENT), program, { mode: 0o755 });
    const archive = join(folder, `${name}.tar`);
    const ref = `tracing-acme/agent-${name}:${suffix}`;
    await deriveImageArchive(archive, ref, images.agent.archive, { root, config: { User: user } });
    await cluster.load({ ref, archive });
    return ref;
  }

  /** All at once, as most of it is waiting; each has its test below. */
  const scenarios = {
    async missing() {
      const here = new Unavailable('missing');
      await here.setUp({ image: `tracing-acme/agent-late:${suffix}` });
      await here.workload('Deployment', { replicas: 3 });
      await here.startsUntraced(3, /agent-late/);
      await image('late');
      // New pods come and go: the first after the pause tries it.
      await until('no pod tries it', 240_000, async () => {
        const [first] = await here.pods();
        if (first) await here.kubectl('delete', 'pod', first.metadata.name, '--wait=false');
        await new Promise((resolve) => setTimeout(resolve, 5_000));
        return !(await here.outages()).some(({ closed }) => closed === undefined);
      });
      await here.isOver(() => here.kubectl('rollout', 'restart', 'deployment', 'web'), 3);
    },

    async never() {
      const here = new Unavailable('never');
      await here.setUp({ image: `tracing-acme/agent-none:${suffix}`, imagePullPolicy: 'Never' });
      await here.workload('StatefulSet', { serviceName: 'web' });
      await here.startsUntraced(1, /ErrImageNeverPull/);
      await here.give(undefined);
      await here.isOver(() => here.kubectl('rollout', 'restart', 'statefulset', 'web'));
    },

    async exits() {
      const here = new Unavailable('exits');
      await here.setUp({ image: await image('exits', '#!/bin/sh\necho no agent today\nexit 3\n') });
      await here.workload('DaemonSet');
      await here.startsUntraced(1, /exit code 3: no agent today/);
      await here.give(undefined);
      await here.isOver(() => here.kubectl('rollout', 'restart', 'daemonset', 'web'));
    },

    async job() {
      const here = new Unavailable('job');
      await here.setUp({ image: await image('job', '#!/bin/sh\nexit 3\n') });
      const containers = [{ name: 'app', image: images.shop.ref, command: ['node', '-e', 'console.log(1)'] }];
      await here.workload('Job', {}, { restartPolicy: 'OnFailure', containers });
      await here.kubectl('wait', 'job/web', '--for=condition=Complete', '--timeout=150s');
      expect(await here.outages()).toMatchObject([{ reason: 'Error' }]);
    },

    async foreign() {
      const here = new Unavailable('foreign');
      await here.setUp({ image: await image('foreign', FOREIGN_PROGRAM) });
      await here.workload('Deployment');
      await here.startsUntraced(1, /exec format error|exit code/);
    },

    async root() {
      const here = new Unavailable('root');
      await here.setUp({ image: await image('root', undefined, '0') });
      const bare = nodePod(images.shop.ref, 'bare', { annotations: { 'tracing.acme/inject': 'true' } });
      await here.apply(bare);
      await until('nothing is said of the pod that nobody owns', 120_000, async () => {
        const { workloads = [] } = await here.status();
        return workloads.some(
          ({ kind, name, reason }) => kind === 'Pod' && name === 'bare' && reason === 'AgentUnavailable',
        );
      });
      await until('there is no event for it', 30_000, async () =>
        (await here.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}')).includes('nothing owns it'),
      );
      await here.workload('Deployment');
      await until('the Deployment does not start', 90_000, async () =>
        (await here.pods()).some(({ metadata, status }) => metadata.name !== 'bare' && status.phase === 'Running'),
      );
      // It was left as it is.
      expect((await here.pods()).some(({ metadata }) => metadata.name === 'bare')).toBe(true);
      await here.kubectl('delete', 'pod', 'bare');
      expect((await here.degraded())?.message).toContain('CreateContainerConfigError');
    },

    async full() {
      const here = new Unavailable('full');
      const program = `#!/bin/sh
        dd if=/dev/zero of="$1/much" bs=1M count=40
        : > "$1/register.cjs"
      `;
      await here.setUp({ image: await image('full', program) });
      await here.workload('Deployment');
      await here.startsUntraced(1, /Evicted/, 240_000);
    },
  };
  const runs = new Map<string, Promise<unknown>>();

  beforeAll(async () => {
    ({ cluster, images } = await withOperator());
    for (const [name, run] of Object.entries(scenarios))
      runs.set(
        name,
        run().then(
          () => undefined,
          (error: unknown) => error ?? new Error('failed'),
        ),
      );
  }, 180_000);

  afterAll(async () => {
    await Promise.all(runs.values());
    rmSync(folder, { recursive: true, force: true });
    for (const { name } of made) {
      await cluster.run('kubectl', ['delete', 'clustertracingpolicy', name, '--ignore-not-found'], { tolerant: true });
      await cluster.run('kubectl', ['delete', 'namespace', name, '--wait=false'], { tolerant: true });
    }
  }, 60_000);

  it.each<[keyof typeof scenarios, string]>([
    ['missing', 'its image is not there: pods start without it, and it is over by itself when somebody has pushed it'],
    ['never', 'its image is not there and never pulled; over as soon as a policy gives another'],
    ['exits', 'its init container fails'],
    ['job', 'its init container fails in the pods of a Job, which ends well all the same'],
    ['foreign', 'its program is for another machine'],
    ['root', 'the kubelet refuses to start it; a pod that nobody owns is left, and named'],
    ['full', 'it fills its volume, so that the pod is evicted'],
  ])(
    '%s: %s',
    async (name) => {
      expect(await runs.get(name)).toBeUndefined();
    },
    400_000,
  );
});
