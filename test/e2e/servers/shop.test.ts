import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { until } from '../../cluster/progress.ts';
import {
  annotateShop,
  applyPolicy,
  DECLINED,
  PAID,
  patchPolicy,
  patchRatio,
  SHOP_NAMESPACE,
  SHOP_SERVICES,
} from '../../demo/deploy.ts';
import { SAMPLE_ORDERS } from '../../demo/orders.ts';
import { podChanges, podStates } from '../../demo/pods.ts';
import type { PodState } from '../../demo/pods.ts';
import { withRoute } from '../../demo/route.ts';
import { countTraced, firstMissing, firstOfAll, placeMarked, secondsUntil, waitForTrace } from '../../demo/sampling.ts';
import { shopTraceProblems } from '../../demo/shop-trace.ts';
import { withoutOperator, withShop } from '../installation.ts';

const ORDERS = 100;

/** The shop, traced by a policy that changes while its pods run: three services that know nothing of tracing. */
describe('the shop', () => {
  let cluster: Cluster;
  let pods: PodState[];
  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', SHOP_NAMESPACE, ...args]);
  const states = () => podStates(cluster, SHOP_NAMESPACE, SHOP_SERVICES);
  const counted = () => withRoute(cluster, (route) => countTraced(route, ORDERS));

  beforeAll(async () => {
    ({ cluster } = await withShop());
    await annotateShop(cluster);
    pods = await states();
    await applyPolicy(cluster);
    await withRoute(cluster, (route) => secondsUntil(firstOfAll, route, new Date()));
  }, 400_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'namespace', SHOP_NAMESPACE, '--wait=false'], { tolerant: true });
  }, 30_000);

  it('has every pod injected, by the annotation on the Deployments alone', () => {
    expect(pods.map(({ name, injected }) => [name.replace(/-[^-]+-[^-]+$/, ''), injected])).toEqual([
      ['inventory', true],
      ['order', true],
      ['payment', true],
    ]);
  });

  it('gives one whole trace of an order: HTTP, gRPC, SQL, MongoDB and Kafka, from order to both others', async () => {
    await withRoute(cluster, async ({ orderUrl, jaeger }) => {
      const placed = await placeMarked(orderUrl, SAMPLE_ORDERS.good);
      expect(placed.answer.status).toBe(201);
      const spans = await waitForTrace(jaeger, placed, (found) => shopTraceProblems(found, PAID));
      const kinds = (service: string) => spans.filter((span) => span.service === service).map(({ kind }) => kind);
      expect(kinds('order')).toEqual(expect.arrayContaining(['server', 'client']));
      expect(kinds('inventory')).toEqual(expect.arrayContaining(['server', 'client']));
      expect(kinds('payment')).toEqual(expect.arrayContaining(['server', 'client', 'consumer', 'producer']));
      expect(spans.length).toBeGreaterThanOrEqual(25);
      // The bank fails now and then, and is asked again.
      expect(
        spans.filter(({ error, attributes }) => error !== undefined && attributes['error.type'] !== '503'),
      ).toEqual([]);
    });
  }, 60_000);

  it('marks the error of a declined card in payment and where it arrives', async () => {
    await withRoute(cluster, async ({ orderUrl, jaeger }) => {
      const placed = await placeMarked(orderUrl, SAMPLE_ORDERS.declined);
      expect(placed.answer.status).toBe(402);
      const spans = await waitForTrace(jaeger, placed, (found) => shopTraceProblems(found, DECLINED));
      const failed = new Set(spans.filter(({ error }) => error !== undefined).map(({ service }) => service));
      expect(failed).toContain('order');
    });
  }, 60_000);

  it('describes each process by its pod', async () => {
    await withRoute(cluster, async ({ jaeger }) => {
      const now = new Date();
      const [spans = []] = await jaeger.find({
        service: 'order',
        operation: 'POST /orders',
        from: new Date(now.getTime() - 600_000),
        to: now,
        limit: 1,
      });
      const order = spans.find(({ service }) => service === 'order')!;
      expect(order.resource).toMatchObject({
        'service.namespace': SHOP_NAMESPACE,
        'k8s.namespace.name': SHOP_NAMESPACE,
        'k8s.deployment.name': 'order',
        'k8s.pod.name': pods.find(({ name }) => name.startsWith('order-'))!.name,
        'k8s.pod.uid': pods.find(({ name }) => name.startsWith('order-'))!.uid,
        'deployment.environment.name': 'demo',
      });
    });
  }, 60_000);

  it('is sampled by a changed ratio within seconds', async () => {
    expect(await counted()).toBe(ORDERS);
    const since = new Date();
    await patchRatio(cluster, 0.3);
    await withRoute(cluster, (route) => secondsUntil(firstMissing, route, since));
    const traced = await counted();
    // Five standard deviations on both sides of 30 %.
    expect(traced).toBeGreaterThan(7);
    expect(traced).toBeLessThan(53);
    await patchRatio(cluster, 1);
    await withRoute(cluster, (route) => secondsUntil(firstOfAll, route, new Date()));
  }, 180_000);

  it('sends no texts of statements to databases while the policy says so', async () => {
    await withRoute(cluster, async ({ orderUrl, jaeger }) => {
      /** Orders are placed until the whole trace of one has as many texts as it should. */
      const untilStatements = (what: string, isRight: (texts: number) => boolean) =>
        until(what, 60_000, async () => {
          const placed = await placeMarked(orderUrl, SAMPLE_ORDERS.good);
          const spans = await waitForTrace(jaeger, placed, (found) => shopTraceProblems(found, PAID));
          return isRight(spans.filter(({ attributes }) => 'db.query.text' in attributes).length);
        });
      await untilStatements('spans have no texts of statements', (texts) => texts > 1);
      const instrumentations = ['pg', 'mongodb', 'ioredis'].map((name) => ({ name, queryText: 'Off' }));
      await patchPolicy(cluster, { instrumentations });
      await untilStatements('spans have texts of statements still', (texts) => texts === 0);
      await patchPolicy(cluster, { instrumentations: null });
      await untilStatements('texts of statements do not come back', (texts) => texts > 1);
    });
  }, 240_000);

  it('goes on under the policy it has when a wrong one is refused', async () => {
    await expect(patchRatio(cluster, 1.5)).rejects.toThrow(/less than or equal to 1/);
    expect(await counted()).toBe(ORDERS);
  }, 60_000);

  it('goes on under the policy it has while the operator is away', async () => {
    await withoutOperator(cluster, async () => {
      expect(await counted()).toBe(ORDERS);
    });
  }, 120_000);

  it('is no longer traced when its last policy goes, and is again when one comes', async () => {
    await kubectl('delete', 'tracingpolicy', 'shop');
    await withRoute(cluster, (route) => secondsUntil(firstMissing, route, new Date()));
    expect(await counted()).toBe(0);
    await expect(kubectl('get', 'configmap', 'tracing-acme-policies')).rejects.toThrow(/NotFound/);
    await applyPolicy(cluster);
    await withRoute(cluster, (route) => secondsUntil(firstOfAll, route, new Date()));
    expect(await counted()).toBe(ORDERS);
  }, 180_000);

  it('has run in the very same processes all along', async () => {
    expect(podChanges(pods, await states())).toEqual([]);
  });
});
