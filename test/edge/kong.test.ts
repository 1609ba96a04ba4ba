import { describe, expect, it } from '@jest/globals';
import { placedIn, translateForKong } from '../cluster/gateways/kong.ts';
import { clusterOf } from '../planned-cluster.ts';

/** The first use builds a program, where nobody has before. */
const BUILDING = 900_000;

describe('what is set for Kong is, to its own translator,', () => {
  const KINDS = ['Ingress', 'IngressClass', 'HTTPRoute', 'Service', 'KongPlugin', 'KongClusterPlugin'];
  /** What owners' lists of fixtures name. */
  const plugin = (name: string, kind: string) => ({
    ...{ apiVersion: 'configuration.konghq.com/v1', kind: 'KongPlugin', plugin: kind },
    metadata: { name, namespace: 'shop' },
  });
  const theirs = [plugin('rate-limit', 'rate-limiting'), plugin('key-auth', 'key-auth')];
  const translated = async (fixture: string) => {
    const { configuration, failures } = await translateForKong('edge', [...clusterOf(fixture, KINDS), ...theirs]);
    expect(failures).toEqual([]);
    return configuration;
  };

  it(
    'a plug-in on each route that is its own, with what the policy says',
    async () => {
      const configuration = await translated('kong-routes');
      expect(placedIn(configuration)).toEqual([
        'opentelemetry on route httproute.shop.api.0.0',
        'opentelemetry on route shop.web.order..80',
      ]);
      for (const { config } of configuration.plugins!)
        expect(config).toEqual({
          traces_endpoint: 'http://collector.observability:4318/v1/traces',
          sampling_rate: 0.1,
          propagation: { extract: ['w3c'], inject: ['w3c'], default_format: 'w3c' },
          resource_attributes: { 'deployment.environment.name': 'production' },
        });
    },
    BUILDING,
  );

  it(
    "one on the Service of a route whose list is its owner's, which stays",
    async () => {
      expect(placedIn(await translated('kong-owners-list'))).toEqual([
        'key-auth on route shop.web.order..80',
        'opentelemetry on route shop.lists-it.order..80',
        'opentelemetry on service shop.order.80',
        'rate-limiting on route shop.lists-it.order..80',
        'rate-limiting on route shop.web.order..80',
      ]);
    },
    BUILDING,
  );

  it(
    "none where all lists are owners', and those stay",
    async () => {
      expect(placedIn(await translated('kong-owners-lists-everywhere'))).toEqual([
        'key-auth on service shop.order.80',
        'opentelemetry on route shop.free.payment..80',
        'rate-limiting on route shop.web.order..80',
      ]);
    },
    BUILDING,
  );

  it(
    "no second one beside an owner's own tracing",
    async () => {
      const configuration = await translated('kong-owners-tracing');
      expect(placedIn(configuration)).toEqual([
        'opentelemetry on route shop.web.order..80',
        'rate-limiting on route shop.web.order..80',
      ]);
      const own = configuration.plugins!.find(({ name }) => name === 'opentelemetry');
      expect(own?.config).toMatchObject({ sampling_rate: 0.5 });
    },
    BUILDING,
  );

  it(
    'one that drops the context of requests where that is not trusted, and writes all formats',
    async () => {
      const { plugins } = await translated('kong-untrusted');
      expect(plugins).toHaveLength(1);
      const { propagation } = plugins![0]!.config as {
        propagation: { extract?: string[]; clear: string[]; inject: string[] };
      };
      expect(propagation.extract).toBeUndefined();
      expect(propagation.clear).toEqual(expect.arrayContaining(['traceparent', 'b3', 'x-b3-sampled', 'uber-trace-id']));
      expect(propagation.inject).toEqual(['w3c', 'b3-single', 'b3', 'aws', 'jaeger']);
    },
    BUILDING,
  );
});
