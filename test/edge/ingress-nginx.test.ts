import { describe, expect, it } from '@jest/globals';
import { renderForNginx } from '../cluster/gateways/ingress-nginx.ts';
import { clusterOf } from '../planned-cluster.ts';

/** The first use builds a program, where nobody has before. */
const BUILDING = 900_000;

/** The directives of the OpenTelemetry module in a part of nginx.conf. */
const tracingIn = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('opentelemetry'));

describe('what is set for ingress-nginx is, to its own parsers and templates,', () => {
  const KINDS = ['Ingress', 'IngressClass', 'ConfigMap', 'Service'];
  const rendered = async (...fixtures: string[]) => {
    const objects = fixtures.flatMap((fixture) => clusterOf(fixture, KINDS));
    const unique = new Map(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object]));
    return renderForNginx('ingress-nginx/ingress-nginx-controller', [...unique.values()]);
  };
  /** What counts for one host. */
  const server = (nginx: string, host: string) => {
    const [, from = ''] = nginx.split(`## start server ${host}\n`);
    const [text, rest] = from.split(`## end server ${host}`);
    expect(rest).toBeDefined();
    return text!;
  };

  it(
    'tracing of the Ingresses of its class, by trusted contexts and their names',
    async () => {
      const { ingresses, nginx } = await rendered('ingress-nginx-same-decision');
      const read = { enabled: true, set: true, 'trust-enabled': true, 'trust-set': true };
      expect(ingresses).toEqual({
        'shop/web.public': { ...read, 'operation-name': 'web-public' },
        'shop/admin': { ...read, 'operation-name': 'admin' },
      });
      expect(nginx).toContain('load_module /etc/nginx/modules/otel_ngx_module.so;');
      expect(new Set(tracingIn(server(nginx, 'web.example.com')))).toEqual(
        new Set([
          'opentelemetry on;',
          'opentelemetry_propagate;',
          'opentelemetry_operation_name web-public;',
          'opentelemetry_trust_incoming_spans on;',
        ]),
      );
    },
    BUILDING,
  );

  it(
    'a context that is not trusted, and the name that its controller has for all',
    async () => {
      const { nginx } = await rendered('ingress-nginx-named-by-controller');
      const directives = tracingIn(server(nginx, 'web.example.com'));
      expect(directives).toContain('opentelemetry_trust_incoming_spans off;');
      expect(directives.filter((line) => line.includes('operation_name'))).toEqual([]);
      expect(tracingIn(nginx)).toContain('opentelemetry_operation_name "$request_method";');
    },
    BUILDING,
  );

  it(
    'tracing taken from the Ingresses of a policy that is off, where all are traced',
    async () => {
      const { ingresses, nginx } = await rendered('ingress-nginx-switched-off');
      expect(Object.values(ingresses).map(({ enabled, set }) => [enabled, set])).toEqual([
        [false, true],
        [false, true],
      ]);
      expect(tracingIn(server(nginx, 'web.example.com'))).toContain('opentelemetry off;');
      expect(tracingIn(server(nginx, 'web.example.com'))).not.toContain('opentelemetry_propagate;');
    },
    BUILDING,
  );

  it(
    "the sampler, ratio and collector of the policy that writes its controller's ConfigMap",
    async () => {
      const { module, nginx } = await rendered('ingress-nginx-same-decision', 'ingress-nginx-controller');
      expect(module).toContain('host = "collector.observability"\nport = 4317\n');
      expect(module).toContain('[sampler]\nname = "TraceIdRatioBased"');
      expect(module).toContain('\nratio = 0.1\nparent_based = true\n');
      expect(tracingIn(nginx)).toContain('opentelemetry_operation_name "$request_method $location_path";');
    },
    BUILDING,
  );
});
