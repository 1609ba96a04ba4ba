import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import { installOperator, OPERATOR } from '../../demo/deploy.ts';
import type { Images } from '../../demo/prepare.ts';
import { withFreshOperator } from '../installation.ts';

const CHART = join(resolve(import.meta.dirname, '../../..'), 'charts/tracing-operator');

/** The chart: what it refuses, and what becomes of its webhook. */
describe('the chart', () => {
  let cluster: Cluster;
  let images: Images;
  const namespace = `chart-${randomBytes(3).toString('hex')}`;
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', namespace, ...args]);
  const helm = (...args: string[]) => cluster.run('helm', args);
  const apply = (item: unknown) =>
    cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input: JSON.stringify(item) });
  const webhooks = async () =>
    (await kubectl('get', 'mutatingwebhookconfigurations', '-o', 'name'))
      .split('\n')
      .filter((name) => name.includes(OPERATOR.release));

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    await cluster.run('kubectl', ['create', 'namespace', namespace]);
  }, 180_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', namespace, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('passes helm lint', async () => {
    expect(await helm('lint', '--strict', CHART)).toContain('1 chart(s) linted, 0 chart(s) failed');
  });

  it.each([
    ['replicas=0', /\/replicas.*minimum: got 0, want 1/],
    ['replica=2', /additional properties 'replica' not allowed/],
    ['agent.image.digest=sha256:1', /\/agent\/image\/digest.*a digest is sha256: and 64 hexadecimal digits/],
    ['logLevel=loud', /\/logLevel.*value must be one of/],
    ['defaultPolicy.sampling.ratio=2', /\/defaultPolicy\/sampling\/ratio.*maximum: got 2, want 1/],
    ['defaultPolicy.sampling.rate=1', /\/defaultPolicy\/sampling.*additional properties 'rate' not allowed/],
  ])('refuses --set %s and says why', async (value, message) => {
    await expect(helm('template', 'x', CHART, '--set', value)).rejects.toThrow(message);
  });

  it('is upgraded by the command that installed it, also while the operator keeps a webhook of its own', async () => {
    await apply({
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'TracingPolicy',
      metadata: { name: 'default' },
      spec: { injection: 'All', exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }] },
    });
    await until('the operator has no webhook for the policy', 10_000, async () => (await webhooks()).length === 2);
    await installOperator(cluster, images);
    expect(await webhooks()).toHaveLength(2);
  }, 60_000);

  it('has its webhook back within seconds when somebody deletes or empties it, and is upgraded as before', async () => {
    const name = `${OPERATOR.release}.${OPERATOR.namespace}`;
    const bundles = async () =>
      (
        await kubectl(
          ...['get', 'mutatingwebhookconfiguration', name, '--ignore-not-found'],
          ...['-o', 'jsonpath={.webhooks[*].clientConfig.caBundle}'],
        )
      )
        .split(' ')
        .filter(Boolean);
    const before = await bundles();
    expect(before).toHaveLength(3);
    await kubectl('delete', 'mutatingwebhookconfiguration', name);
    await until('it is not put back', 10_000, async () => (await bundles()).length === 3);
    await until('the webhook for policies is not put back', 10_000, async () => (await webhooks()).length === 2);
    expect(await bundles()).toEqual(before);
    const empty = JSON.stringify([{ op: 'remove', path: '/webhooks/1/clientConfig/caBundle' }]);
    await kubectl('patch', 'mutatingwebhookconfiguration', name, '--type=json', '-p', empty);
    await until('the bundle stays empty', 10_000, async () => (await bundles()).length === 3);
    await installOperator(cluster, images);
    await helm(
      ...['upgrade', OPERATOR.release, CHART, '--namespace', OPERATOR.namespace, '--reuse-values', '--wait'],
      ...['--set', 'webhook.timeoutSeconds=4'],
    );
    expect(
      await kubectl('get', 'mutatingwebhookconfiguration', name, '-o', 'jsonpath={.webhooks[0].timeoutSeconds}'),
    ).toBe('4');
    await installOperator(cluster, images);
  }, 180_000);

  it('asks cert-manager for the certificate when told to, and has no right to Secrets then', async () => {
    const text = await helm('template', 'x', CHART, '--namespace', 'y', '--set', 'certManager.enabled=true');
    expect(text).toContain('cert-manager.io/inject-ca-from: y/x-webhook');
    expect(text).toMatch(/kind: Certificate\nmetadata:\n {2}name: x-webhook\n/);
    expect(text).toContain('certificateDirectory: /etc/tracing-operator-certificate');
    expect(text).not.toMatch(/resources: \[secrets\]/);
    const issuer = await helm(
      ...['template', 'x', CHART, '--set', 'certManager.enabled=true'],
      ...['--set', 'certManager.issuerRef.kind=ClusterIssuer,certManager.issuerRef.name=ours'],
    );
    expect(issuer).toContain('kind: ClusterIssuer\n    name: ours');
    expect(issuer).not.toContain('selfSigned');
  });

  it('takes images by digest, and tells the operator with which Secrets of their namespaces pods pull the agent', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const values = ['image.digest', 'agent.image.digest'].map((name) => `${name}=${digest}`);
    const text = await helm(
      ...['template', 'x', CHART, '--set', values.join(',')],
      ...['--set', 'agent.imagePullSecrets[0].name=of-the-agent,imagePullSecrets[0].name=of-the-operator'],
    );
    expect(text).toMatch(new RegExp(`image: tracing-acme/operator:[0-9.]+@${digest}\n`));
    expect(text).toMatch(
      new RegExp(
        `image: tracing-acme/agent:[0-9.]+@${digest}\n +imagePullPolicy: \\w+\n +imagePullSecrets:\n +- "of-the-agent"\n`,
      ),
    );
    expect(text).toMatch(/imagePullSecrets:\n +- name: of-the-operator\n/);
    expect(text).not.toContain('kind: DaemonSet');
  });

  it("keeps the agent's image on every node when told to, under the restricted Pod Security Standard", async () => {
    const { ref } = images.agent;
    const text = await helm(
      ...['template', 'x', CHART, '--namespace', namespace, '--show-only', 'templates/pre-pull.yaml'],
      ...['--set', 'agent.prePull.enabled=true', '--set', `agent.image.repository=${ref.split(':')[0]}`],
      ...['--set', `agent.image.tag=${ref.split(':')[1]}`],
    );
    await kubectl('label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted');
    await cluster.run('kubectl', ['apply', '-f', '-'], { input: text });
    await kubectl('rollout', 'status', 'daemonset/x-agent-image', '--timeout=60s');
    await kubectl('delete', 'daemonset', 'x-agent-image');
    await kubectl('label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce-');
  }, 90_000);
});
