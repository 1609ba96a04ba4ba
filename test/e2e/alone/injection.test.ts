import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import type { Images } from '../../demo/prepare.ts';
import { operatorMetric, withFreshOperator, withoutOperator, untilUsable } from '../installation.ts';
import { nodePod } from '../node-pod.ts';
import type { PodOptions } from '../node-pod.ts';

const ENTRY = '/var/run/tracing.acme/agent/register.cjs';
/** Prints what it was started with, then stays. */
const PROGRAM = `console.log(JSON.stringify({ NODE_OPTIONS: process.env.NODE_OPTIONS, execArgv: process.execArgv,
  heap: require('v8').getHeapStatistics().heap_size_limit >> 20 }));
  setInterval(() => {}, 1000)`;

/** Injection on a real cluster: what the API server sends us, and what the kubelet then runs. */
describe('injection', () => {
  let cluster: Cluster;
  let images: Images;
  const namespace = `inject-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (...items: unknown[]) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });

  const pod = (name: string, { container = {}, ...options }: PodOptions = {}) =>
    nodePod(images.shop.ref, name, { ...options, container: { command: ['node', '-e', PROGRAM], ...container } });
  const asked = { 'tracing.acme/inject': 'true' };

  /** Makes a pod, waits until it runs and returns what its process printed first. */
  async function started(name: string, options: PodOptions): Promise<{ NODE_OPTIONS?: string; heap: number }> {
    await apply(pod(name, options));
    await kubectl('wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s');
    let line: string | undefined;
    await until(`${name} has printed nothing`, 20_000, async () => {
      line = (await kubectl('logs', name, '-c', 'app')).split('\n').find((text) => text.startsWith('{'));
      return line !== undefined;
    });
    return JSON.parse(line!) as { NODE_OPTIONS?: string; heap: number };
  }

  const read = async <T>(...args: string[]): Promise<T> => JSON.parse(await kubectl('get', ...args, '-o', 'json')) as T;
  interface PodObject {
    metadata: { labels?: Record<string, string>; annotations?: Record<string, string> };
    spec: { initContainers?: { name: string }[] };
    status: { qosClass: string };
  }

  /** The count of admission requests that have reached the webhook, over all replicas. */
  async function reviews(): Promise<number> {
    const counts = await operatorMetric(cluster, 'controller_runtime_webhook_requests_total');
    return [...counts.values()].reduce((sum, count) => sum + count, 0);
  }

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await cluster.run('kubectl', ['label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=baseline']);
    await untilUsable(cluster, namespace, 20_000);
  }, 180_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('does not see pods that ask for nothing', async () => {
    const before = await reviews();
    await started('bare', {});
    expect((await read<PodObject>('pod', 'bare')).spec.initContainers).toBeUndefined();
    // Nothing runs these: it is making them that is looked at.
    const many = [...Array(200).keys()].map((i) => pod(`many-${i}`, { spec: { schedulerName: 'nobody' } }));
    await cluster.run('kubectl', ['--namespace', namespace, 'create', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: many }),
    });
    expect(await reviews()).toBe(before);
    await kubectl('delete', 'pods', '--field-selector', 'spec.schedulerName=nobody', '--wait=false');
  }, 150_000);

  it('loads the agent into a pod that asks, and is asked about it once', async () => {
    const before = await reviews();
    const { NODE_OPTIONS } = await started('asked', { annotations: asked });
    expect(await reviews()).toBe(before + 1);
    expect(NODE_OPTIONS).toBe(`--require ${ENTRY}`);
    const { metadata, spec } = await read<PodObject>('pod', 'asked');
    expect(spec.initContainers?.map(({ name }) => name)).toEqual(['tracing-acme-agent']);
    expect(metadata.labels).toMatchObject({ 'tracing.acme/injected': 'true' });
    expect(await kubectl('logs', 'asked', '-c', 'tracing-acme-agent')).toMatch(/copied/);
  }, 90_000);

  it('keeps NODE_OPTIONS wherever it comes from', async () => {
    await apply(
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'base' },
        data: { NODE_OPTIONS: '--max-old-space-size=111' },
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'later' },
        stringData: { OPTIONS: '--max-old-space-size=222' },
      },
    );
    const valueFrom = (name: string, optional: boolean) => ({
      env: [{ name: 'NODE_OPTIONS', valueFrom: { configMapKeyRef: { name, key: 'NODE_OPTIONS', optional } } }],
    });
    const cases: Record<string, [PodOptions, string]> = {
      literal: [{ container: { env: [{ name: 'NODE_OPTIONS', value: '--no-warnings' }] } }, '--no-warnings '],
      reference: [{ container: valueFrom('base', false) }, '--max-old-space-size=111 '],
      'optional-there': [{ container: valueFrom('base', true) }, '--max-old-space-size=111 '],
      'optional-missing': [{ container: valueFrom('nosuch', true) }, ' '],
      'env-from': [{ container: { envFrom: [{ configMapRef: { name: 'base' } }] } }, '--max-old-space-size=111 '],
      'env-from-last': [
        {
          container: {
            envFrom: [
              { configMapRef: { name: 'base' } },
              { prefix: 'NODE_', secretRef: { name: 'later' } },
              { prefix: 'OTHER_', configMapRef: { name: 'base' } },
            ],
          },
        },
        '--max-old-space-size=222 ',
      ],
      'env-from-missing': [{ container: { envFrom: [{ configMapRef: { name: 'nosuch', optional: true } }] } }, ' '],
      stated: [
        { annotations: { 'tracing.acme/image-node-options': '--max-old-space-size=333' } },
        '--max-old-space-size=333 ',
      ],
    };
    const seen = await Promise.all(
      Object.entries(cases).map(async ([name, [options]]) => {
        const annotations = { ...asked, ...options.annotations };
        return [name, (await started(name, { ...options, annotations })).NODE_OPTIONS];
      }),
    );
    const expected = Object.entries(cases).map(([name, [, before]]) => [name, `${before}--require ${ENTRY}`]);
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(expected));
  }, 120_000);

  it('fits the restricted Pod Security Standard and an arbitrary user on a read-only root', async () => {
    await kubectl('label', 'namespace', namespace, '--overwrite', 'pod-security.kubernetes.io/enforce=restricted');
    try {
      const { NODE_OPTIONS } = await started('restricted', {
        annotations: asked,
        container: {
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            readOnlyRootFilesystem: true,
          },
        },
        spec: {
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 1000770000,
            runAsGroup: 0,
            seccompProfile: { type: 'RuntimeDefault' },
          },
        },
      });
      expect(NODE_OPTIONS).toContain(ENTRY);
    } finally {
      await kubectl('label', 'namespace', namespace, '--overwrite', 'pod-security.kubernetes.io/enforce=baseline');
    }
  }, 90_000);

  it('starts where the pod runs as root by its own word', async () => {
    const options = { annotations: asked, spec: { securityContext: { runAsUser: 0 } } };
    expect((await started('as-root', options)).NODE_OPTIONS).toContain(ENTRY);
  }, 90_000);

  it.each([
    ['BestEffort', {}],
    ['Burstable', { requests: { cpu: '10m', memory: '64Mi' } }],
    ['Guaranteed', { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '100m', memory: '128Mi' } }],
  ])('leaves a %s pod its quality of service', async (qosClass, resources) => {
    const name = `qos-${qosClass.toLowerCase()}`;
    await apply(pod(name, { annotations: asked, container: { resources } }));
    const created = await read<PodObject>('pod', name);
    expect(created.spec.initContainers).toHaveLength(1);
    expect(created.status.qosClass).toBe(qosClass);
  });

  it('obeys a LimitRange and a ResourceQuota that the app obeys', async () => {
    const name = 'quota';
    await apply(
      {
        apiVersion: 'v1',
        kind: 'LimitRange',
        metadata: { name },
        spec: {
          limits: [{ type: 'Container', min: { cpu: '60m', memory: '48Mi' }, max: { cpu: '1', memory: '256Mi' } }],
        },
      },
      {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { name },
        spec: {
          hard: { 'requests.cpu': '60m', 'requests.memory': '64Mi', 'limits.cpu': '1', 'limits.memory': '1Gi' },
          scopes: ['NotBestEffort'],
        },
      },
    );
    try {
      const resources = { requests: { cpu: '60m', memory: '64Mi' }, limits: { cpu: '100m', memory: '128Mi' } };
      // The quota leaves room for what the app asks for and no more; other pods of this namespace are BestEffort or gone.
      await kubectl('delete', 'pods', '--all', '--grace-period=0', '--force');
      await until('the quota is not free', 20_000, async () => {
        const quota = await read<{ status: { used?: Record<string, string> } }>('resourcequota', name);
        return quota.status.used?.['requests.cpu'] === '0';
      });
      expect((await started('modest', { annotations: asked, container: { resources } })).NODE_OPTIONS).toContain(ENTRY);
    } finally {
      await kubectl('delete', 'limitrange,resourcequota', name);
    }
  }, 120_000);

  it('warns whoever writes another value than true or false, and injects nothing', async () => {
    const { stderr } = await warned(pod('typo', { annotations: { 'tracing.acme/inject': 'yes' } }));
    expect(stderr).toMatch(
      /Warning: tracing: pod: annotation tracing\.acme\/inject: "yes" is neither "true" nor "false"/,
    );
    expect((await read<PodObject>('pod', 'typo')).spec.initContainers).toBeUndefined();
  });

  it('follows the label of a namespace, and a pod that says no', async () => {
    await kubectl('label', 'namespace', namespace, 'tracing.acme/inject=true');
    try {
      await apply(pod('by-namespace'), pod('said-no', { annotations: { 'tracing.acme/inject': 'false' } }));
      expect((await read<PodObject>('pod', 'by-namespace')).spec.initContainers).toHaveLength(1);
      expect((await read<PodObject>('pod', 'said-no')).spec.initContainers).toBeUndefined();
    } finally {
      await kubectl('label', 'namespace', namespace, 'tracing.acme/inject-');
    }
  });

  describe('of a workload that is annotated itself', () => {
    const deployment = (annotations?: Record<string, string>) => {
      const { metadata, spec } = pod('web');
      return {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web', ...(annotations && { annotations }) },
        spec: {
          selector: { matchLabels: { app: 'web' } },
          template: { metadata: { labels: metadata.labels }, spec },
        },
      };
    };
    interface DeploymentObject {
      spec: { template: { metadata: { annotations?: Record<string, string> } } };
    }
    const injected = async () =>
      (await read<{ items: PodObject[] }>('pods', '-l', 'app=web,tracing.acme/injected=true')).items.length;
    const replicaSets = async () => (await read<{ items: unknown[] }>('replicasets', '-l', 'app=web')).items.length;
    const rolledOut = () => kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    const template = async () => (await read<DeploymentObject>('deployment', 'web')).spec.template.metadata.annotations;

    it('rolls out once when the annotation comes, and again when it goes', async () => {
      await apply(deployment());
      await rolledOut();
      expect(await injected()).toBe(0);

      await kubectl('annotate', 'deployment', 'web', 'tracing.acme/inject=true');
      await rolledOut();
      expect(await injected()).toBe(1);
      expect(await replicaSets()).toBe(2);

      // The original manifest again: nothing to roll out.
      for (let i = 0; i < 3; i++) await apply(deployment());
      expect(await replicaSets()).toBe(2);
      expect(await template()).toMatchObject({ 'tracing.acme/inject': 'true' });

      await kubectl('annotate', 'deployment', 'web', 'tracing.acme/inject-');
      await rolledOut();
      await until('a pod is still injected', 30_000, async () => (await injected()) === 0);
      expect(await template()).toBeUndefined();
    }, 180_000);

    it('warns about a wrong value on the workload', async () => {
      const { stderr } = await warned(deployment({ 'tracing.acme/inject': 'True' }));
      expect(stderr).toMatch(/Warning: tracing: Deployment web: annotation tracing\.acme\/inject: "True" is neither/);
    });
  });

  it('never keeps a pod from starting when the operator is gone', async () => {
    await withoutOperator(cluster, async () => {
      expect((await started('without-operator', { annotations: asked })).NODE_OPTIONS).toBeUndefined();
    });
    // A Service follows the readiness of its pods within a second or so; whoever comes before is admitted as he is.
    await until('pods are not injected again', 20_000, async () => {
      const args = ['--namespace', namespace, 'apply', '--dry-run=server', '--output=json', '-f', '-'];
      const input = JSON.stringify(pod('probe', { annotations: asked }));
      const { spec } = JSON.parse(await cluster.run('kubectl', args, { input })) as PodObject;
      return spec.initContainers !== undefined;
    });
    expect((await started('operator-is-back', { annotations: asked })).NODE_OPTIONS).toContain(ENTRY);
  }, 240_000);

  /** Applies one object and returns what kubectl prints for people. */
  async function warned(object: unknown): Promise<{ stderr: string }> {
    const script = 'kubectl --namespace "$1" apply -f - 2>&1 >/dev/null';
    const input = JSON.stringify(object);
    return { stderr: await cluster.run('sh', ['-c', script, 'sh', namespace], { input }) };
  }
});
