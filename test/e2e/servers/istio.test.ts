import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Cluster } from '../../cluster/cluster.ts';
import { installIstio, ISTIO_INJECTOR, ISTIO_NAMESPACE, removeIstio } from '../../cluster/mesh/installation.ts';
import { askProxy, proxyTracing } from '../../cluster/mesh/proxy-tracing.ts';
import type { ProxySampling } from '../../cluster/mesh/proxy-tracing.ts';
import { until } from '../../cluster/progress.ts';
import type { Images } from '../../demo/prepare.ts';
import { Collector } from '../collector.ts';
import { untilUsable, withFreshOperator } from '../installation.ts';
import { MeshScene, tracesOf } from '../mesh-scene.ts';
import type { MeshTrace } from '../mesh-scene.ts';
import { deployWaypoint, DOOR, WAYPOINT } from '../waypoint-scene.ts';

const REQUESTS = 5_000;
/** First part of the path of requests that do not count. */
const WARM = 'warm';
const LATE_INJECTOR = 'zz-istio-sidecar-injector';
const GATEWAY = ['istio-ingressgateway proxy client', 'istio-ingressgateway proxy server'];
const ORDER = ['order client', 'order proxy client', 'order proxy server', 'order server'];
/** Its call is that of Redis. */
const PAYMENT = ['payment client', 'payment proxy server', 'payment server'];
const EDGE = [...GATEWAY, ...ORDER, ...PAYMENT].sort();

/** Percentages; undefined where no spans are made. */
type Sampling = Record<'inbound' | 'outbound', number | undefined>;
const both = (percentage: number | undefined): Sampling => ({ inbound: percentage, outbound: percentage });

interface PodObject {
  metadata: { annotations: Record<string, string> };
  spec: Record<'initContainers' | 'containers', { name: string; env?: { name: string }[] }[]>;
}

/** A real Istio with real gateways and sidecars, by what they really sample and send. */
describe('Istio', () => {
  let cluster: Cluster;
  let images: Images;
  let collector: Collector;
  let scene: MeshScene;
  /** URL of a gateway that passes on what comes as it is. */
  let silent: string;
  const suffix = randomBytes(3).toString('hex');
  /** What traces are to be like, by the first part of their path. */
  const shapes: Record<string, string[]> = {};
  const [mesh, edge, outside, ambient] = [`mesh-${suffix}`, `edge-${suffix}`, `outside-${suffix}`, `ambient-${suffix}`];
  const name = `mesh-${suffix}`;

  const kubectl = (...args: string[]) => cluster.run('kubectl', ['--namespace', mesh, ...args]);
  const apply = (item: unknown) => cluster.run('kubectl', ['apply', '-f', '-'], { input: JSON.stringify(item) });
  const policy = (spec: object) =>
    apply({
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'ClusterTracingPolicy',
      metadata: { name },
      spec: {
        namespaceSelector: { matchLabels: { 'example.com/mesh': name } },
        exporters: [{ name: 'default', endpoint: `http://otlp.${outside}:4318` }],
        batch: { scheduleDelay: '500ms' },
        resource: { attributes: { team: 'shop' } },
        ...spec,
      },
    });
  const namespace = (which: string, labels: Record<string, string>) =>
    apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: which, labels } });

  /** The percentages that a pod's Envoy runs by; every listener of a direction has the same, and sends spans. */
  async function samplingOf(pod: string, where = mesh): Promise<Sampling> {
    const { inbound, outbound } = await proxyTracing(cluster, where, pod);
    const percentage = (all: ProxySampling[]) =>
      all.length === 1 && all[0]?.provider === 'envoy.tracers.opentelemetry' ? all[0].percentage : undefined;
    return { inbound: percentage(inbound), outbound: percentage(outbound) };
  }

  /** Resolves when a pod's Envoy runs by these percentages. */
  async function untilSampled(pod: string, wanted: Sampling, where = mesh): Promise<void> {
    let last: Sampling | undefined;
    await until(`${pod} does not sample like that`, 30_000, async () =>
      isDeepStrictEqual((last = await samplingOf(pod, where)), wanted),
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(last)} is not ${JSON.stringify(wanted)}`);
    });
  }

  const telemetry = (telemetryName: string, tracing: object, where = mesh) =>
    apply({
      apiVersion: 'telemetry.istio.io/v1',
      kind: 'Telemetry',
      metadata: { name: telemetryName, namespace: where },
      spec: { tracing: [tracing] },
    });
  const untelemeter = (telemetryName: string, where = mesh) =>
    cluster.run('kubectl', ['--namespace', where, 'delete', 'telemetry', telemetryName]);

  /** Resolves when the policy's line for Istio has this state, and all of these texts. */
  async function untilSaid(state: string, ...texts: string[]): Promise<void> {
    let last = '';
    const line = 'jsonpath={.status.integrations[?(@.name=="Istio")]}';
    await until(`the policy does not say ${state}`, 60_000, async () => {
      last = await cluster.run('kubectl', ['get', 'clustertracingpolicy', name, '-o', line]);
      return last.includes(`"state":"${state}"`) && texts.every((text) => last.includes(text));
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${last}`);
    });
  }

  /** Which pods there are, and how often their containers have been restarted. */
  const podsOf = (where: string) => {
    const format = String.raw`{range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount}{"\n"}{end}`;
    return cluster.run('kubectl', ['--namespace', where, 'get', 'pods', '-o', `jsonpath=${format}`]);
  };

  /**
   * All traces by the first part of their path, when nothing more comes and each is as it is to be, where that is known, or
   * after two minutes as they are: proxies send spans every five seconds, and later on a busy machine.
   */
  async function settledTraces(): Promise<Map<string, MeshTrace[]>> {
    let count = -1;
    const loads = async () => {
      const traces = tracesOf(await collector.spans());
      traces.delete(WARM);
      return traces;
    };
    const isWhole = ([load, traces]: [string, MeshTrace[]]) =>
      shapes[load] === undefined || traces.every(({ spans }) => spans.join() === shapes[load]!.join());
    await until('traces are not whole', 120_000, async () => {
      const before = count;
      count = (await collector.spans()).length;
      if (count === before && [...(await loads())].every(isWhole)) return true;
      await new Promise((resolve) => setTimeout(resolve, 7_000));
      return false;
    }).catch(() => undefined);
    return loads();
  }

  beforeAll(async () => {
    ({ cluster, images } = await withFreshOperator());
    await namespace(mesh, { 'istio-injection': 'enabled', 'example.com/mesh': name });
    await namespace(edge, { 'example.com/mesh': name });
    await namespace(outside, {});
    await untilUsable(cluster, outside, 20_000);
    collector = await Collector.deploy(cluster, images, outside);
    // Apps send elsewhere than proxies, so that what a sidecar sees of an app's exports can be told apart.
    const spec = { selector: { app: 'collector' }, ports: [{ name: 'http', port: 4318 }] };
    await apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'otlp', namespace: outside }, spec });
    const service = `collector.${outside}.svc.cluster.local`;
    // A proxy sends its spans once: what is not answered in time is lost.
    const otel = { service, port: 4318, http: { path: '/v1/traces', timeout: '60s' } };
    const asked = { service, port: 4318, http: { path: '/sampling', timeout: '5s' } };
    const dynatraceSampler = { tenant: 'abc', clusterId: 1, httpService: asked };
    await installIstio(cluster, {
      extensionProviders: [
        { name: 'otel', opentelemetry: otel },
        { name: 'sampling', opentelemetry: { ...otel, dynatraceSampler } },
      ],
      // Weaker than all that the operator sets.
      ...{ defaultProviders: { tracing: ['otel'] }, defaultConfig: { tracing: { sampling: 20 } } },
    });
    await policy({ sampling: { ratio: 0.1 } });
    scene = new MeshScene(cluster, { mesh, edge, outside });
    await scene.deploy(images);
    // The first spans that a new proxy sends may be lost.
    await scene.throughGateway({ name: WARM, count: 200 });
    await scene.straightTo('legacy', { name: WARM, count: 200 });
    const proxies = ['istio-ingressgateway', 'order', 'legacy', 'payment'].map((service) => `${service} proxy`);
    await collector.until('spans of each proxy', 60_000, (spans) => {
      const seen = (tracesOf(spans).get(WARM) ?? []).flatMap((trace) => trace.spans);
      return proxies.every((proxy) => seen.some((span) => span.startsWith(proxy)));
    });
  }, 600_000);

  afterAll(async () => {
    await cluster.run('kubectl', ['delete', 'clustertracingpolicy', name, '--ignore-not-found'], { tolerant: true });
    const namespaces = [mesh, edge, outside, ambient];
    await cluster.run('kubectl', ['delete', 'namespace', ...namespaces, '--wait=false', '--ignore-not-found'], {
      tolerant: true,
    });
    await cluster.run('kubectl', ['delete', 'mutatingwebhookconfiguration', LATE_INJECTOR, '--ignore-not-found']);
    await removeIstio(cluster);
  }, 240_000);

  it('begins the share of traces that the policy says at the gateway, and each is whole down to the database', async () => {
    expect(await samplingOf('order')).toEqual({ inbound: 10, outbound: 100 });
    expect(await samplingOf('legacy')).toEqual({ inbound: 10, outbound: 10 });
    await scene.throughGateway({ name: 'edge', count: REQUESTS });
    shapes['edge'] = EDGE;
    const traces = await settledTraces();
    const spans = await collector.spans();
    // What the policy says of who sends is in the resource of apps, and in the spans of proxies.
    expect(spans.filter(({ attributes, resource }) => (attributes['team'] ?? resource['team']) !== 'shop')).toEqual([]);
    expect([...traces.keys()]).toEqual(['edge']);
    expectShare(traces.get('edge')!, REQUESTS, 0.1);
    expect(shapesOf(traces.get('edge')!)).toEqual([EDGE]);
  }, 900_000);

  it('follows a change of the policy in proxies that run', async () => {
    const before = await podsOf(mesh);
    await policy({ sampling: { ratio: 0.5 } });
    await until('the ratio does not reach the proxies', 30_000, async () => {
      const [order, legacy] = [await samplingOf('order'), await samplingOf('legacy')];
      return order.inbound === 50 && order.outbound === 100 && legacy.inbound === 50 && legacy.outbound === 50;
    });
    expect(await podsOf(mesh)).toEqual(before);
  }, 120_000);

  it('has whoever begins a trace decide, and everybody behind let it pass', async () => {
    const count = 200;
    // The agents of the pods have the new ratio as well.
    await until(
      'the app does not follow',
      60_000,
      async () =>
        (await cluster.run('kubectl', [
          'get',
          'clustertracingpolicy',
          name,
          '-o',
          'jsonpath={.status.pods.current}',
        ])) === '2',
    );
    await scene.throughGateway({ name: 'passed', count });
    await scene.throughGateway({ name: 'dropped', count });
    await scene.throughGateway({ name: 'unsampled', count, flags: '00' });
    await scene.throughGateway({ name: 'sampled', count, flags: '01' });
    await scene.straightTo('order', { name: 'straight', count });
    await scene.straightTo('order', { name: 'off', count, flags: '00' });
    await scene.from('order', 'payment', { name: 'own', count });
    const expected: Record<string, string[]> = {
      // An app without the agent that passes the headers on is a part of the trace.
      passed: [...GATEWAY, 'legacy proxy client', 'legacy proxy server', ...PAYMENT],
      // One that does not ends it; its calls begin others.
      dropped: [...GATEWAY, 'legacy proxy server'],
      onward: ['legacy proxy client', ...PAYMENT],
      // A gateway draws for all that comes from outside.
      sampled: EDGE,
      straight: [...ORDER, ...PAYMENT],
      own: ['order client', 'order proxy client', ...PAYMENT],
    };
    for (const spans of Object.values(expected)) spans.sort();
    Object.assign(shapes, expected);
    const traces = await settledTraces();
    traces.delete('edge');
    // What came with the flag off has no spans: not at the gateway, not behind it.
    expect([...traces.keys()].sort()).toEqual(Object.keys(expected).sort());
    for (const [load, spans] of Object.entries(expected)) {
      expect({ load, shapes: shapesOf(traces.get(load)!) }).toEqual({ load, shapes: [spans] });
      expectShare(traces.get(load)!, count, 0.5);
    }
  }, 600_000);

  it("makes no spans of what the app's agent sends through its sidecar", async () => {
    const clusters = await askProxy(cluster, mesh, 'order', '/clusters');
    const sent = new RegExp(String.raw`^outbound\|4318\|\|otlp\..*::rq_total::([1-9]\d*)$`, 'm');
    expect(clusters).toMatch(sent);
    const urls = (await collector.spans()).map(({ attributes }) =>
      String(attributes['http.url'] ?? attributes['url.full']),
    );
    expect(urls.filter((url) => url.includes('/v1/traces'))).toEqual([]);
  });

  it('takes the agent and its sidecar in any order, be the sidecar native or not', async () => {
    const injector = JSON.parse(
      await cluster.run('kubectl', ['get', 'mutatingwebhookconfiguration', ISTIO_INJECTOR, '-o', 'json']),
    ) as { metadata: object; webhooks: object[] };
    const pods = async (order: string) => {
      for (const native of [true, false]) {
        const pod = `${order}-${native ? 'native' : 'plain'}`;
        await scene.add(images, pod, {
          traced: true,
          annotations: { 'sidecar.istio.io/nativeSidecar': String(native) },
        });
        const { spec } = JSON.parse(await kubectl('get', 'pod', pod, '-o', 'json')) as PodObject;
        const sidecars = native ? spec.initContainers : spec.containers;
        expect(sidecars.map((each) => each.name)).toContain('istio-proxy');
        expect(spec.initContainers.filter((each) => each.name === 'tracing-acme-agent')).toHaveLength(1);
        const traced = [...spec.initContainers, ...spec.containers].filter(({ env = [] }) =>
          env.some((variable) => variable.name === 'NODE_OPTIONS'),
        );
        expect(traced.map((each) => each.name)).toEqual(['app']);
        await scene.straightTo(pod, { name: pod, count: 50 });
      }
    };
    await pods('after');
    // The API server asks webhooks in the order of their configurations' names.
    await cluster.run('kubectl', ['delete', 'mutatingwebhookconfiguration', ISTIO_INJECTOR]);
    await apply({ ...injector, metadata: { name: LATE_INJECTOR } });
    await pods('before');
    for (const pod of ['after-native', 'after-plain', 'before-native', 'before-plain']) {
      const shape = [`${pod} proxy server`, `${pod} server`].join();
      await collector.until(`a trace of ${pod} and its sidecar`, 60_000, (spans) =>
        (tracesOf(spans).get(pod) ?? []).some((trace) => trace.spans.join() === shape),
      );
    }
  }, 300_000);

  it('goes by what is nearest, and the older of two Telemetries, and has the policy say which', async () => {
    // An owner's annotation counts for less.
    const sampled = { 'proxy.istio.io/config': 'concurrency: 1\ntracing: {sampling: 33}\n' };
    await scene.add(images, 'annotated', { traced: true, annotations: sampled });
    await untilSampled('annotated', { inbound: 50, outbound: 100 });
    await policy({ sampling: { ratio: 0.5 }, mesh: { istio: { mode: 'Disabled' } } });
    await untilSaid('Disabled');
    await untilSampled('legacy', both(20));
    await untilSampled('annotated', both(33));
    // The whole mesh's counts for more than that, and less than the namespace's.
    await telemetry('of-the-mesh', { randomSamplingPercentage: 45 }, ISTIO_NAMESPACE);
    await untilSampled('annotated', both(45));
    await telemetry('b-older', { randomSamplingPercentage: 30 });
    // They are told apart by whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await telemetry('a-younger', { randomSamplingPercentage: 60 });
    await untilSampled('legacy', both(30));
    await untelemeter('of-the-mesh', ISTIO_NAMESPACE);
    await policy({ sampling: { ratio: 0.5 } });
    await untilSaid('Conflict', 'Telemetry b-older counts', 'begins 30 % of traces, the policy asks for 50 %');
    expect(await samplingOf('legacy')).toEqual(both(30));
    await untelemeter('b-older');
    await untilSampled('legacy', both(60));
    await untelemeter('a-younger');
    await untilSaid('Configured');
    await untilSampled('legacy', both(50));
  }, 240_000);

  it('turns tracing off for a provider that is not there, which is never set', async () => {
    await policy({ sampling: { ratio: 0.5 }, mesh: { istio: { provider: 'nowhere' } } });
    await untilSaid('Incomplete', 'the mesh has no provider nowhere');
    await untilSampled('legacy', both(20));
    await telemetry('by-hand', { providers: [{ name: 'nowhere' }], randomSamplingPercentage: 60 });
    await untilSampled('legacy', both(undefined));
    // A provider with a sampler of its own is sent everything, whatever the Telemetry says.
    await telemetry('by-hand', { providers: [{ name: 'sampling' }], randomSamplingPercentage: 60 });
    await untilSampled('legacy', both(100));
    const { inbound } = await proxyTracing(cluster, mesh, 'legacy');
    expect(inbound.map(({ sampler }) => sampler)).toEqual(['envoy.tracers.opentelemetry.samplers.dynatrace']);
    await untelemeter('by-hand');
    await policy({ sampling: { ratio: 0.5 }, mesh: { istio: { provider: 'sampling' } } });
    await untilSaid('Incomplete', 'provider sampling has a dynatraceSampler');
    await policy({ sampling: { ratio: 0.5 } });
    await untilSaid('Configured');
    await untilSampled('legacy', both(50));
  }, 240_000);

  it('has a gateway that it has made for the Gateway API begin the share of the policy, in the root namespace too', async () => {
    const labels = { 'istio.io/dataplane-mode': 'ambient', 'istio.io/use-waypoint': WAYPOINT };
    await namespace(ambient, { ...labels, 'example.com/mesh': name });
    await untilUsable(cluster, ambient, 20_000);
    silent = await deployWaypoint(cluster, images, ambient);
    await cluster.run('kubectl', ['label', '--overwrite', 'namespace', DOOR.namespace, `example.com/mesh=${name}`]);
    const before = await podsOf(DOOR.namespace);
    const begins = (percentage: number) => ({ inbound: undefined, outbound: percentage });
    await policy({ sampling: { ratio: 0.5 } });
    await untilSampled(DOOR.pod, begins(50), DOOR.namespace);
    await policy({ sampling: { ratio: 0.25 } });
    await untilSampled(DOOR.pod, begins(25), DOOR.namespace);
    expect(await podsOf(DOOR.namespace)).toEqual(before);
    // The first spans that a new proxy sends may be lost.
    await scene.to(DOOR.url, { name: WARM, count: 100 });
    await collector.until('spans of the gateway', 60_000, (spans) =>
      (tracesOf(spans).get(WARM) ?? []).some((trace) => trace.spans.some((span) => span.startsWith('door-istio'))),
    );
    shapes['door'] = ['door-istio proxy client', 'door-istio proxy server', 'order server'];
    await scene.to(DOOR.url, { name: 'door', count: 400 });
    const traces = (await settledTraces()).get('door')!;
    expect(shapesOf(traces)).toEqual([shapes['door']]);
    expectShare(traces, 400, 0.25);
  }, 300_000);

  it('lets all pass through a waypoint that apps have decided, where the whole mesh would have it draw lots', async () => {
    const pod = `deployment/${WAYPOINT}`;
    const before = await podsOf(ambient);
    await untilSampled(pod, both(undefined), ambient);
    expect((await proxyTracing(cluster, ambient, pod)).inbound).toEqual([]);
    await scene.to(silent, { name: 'passing', count: 100, flags: '01' });
    await scene.to(silent, { name: 'off', count: 100, flags: '00' });
    await policy({ sampling: { ratio: 0.25 }, mesh: { istio: { mode: 'Disabled' } } });
    await untilSampled(pod, { inbound: 20, outbound: undefined }, ambient);
    await scene.to(silent, { name: 'drawn', count: 100, flags: '01' });
    await policy({ sampling: { ratio: 0.5 } });
    await untilSampled(pod, both(undefined), ambient);
    expect(await podsOf(ambient)).toEqual(before);
    shapes['passing'] = ['order server'];
    const traces = await settledTraces();
    expect(traces.get('passing')).toHaveLength(100);
    expect(shapesOf(traces.get('passing')!)).toEqual([shapes['passing']]);
    expect(traces.has('off')).toBe(false);
    // With no Telemetry of ours it makes spans of what it does not cut. Connections that are open go by what was before, for a while.
    const drawn = traces.get('drawn')!;
    expect(drawn.length).toBeLessThan(80);
    const seen = drawn.filter(({ spans }) => spans.includes('waypoint proxy server'));
    expect(seen.length).toBeGreaterThan(0);
    expect(shapesOf(seen)).toEqual([['order server', 'waypoint proxy server']]);
  }, 300_000);

  it('lets traced pods say that all is to pass, where it has no Telemetries', async () => {
    await cluster.run('kubectl', ['delete', 'crd', 'telemetries.telemetry.istio.io']);
    await untilSaid('Incomplete', 'proxy.istio.io/config', 'all other proxies begin 20 %', 'asks for 50 %');
    await untilSampled('legacy', both(20));
    // Here Istio's injector comes after the webhook, which is as good.
    await scene.add(images, 'passing', { traced: true, annotations: { 'proxy.istio.io/config': 'concurrency: 1' } });
    await untilSampled('passing', both(100));
    const { metadata } = JSON.parse(await kubectl('get', 'pod', 'passing', '-o', 'json')) as PodObject;
    expect(metadata.annotations['proxy.istio.io/config']).toBe('concurrency: 1\ntracing: {"sampling":100}\n');
    await scene.add(images, 'own', {
      traced: true,
      annotations: { 'proxy.istio.io/config': 'tracing: {sampling: 33}' },
    });
    await untilSampled('own', both(33));
    await scene.add(images, 'untraced', { traced: false });
    expect(await samplingOf('untraced')).toEqual(both(20));
  }, 240_000);
});

function shapesOf(traces: readonly MeshTrace[]): string[][] {
  // Spans of a trace hang together, below one.
  for (const { path, roots } of traces) expect({ path, roots: roots.length }).toEqual({ path, roots: 1 });
  return [...new Map(traces.map(({ spans }) => [spans.join(), spans])).values()];
}

/** Of lots that are drawn rightly, one count in 16,000 is farther from the mean than four standard deviations. */
function expectShare(traces: readonly MeshTrace[], requests: number, ratio: number): void {
  // No request has two traces.
  expect(new Set(traces.map(({ path }) => path)).size).toBe(traces.length);
  const far = 4 * Math.sqrt(requests * ratio * (1 - ratio));
  expect(traces.length).toBeGreaterThan(requests * ratio - far);
  expect(traces.length).toBeLessThan(requests * ratio + far);
}
