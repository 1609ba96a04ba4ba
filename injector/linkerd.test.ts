import { describe, expect, it } from '@jest/globals';
import { injectPod } from './inject.ts';
import type { LinkerdTracing } from './linkerd.ts';
import type { Pod } from './pod.ts';
import { resolve } from './resolve.ts';

const exporter = { name: 'default', endpoint: 'http://collector.observability:4318' };
const policies = (spec: object = {}) => ({
  namespaced: [],
  cluster: [],
  defaults: { exporters: [exporter], ...spec },
});
const pod = (annotations: Record<string, string> = {}, labels: Record<string, string> = {}): Pod => ({
  metadata: { name: 'order-0', annotations: { 'tracing.acme/inject': 'true', ...annotations }, labels },
  spec: {
    initContainers: [{ name: 'linkerd-proxy', image: 'proxy', restartPolicy: 'Always' }],
    containers: [{ name: 'app', image: 'app:1' }],
  },
});
function injected(
  given: Pod,
  linkerd: LinkerdTracing | undefined,
  spec: object = {},
  said: Record<string, string> = {},
) {
  const resolution = resolve(policies(spec), { namespace: 'shop', ...given.metadata });
  const namespace = { name: 'shop', labels: {}, annotations: said };
  const options = { agentImage: 'agent:1', agentImagePullPolicy: 'Always', ...(linkerd && { linkerd }) };
  return injectPod(given, namespace, resolution, options);
}

/** Annotations that injection adds beside our own. */
function added(given: Pod, ...more: [LinkerdTracing | undefined, object?, Record<string, string>?]) {
  const { annotations = {} } = injected(given, ...more).pod.metadata!;
  return Object.fromEntries(
    Object.entries(annotations).filter(
      ([key]) => !key.startsWith('tracing.acme/') && !(key in given.metadata!.annotations!),
    ),
  );
}

/**
 * Attributes of the proxy's spans after Linkerd's injector and ours, by the rules of their sources:
 * - values.yaml#L287-L296: the control plane's own labels;
 * - inject.go#L613-L617: labels of the pod name the service, app.kubernetes.io/instance first;
 * - inject.go#L619-L624: annotations resource.opentelemetry.io/NAME of the pod template win over them;
 * - _proxy.tpl#L170-L174: a line for each, in one variable, in the order of their names;
 * - the proxy's env/trace.rs#L60-L76: of several lines with one name the last counts.
 * https://github.com/linkerd/linkerd2/blob/b24cd4059841f8cee2fb7a9c2ac23a693c583579/pkg/inject/inject.go#L608-L625
 */
function ofProxy({ metadata: { annotations = {}, labels = {}, ...metadata } = {}, spec }: Pod, more: object = {}) {
  const prefix = 'resource.opentelemetry.io/';
  const byLabel = labels['app.kubernetes.io/instance'] ?? labels['app.kubernetes.io/name'];
  const rendered = {
    'k8s.pod.uid': '$(_pod_uid)',
    ...(byLabel && { 'service.name': byLabel }),
    ...Object.fromEntries(
      Object.entries(annotations).flatMap(([key, value]) =>
        key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
      ),
    ),
  };
  const value = `${Object.entries(rendered)
    .sort()
    .map((pair) => pair.join('='))
    .join('\n')}\n`;
  const env = [{ name: 'LINKERD2_PROXY_TRACE_EXTRA_ATTRIBUTES', value }];
  const proxied = {
    metadata: { ...metadata, annotations, labels },
    spec: { ...spec, initContainers: [{ ...spec.initContainers![0]!, env }] },
  };
  const resolution = resolve(policies(more), { namespace: 'shop', ...proxied.metadata });
  const options = { agentImage: 'agent:1', agentImagePullPolicy: 'Always', linkerd: 'ControlPlane' as const };
  const result = injectPod(proxied, { name: 'shop', labels: {} }, resolution, options).pod;
  const proxy = result.spec.initContainers!.find(({ name }) => name === 'linkerd-proxy')!;
  expect(proxied.spec.initContainers[0]!.env).toEqual(env);
  const lines = proxy.env![0]!.value!.trimEnd().split('\n');
  const pairs = lines.map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  });
  return Object.fromEntries(pairs);
}

describe('the spans of a proxy of 2.19 and later', () => {
  it('are from the same service as the app, and have what the policy says of all spans', () => {
    const more = {
      resource: { attributes: { 'deployment.environment.name': 'production', price: '5$', 'not/one': 'x' } },
    };
    expect(ofProxy(pod({}, { 'app.kubernetes.io/instance': 'orders' }), more)).toMatchObject({
      'k8s.pod.uid': '$(_pod_uid)',
      'service.name': 'order-0',
      'service.namespace': 'shop',
      'deployment.environment.name': 'production',
      price: '5$$',
    });
    expect(ofProxy(pod(), more)).not.toHaveProperty(['not/one']);
  });

  it('are named as the pod template says', () => {
    const said = { 'resource.opentelemetry.io/service.name': 'mine', 'resource.opentelemetry.io/team': 'a' };
    expect(ofProxy(pod(said))).toMatchObject({ 'service.name': 'mine', team: 'a', 'service.namespace': 'shop' });
  });

  it('are left alone where the control plane has tracing switched off', () => {
    const without = pod();
    without.spec.initContainers![0]!.env = [{ name: 'LINKERD2_PROXY_LOG', value: 'info' }];
    const resolution = resolve(policies(), { namespace: 'shop', ...without.metadata });
    const options = { agentImage: 'agent:1', agentImagePullPolicy: 'Always', linkerd: 'ControlPlane' as const };
    const { initContainers } = injectPod(without, { name: 'shop', labels: {} }, resolution, options).pod.spec;
    expect(initContainers!.find(({ name }) => name === 'linkerd-proxy')).toEqual(without.spec.initContainers![0]);
  });
});

describe('a pod with the proxy of Linkerd', () => {
  it('names its service for a proxy of 2.19 and later, as the app is named', () => {
    const shop = { 'resource.opentelemetry.io/service.namespace': 'shop' };
    expect(added(pod(), 'ControlPlane')).toEqual({ ...shop, 'resource.opentelemetry.io/service.name': 'order-0' });
    const labels = { 'app.kubernetes.io/instance': 'orders' };
    // Linkerd would take the label by itself; the app does only where the policy says so.
    expect(added(pod({}, labels), 'ControlPlane')).toEqual({
      ...shop,
      'resource.opentelemetry.io/service.name': 'order-0',
    });
    expect(added(pod({}, labels), 'ControlPlane', { resource: { useLabels: true } })).toEqual({
      ...shop,
      'resource.opentelemetry.io/service.name': 'orders',
    });
  });

  it('says where spans go to linkerd-jaeger', () => {
    expect(added(pod(), 'LinkerdJaeger')).toEqual({
      'config.linkerd.io/trace-collector': 'collector.observability:4317',
      'config.linkerd.io/trace-collector-protocol': 'opentelemetry',
      'config.linkerd.io/trace-collector-name': 'order-0',
    });
  });

  it('says under which ServiceAccount the collector runs, where the policy does', () => {
    const policy = {
      kind: 'TracingPolicy' as const,
      metadata: { name: 'default', namespace: 'shop', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
      spec: { exporters: [exporter], mesh: { linkerd: { collectorServiceAccount: 'otel' } } },
    };
    const given = pod();
    const resolution = resolve({ ...policies(), namespaced: [policy] }, { namespace: 'shop', ...given.metadata });
    const options = { agentImage: 'agent:1', agentImagePullPolicy: 'Always', linkerd: 'LinkerdJaeger' as const };
    const { annotations } = injectPod(given, { name: 'shop', labels: {} }, resolution, options).pod.metadata!;
    expect(annotations!['config.alpha.linkerd.io/trace-collector-service-account']).toBe('otel');
    expect(annotations).not.toHaveProperty(['config.linkerd.io/proxy-additional-env']);
  });

  it('keeps what its owner says, on the pod or on the namespace', () => {
    const named = {
      'resource.opentelemetry.io/service.name': 'mine',
      'resource.opentelemetry.io/service.namespace': 'a',
    };
    expect(added(pod(named), 'ControlPlane')).toEqual({});
    const own = { 'config.linkerd.io/trace-collector': 'mine:55678' };
    expect(added(pod(own), 'LinkerdJaeger')).toEqual({});
    expect(added(pod(), 'LinkerdJaeger', {}, own)).toEqual({});
    // What we have added to the namespace is for pods that we do not look at.
    const ours = { 'config.linkerd.io/trace-collector': 'collector.observability:4317' };
    const by = { 'tracing.acme/added-by': 'TracingPolicy shop/default: config.linkerd.io/trace-collector' };
    expect(added(pod(), 'LinkerdJaeger', {}, { ...ours, ...by })).toMatchObject({
      ...ours,
      'config.linkerd.io/trace-collector-name': 'order-0',
    });
    expect(added(pod({ 'config.linkerd.io/trace-collector-name': 'mine' }), 'LinkerdJaeger')).not.toHaveProperty([
      'config.linkerd.io/trace-collector-name',
    ]);
  });

  it('is told nothing where its owner, or that of the namespace, has said half of it, and whoever makes it is warned', () => {
    const protocol = { 'config.linkerd.io/trace-collector-protocol': 'opencensus' };
    const elsewhere = { 'config.linkerd.io/trace-collector': 'mine:55678' };
    const remarks = (given: Pod, said: Record<string, string> = {}) => {
      expect(added(given, 'LinkerdJaeger', {}, said)).toEqual({});
      const { decisions } = injected(given, 'LinkerdJaeger', {}, said);
      return decisions.filter(({ reason, warn }) => reason === 'MeshSettings' && warn).map(({ message }) => message);
    };
    const ofProtocol =
      'stays as it is: opencensus, and nothing else is told to linkerd-jaeger. The policy asks for opentelemetry';
    expect(remarks(pod(protocol))).toEqual([`annotation config.linkerd.io/trace-collector-protocol ${ofProtocol}`]);
    expect(remarks(pod(), protocol)).toEqual([
      `annotation config.linkerd.io/trace-collector-protocol of the namespace ${ofProtocol}`,
    ]);
    expect(remarks(pod(elsewhere))).toEqual([
      'annotation config.linkerd.io/trace-collector stays as it is: mine:55678, and nothing else is told to linkerd-jaeger. The policy asks for collector.observability:4317',
    ]);
    // What says the same is in nobody's way.
    expect(remarks(pod({ 'config.linkerd.io/trace-collector': 'collector.observability:4317' }))).toEqual([]);
    const same = { 'config.linkerd.io/trace-collector-protocol': 'opentelemetry' };
    expect(added(pod(same), 'LinkerdJaeger')).toEqual({
      'config.linkerd.io/trace-collector': 'collector.observability:4317',
      'config.linkerd.io/trace-collector-name': 'order-0',
    });
  });

  it('is told nothing where Linkerd is left alone, where there is no proxy, and where proxies could send nothing', () => {
    expect(added(pod(), undefined)).toEqual({});
    const without = pod();
    delete without.spec.initContainers;
    expect(added(without, 'ControlPlane')).toEqual({});
    const secure = { exporters: [{ name: 'default', endpoint: 'https://otlp.example.com' }] };
    expect(added(pod(), 'LinkerdJaeger', secure)).toEqual({});
    expect(added(pod(), 'LinkerdJaeger', { signals: { traces: false } })).toEqual({});
  });
});
