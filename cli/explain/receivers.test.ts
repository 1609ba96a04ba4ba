import { describe, expect, it } from '@jest/globals';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Policy } from '../../injector/resolve.ts';
import { ApiError } from '../../operator/kube/client.ts';
import type { Receivers } from './receivers.ts';
import { diagnose, findReceivers, likelyReceiver } from './receivers.ts';

const service = (
  namespace: string,
  name: string,
  ports: number[],
  selector: Record<string, string> = { app: name },
  more: { type?: string; clusterIP?: string } = {},
) => ({
  metadata: { name, namespace },
  spec: { selector, ports: ports.map((port) => ({ port })), ...more },
});
const receivers = (...services: ReturnType<typeof service>[]): Receivers => ({ services, ready: new Map() });
const policy = (kind: Policy['kind'] = 'TracingPolicy') =>
  ({
    kind,
    metadata: { name: 'default', namespace: 'shop', uid: '', resourceVersion: '', creationTimestamp: '' },
    spec: { exporters: [{ name: 'main', endpoint: 'http://collector:4318' }] },
  }) as Policy;
const REFUSED =
  'exporter main: collector:4318: ECONNREFUSED (nothing listens there: does it run, and is the port right?)';

function diagnosed(endpoint: string, trouble: string, seen?: Receivers, of: Policy | undefined = policy()) {
  const exporters = [{ name: 'main', endpoint, protocol: 'http/protobuf' as const, headers: [] }];
  const document = { spec: { exporters } } as unknown as PolicyDocument;
  return diagnose(trouble, { namespace: 'shop', ...(seen && { receivers: seen }) }, document, of, 'deployment/order');
}

describe('what is behind the trouble of an exporter', () => {
  const unknown = 'exporter main: colector.obs:4318: ENOTFOUND';

  it('is a Service that there is not; what is called almost so is named', () => {
    const { why, next } = diagnosed(
      'http://colector.obs:4318',
      unknown,
      receivers(service('obs', 'collector', [4318])),
    );
    expect(why).toBe('there is no Service colector in namespace obs, but collector in obs');
    expect(next).toBe(
      'kubectl -n shop edit tracingpolicy default # the exporter main: endpoint http://collector.obs:4318',
    );
    const elsewhere = receivers(service('monitoring', 'colector', [4318]));
    expect(diagnosed('http://colector.obs:4318', unknown, elsewhere)).toEqual({
      why: 'there is no Service colector in namespace obs, but colector in monitoring',
      next: 'kubectl -n shop edit tracingpolicy default # the exporter main: endpoint http://colector.monitoring:4318',
    });
    expect(diagnosed('http://colector.obs:4318', unknown, receivers())).toEqual({
      why: 'there is no Service colector in namespace obs',
      next: 'kubectl -n shop edit tracingpolicy default # the exporter main: endpoint http://colector.obs:4318',
    });
  });

  it('is not sought in a host that is called like a queue, behind another name, or at the ports of a headless Service', () => {
    expect(diagnosed('http://otel-queue.obs:4318', 'exporter main: otel-queue.obs:4318: HTTP 500').next).toMatch(
      /edit tracingpolicy default # the exporter main: endpoint/,
    );
    expect(diagnosed('http://collector:4318', 'exporter main: collector:4318: the queue was full: …').next).toMatch(
      /# sampling\.ratio lower, or batch\.maxQueueSize higher$/,
    );
    const outside = service('shop', 'collector', [], {}, { type: 'ExternalName' });
    expect(diagnosed('http://collector:4318', REFUSED, receivers(outside))).toEqual({
      next: 'kubectl -n shop edit tracingpolicy default # the exporter main: endpoint http://collector:4318',
    });
    const headless = service('shop', 'collector', [80], undefined, { clusterIP: 'None' });
    expect(diagnosed('http://collector:4318', REFUSED, receivers(headless)).why).toMatch(/has pods that are ready$/);
  });

  it('is a port that the Service has not, or that none of its pods is ready', () => {
    const two = receivers(service('shop', 'collector', [4317, 4318]));
    expect(diagnosed('http://collector:4319', REFUSED, two)).toEqual({
      why: 'Service collector in namespace shop has no port 4319, but 4317, 4318',
      next: 'kubectl -n shop edit tracingpolicy default # the exporter main: endpoint http://collector:4318',
    });
    const none = { ...two, ready: new Map([['shop/collector', 0]]) };
    expect(diagnosed('http://collector.shop.svc.cluster.local:4318', REFUSED, none)).toEqual({
      why: 'Service collector in namespace shop has no pod that is ready',
      next: 'kubectl -n shop get pods -l app=collector',
    });
    expect(diagnosed('http://collector:4318', REFUSED, { ...two, ready: new Map([['shop/collector', 1]]) })).toEqual({
      why: 'Service collector in namespace shop is there, and has pods that are ready',
      next: expect.stringMatching(/^kubectl -n shop describe service collector # its targetPort: /),
    });
  });

  it('is not guessed where it may not be seen, or is none of the cluster', () => {
    const own = { ...receivers(), namespaces: ['shop'] };
    expect(diagnosed('http://collector.obs:4318', REFUSED, own).why).toBe(
      'whether there is a Service collector in namespace obs you may not see',
    );
    for (const endpoint of ['https://otlp.example.com', 'http://example.com:4318', 'http://10.0.0.1:4318'])
      expect(diagnosed(endpoint, REFUSED, receivers()).why).toBeUndefined();
  });

  it('is a Secret that is missing, or that a pod was made without', () => {
    const needs = 'exporter main: it needs key k of Secret s, which';
    expect(diagnosed('http://collector:4318', `${needs} is not there: make it`).next).toMatch(
      /^kubectl -n shop create secret generic s --from-literal=k=VALUE # /,
    );
    expect(diagnosed('http://collector:4318', `${needs} this pod was made without: restart the pod`)).toEqual({
      next: 'kubectl -n shop rollout restart deployment/order',
    });
  });

  it('sends to where the exporter is said: a policy of the cluster, or the chart', () => {
    const refused = 'exporter main: collector:4318: HTTP 401';
    expect(diagnosed('http://collector:4318', refused, undefined, policy('ClusterTracingPolicy')).next).toMatch(
      /^kubectl edit clustertracingpolicy default # the exporter main: headers/,
    );
    const bare = { ...policy(), spec: {} } as Policy;
    expect(diagnosed('http://collector:4318', refused, undefined, bare).next).toMatch(
      /^helm get values tracing-operator -n tracing-system # defaultPolicy\.exporters/,
    );
  });
});

describe('a receiver for a first policy', () => {
  it('is what takes OTLP, in the own namespace first, and what has both ports before others', () => {
    const all = receivers(
      service('obs', 'jaeger', [4317, 4318]),
      service('shop', 'web', [80]),
      service('shop', 'grpc-only', [4317]),
    );
    expect(likelyReceiver(all, 'shop')).toEqual({ endpoint: 'http://grpc-only:4317', protocol: 'grpc' });
    expect(likelyReceiver(all, undefined)).toEqual({ endpoint: 'http://jaeger.obs:4318' });
    expect(likelyReceiver(receivers(service('shop', 'web', [80])), 'shop')).toBeUndefined();
  });
});

describe('what can be seen of Services', () => {
  it('is that of the namespaces that matter, where not all may be read', async () => {
    const asked: string[] = [];
    const request = ((_method: string, path: string) => {
      asked.push(path);
      if (path === '/api/v1/services' || path.includes('/obs/'))
        return Promise.reject(new ApiError('GET', path, 403, 'Forbidden', 'no'));
      return Promise.resolve({ items: [{ metadata: { name: 'collector', namespace: 'shop' } }], metadata: {} });
    }) as never;
    const found = await findReceivers({ request }, 'shop', ['http://collector.obs:4318']);
    expect(found).toMatchObject({ namespaces: ['shop'], services: [{ metadata: { name: 'collector' } }] });
    expect(asked).toEqual(['/api/v1/services', '/api/v1/namespaces/shop/services', '/api/v1/namespaces/obs/services']);
  });
});
