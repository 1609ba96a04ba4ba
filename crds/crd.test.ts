import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { customResourceDefinitions } from './crd.ts';
import { crdFiles, referenceFile, valuesSchema } from './generate.ts';
import { completeExamples, fieldsWithoutExample } from './reference.ts';
import { clusterTracingPolicySpec, tracingPolicySpec } from './tracing-policy.ts';

describe('the committed CRD', () => {
  it.each([...crdFiles()])('%s is what the schema says (run "make generate")', (path, text) => {
    expect(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')).toBe(text);
  });

  it("and the chart's values.schema.json are of one mind about defaultPolicy", () => {
    const file = new URL('../charts/tracing-operator/values.schema.json', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(valuesSchema());
  });

  it("and the chart's values.schema.json refuses nothing by a regular expression without words beside it", () => {
    const wordless: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const { else: otherwise } = node as { else?: { const?: string } };
      for (const [key, child] of Object.entries(node)) {
        if ((key === 'pattern' && typeof child === 'string') || key === 'oneOf') wordless.push(path);
        if (key !== 'if' || !/, e\.g\. |, as /.test(otherwise?.const ?? '')) visit(child, `${path}/${key}`);
      }
    };
    visit(JSON.parse(valuesSchema()), '');
    expect(wordless).toEqual([]);
  });
});

describe('docs/reference/tracingpolicy.md', () => {
  it('is what the schema says (run "make generate")', () => {
    const [path, text] = referenceFile();
    expect(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')).toBe(text);
  });

  it('has an example for every field (what cannot be guessed stands in crds/example.ts, or as examples in its meta)', () => {
    expect(fieldsWithoutExample()).toEqual([]);
  });

  it('shows examples that are valid, and in which nothing is unknown', () => {
    const [namespaced, cluster] = completeExamples();
    expect(tracingPolicySpec.parse(namespaced.spec)).toEqual(namespaced.spec);
    expect(clusterTracingPolicySpec.parse(cluster.spec)).toEqual(cluster.spec);
  });
});

interface Definition {
  spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: Record<string, unknown> } } } }[] };
}
const definitions = [...customResourceDefinitions()].map(([plural, definition]) => {
  const { versions } = (definition as unknown as Definition).spec;
  return [plural, versions[0]!.schema.openAPIV3Schema.properties.spec, JSON.stringify(definition)] as const;
});

describe.each(definitions)('the structural schema of %s', (_plural, spec, text) => {
  const unbounded: string[] = [];
  const visit = (node: Record<string, unknown>, path: string): void => {
    if (node.type === 'string' && node.maxLength === undefined && node.enum === undefined) unbounded.push(path);
    if (node.type === 'array' && node.maxItems === undefined) unbounded.push(path);
    if (node.additionalProperties && node.maxProperties === undefined) unbounded.push(path);
    for (const [name, child] of Object.entries((node.properties ?? {}) as Record<string, Record<string, unknown>>))
      visit(child, `${path}.${name}`);
    for (const key of ['items', 'additionalProperties'])
      if (node[key] && typeof node[key] === 'object') visit(node[key] as Record<string, unknown>, `${path}[]`);
  };

  it('bounds every list, map and string, so that CEL stays within its budget', () => {
    visit(spec, 'spec');
    expect(unbounded).toEqual([]);
  });

  it('has nothing that a structural schema may not have', () => {
    for (const word of ['$ref', '$schema', 'propertyNames', '"additionalProperties":false', 'oneOf', 'anyOf'])
      expect(text).not.toContain(word);
  });

  it('describes every field, for kubectl explain', () => {
    const missing: string[] = [];
    const walk = (node: Record<string, unknown>, path: string): void => {
      for (const [name, child] of Object.entries((node.properties ?? {}) as Record<string, Record<string, unknown>>)) {
        if (!child.description) missing.push(`${path}.${name}`);
        walk(child, `${path}.${name}`);
      }
      if (node.items) walk(node.items as Record<string, unknown>, `${path}[]`);
    };
    walk(spec, 'spec');
    expect(missing).toEqual([]);
  });
});

describe('tracingPolicySpec', () => {
  const endpoint = (value: string) =>
    tracingPolicySpec.safeParse({ exporters: [{ name: 'default', endpoint: value }] }).success;

  it.each([
    'http://otel-collector.observability:4318',
    'https://otlp.example.com',
    'http://10.0.0.1:4317/',
    'http://[::1]:4318/base',
    'https://example.com/otlp',
  ])('takes the endpoint %s', (value) => expect(endpoint(value)).toBe(true));

  it.each([
    'otel-collector:4318',
    'ftp://x',
    'http://',
    'http://host:port',
    'http://host:99999',
    'http://%zz:4318',
    'http://a b',
    'http://x/?q=1',
    'http://x#y',
    '',
  ])('refuses the endpoint %j', (value) => expect(endpoint(value)).toBe(false));

  const header = (value: unknown) =>
    tracingPolicySpec.safeParse({ exporters: [{ name: 'default', endpoint: 'http://collector', headers: [value] }] })
      .success;

  it('refuses a ratio outside 0 to 1', () => {
    expect(tracingPolicySpec.safeParse({ sampling: { ratio: 1.5 } }).success).toBe(false);
    expect(tracingPolicySpec.safeParse({ sampling: { ratio: -0.1 } }).success).toBe(false);
    expect(tracingPolicySpec.safeParse({ sampling: { ratio: 0.1 } }).success).toBe(true);
  });

  it('takes an empty spec: everything has a default in the chart', () => {
    expect(tracingPolicySpec.parse({})).toEqual({});
  });

  it.each(['x-api-key', 'authorization', 'X-Team'])('takes the header %s', (name) => {
    expect(header({ name, value: 'v' })).toBe(true);
  });
  it.each(['host', 'Host', 'content-length', 'x y', ''])('refuses the header %j', (name) => {
    expect(header({ name, value: 'v' })).toBe(false);
  });

  it('takes a header with a value or with a reference to a Secret, and neither nor both', () => {
    const valueFrom = { secretKeyRef: { name: 'collector', key: 'api-key' } };
    expect(header({ name: 'a', valueFrom })).toBe(true);
    expect(header({ name: 'a', value: '' })).toBe(true);
    expect(header({ name: 'a' })).toBe(false);
    expect(header({ name: 'a', value: 'v', valueFrom })).toBe(false);
  });

  it.each(['api-key', 'tls.crt', '.dockerconfigjson', 'A_b.c..d'])('takes the key %s', (key) => {
    expect(header({ name: 'a', valueFrom: { secretKeyRef: { name: 'collector', key } } })).toBe(true);
  });
  it.each(['..', '.', '../x', 'a/b', '..data', ''])('refuses the key %j', (key) => {
    expect(header({ name: 'a', valueFrom: { secretKeyRef: { name: 'collector', key } } })).toBe(false);
  });

  it('takes TLS files for https only, and certificate and key together', () => {
    const secret = { secretKeyRef: { name: 'client', key: 'tls.crt' } };
    const tls = (value: unknown, endpoint = 'https://collector') =>
      tracingPolicySpec.safeParse({ exporters: [{ name: 'default', endpoint, tls: value }] }).success;
    expect(tls({ ca: { configMapKeyRef: { name: 'ca', key: 'ca.crt' } }, cert: secret, key: secret })).toBe(true);
    expect(tls({ ca: secret }, 'http://collector')).toBe(false);
    expect(tls({ cert: secret })).toBe(false);
    expect(tls({ key: secret })).toBe(false);
    expect(tls({ ca: {} })).toBe(false);
    expect(tls({ cert: secret, key: { configMapKeyRef: { name: 'a', key: 'b' } } })).toBe(false);
  });
});

describe('clusterTracingPolicySpec', () => {
  it.each(['agent', 'registry.example.com:5000/team/agent:0.1.0', 'agent@sha256:abc'])(
    'takes the image %s',
    (image) => {
      expect(clusterTracingPolicySpec.safeParse({ agent: { image } }).success).toBe(true);
    },
  );
  it.each(['', ' agent', 'agent image', '-agent', 'agent;x'])('refuses the image %j', (image) => {
    expect(clusterTracingPolicySpec.safeParse({ agent: { image } }).success).toBe(false);
  });

  it('alone may say which agent pods get', () => {
    const agent = { image: 'agent:2' };
    expect(clusterTracingPolicySpec.parse({ agent })).toEqual({ agent });
    expect(tracingPolicySpec.parse({ agent })).toEqual({});
  });
});

/** As they were stored under the definitions of a release: what was taken once is read for as long as its version is served. */
describe('a policy that was stored before a field was added, or after it was taken away again,', () => {
  const stored = {
    selector: { matchLabels: { app: 'web' } },
    priority: 10,
    injection: 'OptIn',
    sampling: { ratio: 0.5 },
    exporters: [
      {
        name: 'default',
        protocol: 'grpc',
        endpoint: 'http://collector:4317',
        headers: [{ name: 'x-tenant', value: 'shop' }],
      },
    ],
    propagators: ['tracecontext', 'b3'],
    resource: { attributes: { 'deployment.environment.name': 'test' } },
  };

  it.each([
    ['of the first release', stored, stored],
    ['with nothing in it', {}, {}],
    ['with a field that nobody knows', { ...stored, sampling: { ratio: 0.5, later: true }, later: {} }, stored],
  ])('%s, is read', (_name, spec, read) => {
    expect(tracingPolicySpec.parse(spec)).toEqual(read);
    expect(clusterTracingPolicySpec.parse({ ...spec, namespaceSelector: {}, override: true })).toEqual({
      ...read,
      namespaceSelector: {},
      override: true,
    });
  });
});
