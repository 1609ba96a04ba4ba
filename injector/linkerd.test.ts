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
/** Annotations that injection adds beside our own. */
function added(given: Pod, linkerd: LinkerdTracing | undefined, spec: object = {}, said: Record<string, string> = {}) {
  const resolution = resolve(policies(spec), { namespace: 'shop', ...given.metadata });
  const namespace = { name: 'shop', labels: {}, annotations: said };
  const options = { agentImage: 'agent:1', agentImagePullPolicy: 'Always', ...(linkerd && { linkerd }) };
  const { annotations = {} } = injectPod(given, namespace, resolution, options).pod.metadata!;
  return Object.fromEntries(
    Object.entries(annotations).filter(
      ([key]) => !key.startsWith('tracing.acme/') && !(key in given.metadata!.annotations!),
    ),
  );
}

describe('a pod with the proxy of Linkerd', () => {
  it('names its service for a proxy of 2.19 and later, as the app is named', () => {
    expect(added(pod(), 'ControlPlane')).toEqual({ 'resource.opentelemetry.io/service.name': 'order-0' });
    const labels = { 'app.kubernetes.io/instance': 'orders' };
    // Linkerd would take the label by itself; the app does only where the policy says so.
    expect(added(pod({}, labels), 'ControlPlane')).toEqual({ 'resource.opentelemetry.io/service.name': 'order-0' });
    expect(added(pod({}, labels), 'ControlPlane', { resource: { useLabels: true } })).toEqual({
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

  it('keeps what its owner says, on the pod or on the namespace', () => {
    expect(added(pod({ 'resource.opentelemetry.io/service.name': 'mine' }), 'ControlPlane')).toEqual({});
    const own = { 'config.linkerd.io/trace-collector': 'mine:55678' };
    expect(added(pod(own), 'LinkerdJaeger')).toEqual({});
    expect(added(pod(), 'LinkerdJaeger', {}, own)).toEqual({});
    expect(added(pod({ 'config.linkerd.io/trace-collector-name': 'mine' }), 'LinkerdJaeger')).not.toHaveProperty([
      'config.linkerd.io/trace-collector-name',
    ]);
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
