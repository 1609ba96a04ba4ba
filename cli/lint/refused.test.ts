import { describe, expect, it } from '@jest/globals';
import { dump } from 'js-yaml';
import { customResourceDefinitions } from '../../crds/crd.ts';
import { lint } from './lint.ts';

interface Node {
  properties?: Record<string, Node>;
  items?: Node;
  'x-kubernetes-validations'?: { message: string }[];
}

interface Definition {
  spec: { names: { kind: string }; versions: { schema: { openAPIV3Schema: Node } }[] };
}

/** The rules of the definitions, by the path of what they are about; what only the operator writes is not looked at. */
const RULES = [...customResourceDefinitions().values()].flatMap((definition) => {
  const { names, versions } = (definition as unknown as Definition).spec;
  const walk = (node: Node, path: string): [kind: string, path: string, index: number, message: string][] => [
    ...(node['x-kubernetes-validations'] ?? []).map(
      ({ message }, index) => [names.kind, path, index, message] as [string, string, number, string],
    ),
    ...Object.entries(node.properties ?? {}).flatMap(([key, child]) =>
      path === '' && key === 'status' ? [] : walk(child, path === '' ? key : `${path}.${key}`),
    ),
    ...(node.items ? walk(node.items, `${path}[]`) : []),
  ];
  return walk(versions[0]!.schema.openAPIV3Schema, '');
});

const EXPORTER = { name: 'default', endpoint: 'http://collector:4318' };
const OBJECT_NAME = ['-Collector'];
const KEY = ['a/b'];
const REF = { name: 'a', key: 'b' };
const EITHER = [{ secretKeyRef: REF, configMapKeyRef: REF }];
const EXPRESSIONS = [[{ key: 'tier', operator: 'In' }]];
const HEADERS = [['a b'], ['authorization']];
const IMAGE = ['agent image'];

/** For each path what its rules refuse, in their order. */
const REFUSED: Record<string, unknown[]> = {
  '': [{ metadata: { name: 'a'.repeat(64) } }],
  spec: [{ enabled: false, injection: 'All' }],
  'spec.selector.matchExpressions': EXPRESSIONS,
  'spec.namespaceSelector.matchExpressions': EXPRESSIONS,
  'spec.allowedEndpoints': [['https://otel.example.com']],
  'spec.agent': [{ imagePullPolicy: 'Always' }, { image: 'a:1', canary: { image: 'a:1', percent: 10 } }],
  'spec.agent.image': IMAGE,
  'spec.agent.canary.image': IMAGE,
  'spec.sampling.rules[]': [{ ratio: 1 }],
  'spec.sampling.rules[].methods': [['get']],
  'spec.sampling.rules[].paths': [['orders']],
  'spec.sampling.rules[].attributes': [{ 'http.route': '/orders' }],
  'spec.sampling.keep': [{}],
  'spec.sampling.keep.slowerThan': ['11m'],
  'spec.sampling.force.header': ['x trace', 'User-Agent'],
  'spec.signals': [{ traces: false, logCorrelation: true }],
  'spec.exporters[]': [{ ...EXPORTER, tls: {} }],
  'spec.exporters[].name': ['A'],
  'spec.exporters[].endpoint': ['collector:4318'],
  'spec.exporters[].headers[]': [{ name: 'x' }],
  'spec.exporters[].headers[].name': ['a b', 'Host'],
  'spec.exporters[].headers[].value': ['a\nb'],
  'spec.exporters[].headers[].valueFrom.secretKeyRef.name': OBJECT_NAME,
  'spec.exporters[].headers[].valueFrom.secretKeyRef.key': KEY,
  'spec.exporters[].tls': [{ cert: { secretKeyRef: REF } }],
  'spec.exporters[].tls.ca': EITHER,
  'spec.exporters[].tls.ca.secretKeyRef.name': OBJECT_NAME,
  'spec.exporters[].tls.ca.secretKeyRef.key': KEY,
  'spec.exporters[].tls.ca.configMapKeyRef.name': OBJECT_NAME,
  'spec.exporters[].tls.ca.configMapKeyRef.key': KEY,
  'spec.exporters[].tls.cert': EITHER,
  'spec.exporters[].tls.cert.secretKeyRef.name': OBJECT_NAME,
  'spec.exporters[].tls.cert.secretKeyRef.key': KEY,
  'spec.exporters[].tls.cert.configMapKeyRef.name': OBJECT_NAME,
  'spec.exporters[].tls.cert.configMapKeyRef.key': KEY,
  'spec.exporters[].tls.key.secretKeyRef.name': OBJECT_NAME,
  'spec.exporters[].tls.key.secretKeyRef.key': KEY,
  'spec.exporters[].timeout': ['2m'],
  'spec.exporters[].retry.initialInterval': ['1ms'],
  'spec.exporters[].retry.maxInterval': ['1h'],
  'spec.batch': [{ maxQueueSize: 100, maxExportBatchSize: 200 }],
  'spec.batch.scheduleDelay': ['1ms'],
  'spec.batch.exportTimeout': ['1ms'],
  'spec.baggage.allow': [['a=b']],
  'spec.resource.attributes': [{ 'a b': 'c' }, { 'service.name': 'order' }],
  'spec.instrumentations[]': [
    { name: 'pg', ignoreIncomingPaths: ['/a'] },
    { name: 'pg', captureRequestHeaders: ['x-tenant'] },
  ],
  'spec.instrumentations[].name': ['@opentelemetry/instrumentation-pg'],
  'spec.instrumentations[].ignoreIncomingPaths': [['a']],
  'spec.instrumentations[].ignoreOutgoingUrls': [['a']],
  'spec.instrumentations[].captureRequestHeaders': HEADERS,
  'spec.instrumentations[].captureResponseHeaders': HEADERS,
  'spec.mesh.istio.provider': ['-a'],
  'spec.mesh.linkerd.collectorServiceAccount': ['observability/otel'],
};

/** An object that has the value at a path, each list on the way with one item. */
function withValue(path: string, value: unknown): unknown {
  return path
    .replaceAll('[]', '.[]')
    .split('.')
    .reduceRight<unknown>((inner, step) => (step === '[]' ? [inner] : { [step]: inner }), value);
}

describe('a rule of the definitions', () => {
  it.each(RULES)('of %s at %j (%i) is one of lint too', (kind, path, index, message) => {
    // A rule that is new here needs an example of what it refuses.
    expect(REFUSED[path]?.length).toBeGreaterThan(index);
    const value = REFUSED[path]![index];
    const text = dump({
      ...{ apiVersion: 'tracing.acme/v1alpha1', kind, metadata: { name: 'default' }, spec: {} },
      ...(path === '' ? (value as object) : (withValue(path, value) as object)),
    });
    const refused = lint(text, 'policy.yaml').findings.filter(({ level }) => level === 'Refused');
    expect(refused).toContainEqual(
      expect.objectContaining({
        field: expect.stringContaining(path.replaceAll('[]', '[0]')),
        what: expect.stringContaining(message),
      }),
    );
  });

  it('has as many examples as there are rules', () => {
    const counted = new Set(RULES.map(([, path, index]) => `${path} ${index}`));
    const examples = Object.entries(REFUSED).flatMap(([path, values]) =>
      values.map((_value, index) => `${path} ${index}`),
    );
    expect([...counted].sort()).toEqual(examples.sort());
  });
});
