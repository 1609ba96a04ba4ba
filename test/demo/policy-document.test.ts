import { expect, it } from '@jest/globals';
import { documentOf } from './policy-document.ts';

const ENDPOINTS = { http: 'http://127.0.0.1:4318', grpc: 'http://127.0.0.1:4317' };
const policy = (spec: string) =>
  `apiVersion: tracing.acme/v1alpha1\nkind: TracingPolicy\nmetadata: {name: shop, namespace: shop}\nspec: ${spec}\n`;

it('is what a pod would be told, with its spans sent elsewhere', () => {
  const text = policy(
    '{sampling: {ratio: 0.5}, exporters: [{name: a, endpoint: "http://a:1"}, {name: b, protocol: grpc, endpoint: "http://b:2"}]}',
  );
  const { source, spec } = documentOf(text, 'policy.yaml', ENDPOINTS);
  expect(source).toBe('TracingPolicy shop/shop');
  expect(spec.sampling.ratio).toBe(0.5);
  expect(spec.exporters.map(({ endpoint }) => endpoint)).toEqual([ENDPOINTS.http, ENDPOINTS.grpc]);
});

it('refuses what the API server would refuse', () => {
  expect(() => documentOf(policy('{sampling: {ratio: 7}}'), 'policy.yaml', ENDPOINTS)).toThrow(/sampling\.ratio/);
});

it('says so when no policy is for the shop', () => {
  const text = policy('{}').replace('namespace: shop', 'namespace: other');
  expect(() => documentOf(text, 'policy.yaml', ENDPOINTS)).toThrow(
    'policy.yaml has no policy that applies in the namespace shop',
  );
});
