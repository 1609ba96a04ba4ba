import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { OPERATOR } from '../../demo/deploy.ts';
import { podChanges, podStates } from '../../demo/pods.ts';
import type { Images } from '../../demo/prepare.ts';
import { operatorMetric, withFreshOperator } from '../installation.ts';
import { nodePod } from '../node-pod.ts';

const AWAY_MS = 10_000;
const ASK_MS = 250;
const PORT = '8080';
/** Answers with whether the request it answers is sampled. */
const APP = readFileSync(new URL('../../bench/live/probe.cjs', import.meta.url), 'utf8');
/** Asks the app beside it over and over and prints what it said, and when: nothing outside need reach the pod. */
const CLIENT = `setInterval(() => {
  const say = (sampled) => console.log(JSON.stringify({ at: Date.now(), sampled }));
  fetch('http://127.0.0.1:${PORT}/', { signal: AbortSignal.timeout(2000) })
    .then((response) => response.json())
    .then(({ sampled }) => say(sampled), (error) => say(String(error)));
}, ${ASK_MS});`;

interface Answer {
  /** Milliseconds since 1970. */
  at: number;
  /** An error's text where the app did not answer. */
  sampled: boolean | null | string;
}

/** The API server is killed, and comes back: what pods and operator make of it. */
describe('an API server that goes away', () => {
  let cluster: Cluster;
  let images: Images;
  let gone: number;
  const namespace = `api-server-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const policy = (ratio: number) => ({
    apiVersion: 'tracing.acme/v1alpha1',
    kind: 'TracingPolicy',
    metadata: { name: 'default' },
    spec: { sampling: { ratio }, exporters: [{ name: 'nowhere', endpoint: 'http://127.0.0.1:9' }] },
  });
  const operators = () => podStates(cluster, OPERATOR.namespace, [OPERATOR.release]);

  async function answers(): Promise<Answer[]> {
    const lines = (await kubectl('logs', 'web', '--container', 'client')).split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Answer);
  }
  const answersWith = (sampled: boolean, timeout: number) =>
    until(`the pod has not come to sampled: ${sampled}`, timeout, async () => {
      const last = (await answers()).slice(-3);
      return last.length === 3 && last.every((answer) => answer.sampled === sampled);
    });

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
    await apply(policy(1));
    const annotations = { 'tracing.acme/inject': 'true', 'tracing.acme/containers': 'app' };
    const container = { command: ['node', '-e', APP], env: [{ name: 'PORT', value: PORT }] };
    const web = nodePod(images.shop.ref, 'web', { annotations, container });
    const [app] = web.spec.containers;
    web.spec.containers.push({ ...app!, name: 'client', command: ['node', '-e', CLIENT] });
    await apply(web);
    await kubectl('wait', 'pod/web', '--for=condition=Ready', '--timeout=90s');
    await answersWith(true, 30_000);
  }, 240_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('leaves a pod running under the policy it has', async () => {
    const before = await operators();
    gone = Date.now();
    await cluster.withoutApiServer(async () => {
      await expect(kubectl('--request-timeout=2s', 'get', 'pods')).rejects.toThrow();
      await sleep(AWAY_MS);
    });
    const back = Date.now();
    const during = (await answers()).filter(({ at }) => at >= gone && at <= back);
    expect(during.filter(({ sampled }) => sampled !== true)).toEqual([]);
    // The machine may be slow, but no second goes by without an answer on average.
    expect(during.length).toBeGreaterThan((back - gone) / 1000);

    // A leader that cannot renew its Lease ends, so that there are never two; it comes back in the same pod.
    const changes = podChanges(before, await operators());
    expect(changes.filter((change) => !/ restarted \(1\)$/.test(change))).toEqual([]);
    expect(changes.length).toBeLessThan(before.length);
  }, 240_000);

  it('is followed again by every replica, and a policy that is changed then reaches the pod', async () => {
    await apply(policy(0));
    // The kubelet takes its watches up again after up to half a minute, and where it then reads an older ConfigMap, only its
    // next regular look, in another minute and a half, finds the new one.
    await answersWith(false, 180_000);
    await until('not two replicas with one leader', 60_000, async () => {
      const ready = await kubectl(
        '--namespace',
        OPERATOR.namespace,
        'rollout',
        'status',
        `deployment/${OPERATOR.release}`,
      );
      const status = await operatorMetric(cluster, 'leader_election_master_status');
      return ready.includes('successfully') && [...status.values()].filter(Boolean).length === 1;
    });
    const logs = await Promise.all(
      (await operators()).map(({ name }) =>
        kubectl('--namespace', OPERATOR.namespace, 'logs', name, `--since-time=${new Date(gone).toISOString()}`),
      ),
    );
    const said = (log: string, message: string) =>
      log.split('\n').some((line) => line.includes('/tracingpolicies"') && line.includes(message));
    // A replica that was restarted has nothing to take up again.
    const cut = logs.filter((log) => said(log, 'list or watch failed: trying again'));
    expect(cut.length).toBeGreaterThan(0);
    expect(cut.filter((log) => !said(log, 'list and watch work again'))).toEqual([]);
  }, 300_000);
});
