import { describe, expect, it } from '@jest/globals';
import { MERGE_PATCH } from '../../operator/kube/client.ts';
import { until } from '../cluster/progress.ts';
import { HURRY, integrationScene, POLICIES } from './integration-scene.ts';

const ADDED_BY = 'tracing.acme/added-by';
const COLLECTOR = 'config.linkerd.io/trace-collector';
const PROTOCOL = 'config.linkerd.io/trace-collector-protocol';
const ACCOUNT = 'config.alpha.linkerd.io/trace-collector-service-account';
const OURS = { [COLLECTOR]: 'collector.observability:4317', [PROTOCOL]: 'opentelemetry' };
const INJECT = { 'linkerd.io/inject': 'enabled' };
const MANY = 10;

/** What Linkerd up to 2.18 leaves in a cluster; neither it nor linkerd-jaeger. */
describe('annotations of namespaces for linkerd-jaeger', () => {
  const scene = integrationScene((home) => ({ linkerd: { namespace: home, annotateNamespaces: true } }));
  const { client } = scene;
  const path = (namespace: string) => `/api/v1/namespaces/${namespace}`;
  const annotate = (namespace: string, annotations: Record<string, string | null>) =>
    client.request('PATCH', path(namespace), {
      query: { fieldManager: 'kubectl-annotate' },
      contentType: MERGE_PATCH,
      body: { metadata: { annotations } },
    });
  const annotationsOf = async (namespace: string) => {
    const { metadata } = await client.request<{ metadata: { annotations?: object } }>('GET', path(namespace));
    return metadata.annotations ?? {};
  };
  const installLinkerd = () =>
    scene.apply(`/api/v1/namespaces/${scene.home}/configmaps/linkerd-config`, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'linkerd-config', namespace: scene.home },
      data: { values: 'proxy: {image: {version: stable-2.18}}' },
    });
  async function meshed(labels: Record<string, string> = {}): Promise<string> {
    const shop = await scene.namespaceOf(labels);
    await annotate(shop, INJECT);
    return shop;
  }

  it('follow the policy, and go with it', async () => {
    const shop = await meshed();
    const policyPath = scene.policyPath(shop);
    await scene.policy(shop, {});
    await scene.operator.start();
    await scene.stands('Linkerd', policyPath, 'NotInstalled');
    expect(await annotationsOf(shop)).toEqual(INJECT);

    await installLinkerd();
    await scene.stands('Linkerd', policyPath, 'Configured', 'by annotations of the namespace');
    const added = { [ADDED_BY]: `TracingPolicy ${shop}/default: ${COLLECTOR}, ${PROTOCOL}` };
    expect(await annotationsOf(shop)).toEqual({ ...INJECT, ...OURS, ...added });

    await scene.policy(shop, { mesh: { linkerd: { collectorServiceAccount: 'otel' } } });
    await until('the account does not arrive', 30_000, async () => ACCOUNT in (await annotationsOf(shop)));
    expect(await annotationsOf(shop)).toMatchObject({ ...OURS, [ACCOUNT]: 'otel' });

    await scene.policy(shop, { mesh: { linkerd: { tracing: 'ControlPlane' } } });
    await scene.stands('Linkerd', policyPath, 'Incomplete');
    expect(await annotationsOf(shop)).toEqual(INJECT);

    await scene.policy(shop, {});
    await scene.stands('Linkerd', policyPath, 'Configured');
    expect(await annotationsOf(shop)).toMatchObject(OURS);
    await client.request('DELETE', policyPath);
    await until('they outlive the policy', 30_000, async () => !(COLLECTOR in (await annotationsOf(shop))));
    expect(await annotationsOf(shop)).toEqual(INJECT);
  }, 240_000);

  it('are not added where the owner has others, which stay whenever they come', async () => {
    const shop = await meshed();
    const policyPath = scene.policyPath(shop);
    const theirs = { [COLLECTOR]: 'mine.monitoring:55678', [PROTOCOL]: 'opencensus' };
    await annotate(shop, theirs);
    await installLinkerd();
    await scene.policy(shop, {});
    await scene.operator.start();
    const message = await scene.stands('Linkerd', policyPath, 'Conflict');
    expect(message).toContain(
      `${COLLECTOR} is mine.monitoring:55678, and the policy asks for collector.observability:4317; ${PROTOCOL} is opencensus, and the policy asks for opentelemetry`,
    );
    expect(await annotationsOf(shop)).toEqual({ ...INJECT, ...theirs });

    await annotate(shop, { [COLLECTOR]: null, [PROTOCOL]: null });
    await scene.stands('Linkerd', policyPath, 'Configured');
    expect(await annotationsOf(shop)).toMatchObject(OURS);

    // Over ours: no half of it is left.
    await annotate(shop, { [COLLECTOR]: 'mine.monitoring:55678' });
    await scene.stands('Linkerd', policyPath, 'Conflict', 'mine.monitoring:55678');
    await until('half of ours is left', 30_000, async () => !(PROTOCOL in (await annotationsOf(shop))));
    expect(await annotationsOf(shop)).toEqual({ ...INJECT, [COLLECTOR]: 'mine.monitoring:55678' });
  }, 240_000);

  it(`cost one write in each of ${MANY} namespaces, and none at rest`, async () => {
    await installLinkerd();
    const labels = { 'example.com/annotated': 'true' };
    const shops = await Promise.all([...Array(MANY).keys()].map(() => meshed(labels)));
    const policy = `${POLICIES}/clustertracingpolicies/annotated`;
    await scene.apply(policy, {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'ClusterTracingPolicy',
      metadata: { name: 'annotated' },
      spec: {
        namespaceSelector: { matchLabels: labels },
        exporters: [{ name: 'default', endpoint: 'http://collector.observability:4318' }],
      },
    });
    try {
      await scene.operator.start(HURRY);
      await scene.stands('Linkerd', policy, 'Configured');
      const isOurs = ({ method, path: to }: { method: string; path: string }) =>
        method === 'PATCH' && shops.some((shop) => to.split('?')[0] === path(shop));
      await until('not all are written', 60_000, () =>
        Promise.resolve(scene.operator.relay.writes(0).filter(isOurs).length >= MANY),
      );
      // Ten minutes of what comes by the clock.
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      expect(scene.operator.relay.writes(0).filter(isOurs)).toHaveLength(MANY);
    } finally {
      await client.request('DELETE', policy);
    }
  }, 240_000);
});
