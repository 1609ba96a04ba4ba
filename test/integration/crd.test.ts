import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { completeExamples } from '../../crds/reference.ts';
import { ApiError, KubeClient } from '../../operator/kube/client.ts';
import { applyCrds, makeNamespace } from './api-server.ts';

const client = KubeClient.fromDefault();
let namespace: Awaited<ReturnType<typeof makeNamespace>>;
let removeCrds: () => Promise<void>;

beforeAll(async () => {
  removeCrds = await applyCrds(client);
  namespace = await makeNamespace(client);
});
afterAll(async () => {
  await removeCrds();
  await namespace.delete();
  client.close();
});

const exporter = { name: 'default', endpoint: 'http://collector.observability:4318' };

const secret = (key: string) => ({ secretKeyRef: { name: 'collector', key } });
const withHeader = (header: unknown) => ({ exporters: [{ ...exporter, headers: [header] }] });
const withTls = (tls: unknown, endpoint = 'https://collector') => ({ exporters: [{ name: 'a', endpoint, tls }] });

/** Creates a policy in a dry run: validation is the real one, nothing stays. */
async function create(spec: unknown, fieldValidation = 'Strict'): Promise<{ spec: Record<string, unknown> }> {
  return client.request('POST', `/apis/tracing.acme/v1alpha1/namespaces/${namespace.name}/tracingpolicies`, {
    query: { dryRun: 'All', fieldValidation },
    body: { apiVersion: 'tracing.acme/v1alpha1', kind: 'TracingPolicy', metadata: { name: 'p' }, spec },
  });
}

const refusal = async (spec: unknown): Promise<string> => {
  try {
    await create(spec);
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
  throw new Error('the API server took it');
};

describe('the API server', () => {
  it('takes a policy that uses every field', async () => {
    const spec = {
      selector: {
        matchLabels: { app: 'order' },
        matchExpressions: [
          { key: 'tier', operator: 'In', values: ['web'] },
          { key: 'beta', operator: 'DoesNotExist' },
        ],
      },
      sampling: {
        ratio: 0.1,
        parentBased: false,
        rules: [
          { spanKinds: ['Server'], methods: ['GET', 'HEAD'], paths: ['/healthz', '/static/*'], drop: true },
          { spanNames: ['orders process'], attributes: { 'messaging.system': 'kafka' }, maxPerSecond: 0.5 },
          { paths: ['*'], ratio: 0.5 },
        ],
        keep: { errors: true, slowerThan: '1500ms' },
        force: { header: 'X-Trace-Me', maxPerSecond: 0.5 },
      },
      signals: { traces: true, metrics: true, logs: true, logCorrelation: true },
      exporters: [
        { ...exporter, protocol: 'http/protobuf', headers: [{ name: 'x-api-key', value: 'abc' }] },
        {
          name: 'second',
          protocol: 'grpc',
          endpoint: 'https://otlp.example.com:4317',
          headers: [{ name: 'authorization', valueFrom: secret('authorization') }],
          tls: {
            ca: { configMapKeyRef: { name: 'collector-ca', key: 'ca.crt' } },
            cert: secret('tls.crt'),
            key: secret('tls.key'),
          },
          compression: 'gzip',
          timeout: '500ms',
          retry: { enabled: true, initialInterval: '1s', maxInterval: '5m' },
          signals: ['traces', 'logs'],
        },
        { ...exporter, name: 'third', protocol: 'http/json', retry: { enabled: false } },
      ],
      batch: { maxQueueSize: 4096, maxExportBatchSize: 1024, scheduleDelay: '200ms', exportTimeout: '2m' },
      propagators: ['tracecontext', 'baggage', 'b3'],
      baggage: { allow: ['tenant.id', 'plan'] },
      resource: { attributes: { 'deployment.environment.name': 'test' }, useLabels: true },
      instrumentations: [
        {
          name: 'http',
          ignoreIncomingPaths: ['/internal/*'],
          ignoreOutgoingUrls: ['http://consul:8500/*', '*/healthz'],
          captureRequestHeaders: ['x-tenant-id'],
          captureResponseHeaders: ['x-cache'],
        },
        { name: 'express', enabled: true, layerSpans: false },
        { name: 'pg', queryText: 'Off' },
        { name: 'of-a-later-agent', enabled: false },
      ],
      spanNames: 'ServiceOperation',
    };
    expect((await create(spec)).spec).toEqual(spec);
  });

  it.each(completeExamples())('takes the complete example of the reference: a $kind', async (policy) => {
    const where =
      policy.kind === 'TracingPolicy' ? `namespaces/${namespace.name}/tracingpolicies` : 'clustertracingpolicies';
    const metadata = { name: policy.metadata.name };
    const created = await client.request<{ spec: unknown }>('POST', `/apis/tracing.acme/v1alpha1/${where}`, {
      query: { dryRun: 'All', fieldValidation: 'Strict' },
      body: { ...policy, metadata },
    });
    expect(created.spec).toEqual(policy.spec);
  });

  it('takes an empty spec', async () => {
    expect((await create({})).spec).toEqual({});
  });

  it.each<[string, unknown, RegExp]>([
    ['a ratio above 1', { sampling: { ratio: 1.5 } }, /spec\.sampling\.ratio.* less than or equal to 1/],
    ['a ratio below 0', { sampling: { ratio: -1 } }, /spec\.sampling\.ratio.* greater than or equal to 0/],
    ['a ratio as text', { sampling: { ratio: '0.5' } }, /spec\.sampling\.ratio.* must be of type number/],
    ['a trace in lines, and no traces', { signals: { traces: false, logCorrelation: true } }, /leave traces out: /],
    ['a rule that decides nothing', { sampling: { rules: [{ paths: ['/a'] }] } }, /paths: \["\/healthz"\], drop: true/],
    ['a rule that decides twice', { sampling: { rules: [{ paths: ['/a'], ratio: 1, drop: true }] } }, /says one of/],
    ['a rule that drops not', { sampling: { rules: [{ paths: ['/a'], drop: false }] } }, /drop: true/],
    ['a rule for everything', { sampling: { rules: [{ ratio: 1 }] } }, /what it is for/],
    ['a path with a host', { sampling: { rules: [{ paths: ['shop/a'], ratio: 1 }] } }, /begins with a slash/],
    ['a path with a query', { sampling: { rules: [{ paths: ['/a?b'], ratio: 1 }] } }, /without host and query/],
    ['a method in small letters', { sampling: { rules: [{ methods: ['get'], ratio: 1 }] } }, /in capitals, e\.g\. GET/],
    [
      'an attribute that comes too late',
      { sampling: { rules: [{ attributes: { 'http.route': '/a' }, ratio: 1 }] } },
      /not known yet when a span starts.* take paths/,
    ],
    ['keep without a reason', { sampling: { keep: {} } }, /e\.g\. \{errors: true, slowerThan: 2s\}/],
    ['a number as a duration', { sampling: { keep: { slowerThan: 2 } } }, /must be of type string/],
    ['a duration without a unit', { sampling: { keep: { slowerThan: '2' } } }, /from 1ms to 10m, e\.g\. 2s/],
    ['a header of two words', { sampling: { force: { header: 'trace me' } } }, /e\.g\. X-Trace-Me/],
    ['no header', { sampling: { force: { maxPerSecond: 2 } } }, /sampling\.force\.header: Required value/],
    ['a header of all requests', { sampling: { force: { header: 'User-Agent' } } }, /would force all of them/],
    ['no traces a second', { sampling: { rules: [{ paths: ['/a'], maxPerSecond: 0 }] } }, /greater than 0/],
    [
      'an endpoint without a scheme',
      { exporters: [{ name: 'a', endpoint: 'collector:4318' }] },
      /spec\.exporters\[0\]\.endpoint.* e\.g\. http:\/\/otel-collector\.observability:4318/,
    ],
    ['an endpoint with a query', { exporters: [{ name: 'a', endpoint: 'http://c/?x=1' }] }, /without query/],
    ['two exporters of one name', { exporters: [exporter, exporter] }, /spec\.exporters\[1\].* Duplicate value/],
    ['an exporter without endpoint', { exporters: [{ name: 'a' }] }, /spec\.exporters\[0\]\.endpoint: Required value/],
    [
      'an unknown protocol',
      { exporters: [{ ...exporter, protocol: 'http' }] },
      /supported values: "http\/protobuf", "http\/json", "grpc"/,
    ],
    [
      'a key of baggage that is none',
      { baggage: { allow: ['tenant id'] } },
      /spec\.baggage\.allow.* e\.g\. tenant\.id/,
    ],
    [
      'a whole package as the name of an instrumentation',
      { instrumentations: [{ name: '@opentelemetry/instrumentation-pg' }] },
      /spec\.instrumentations\[0\]\.name.* e\.g\. express or http/,
    ],
    [
      'two instrumentations of one name',
      { instrumentations: [{ name: 'pg' }, { name: 'pg' }] },
      /spec\.instrumentations\[1\].* Duplicate value/,
    ],
    [
      'a ServiceAccount with its namespace',
      { mesh: { linkerd: { collectorServiceAccount: 'observability/otel' } } },
      /ServiceAccount is named without its namespace/,
    ],
    ...['Authorization', 'cookie', 'x-csrf-token', 'X-Api-Key', 'x-auth'].map((header): [string, unknown, RegExp] => [
      `to record the header ${header}`,
      { instrumentations: [{ name: 'http', captureRequestHeaders: [header] }] },
      /captureRequestHeaders.* headers that carry secrets .* e\.g\. captureRequestHeaders: \[x-tenant-id\]/,
    ]),
    [
      'to record a header that is none',
      { instrumentations: [{ name: 'http', captureResponseHeaders: ['x tenant'] }] },
      /captureResponseHeaders.* e\.g\. x-tenant-id/,
    ],
    [
      'paths for what is not http',
      { instrumentations: [{ name: 'express', ignoreIncomingPaths: ['/a'] }] },
      /ignoreIncomingPaths goes with http, e\.g\./,
    ],
    [
      'headers for what is not http',
      { instrumentations: [{ name: 'express', captureRequestHeaders: ['x-a'] }] },
      /go with http and undici .* e\.g\. \{name: undici/,
    ],
    [
      'a URL without a scheme',
      { instrumentations: [{ name: 'http', ignoreOutgoingUrls: ['consul:8500/*'] }] },
      /ignoreOutgoingUrls.* e\.g\. http:\/\/consul\.infra:8500/,
    ],
    ['unknown names of spans', { spanNames: 'Route' }, /supported values: "SemanticConventions", "ServiceOperation"/],
    [
      'an unknown compression',
      { exporters: [{ ...exporter, compression: 'zstd' }] },
      /supported values: "none", "gzip"/,
    ],
    [
      'an unknown signal',
      { exporters: [{ ...exporter, signals: ['spans'] }] },
      /supported values: "traces", "metrics"/,
    ],
    ['no signal', { exporters: [{ ...exporter, signals: [] }] }, /signals.* at least 1 items/],
    ['a timeout without a unit', { exporters: [{ ...exporter, timeout: '10' }] }, /from 100ms to 1m, e\.g\. 10s/],
    ['a timeout of hours', { exporters: [{ ...exporter, timeout: '900m' }] }, /from 100ms to 1m, e\.g\. 10s/],
    ['a wait of no time', { exporters: [{ ...exporter, retry: { initialInterval: '0s' } }] }, /e\.g\. 1s/],
    ['a batch larger than its queue', { batch: { maxQueueSize: 64, maxExportBatchSize: 65 } }, /maxQueueSize: 2048/],
    ['an endless batch', { batch: { exportTimeout: '11m' } }, /from 1s to 10m, e\.g\. 30s/],
    ['an unknown propagator', { propagators: ['w3c'] }, /supported values: "tracecontext"/],
    [
      'a header of two lines',
      { exporters: [{ ...exporter, headers: [{ name: 'x', value: 'a\nb' }] }] },
      /a header value is one line/,
    ],
    [
      'a header name with a space',
      { exporters: [{ ...exporter, headers: [{ name: 'x y', value: 'a' }] }] },
      /x-api-key/,
    ],
    ['a header without a value', withHeader({ name: 'x' }), /valueFrom: \{secretKeyRef: \{name: collector-credentials/],
    [
      'a header with two values',
      withHeader({ name: 'x', value: 'a', valueFrom: secret('k') }),
      /a value or a valueFrom, not both/,
    ],
    ['the header host', withHeader({ name: 'Host', value: 'elsewhere' }), /set by the transport itself/],
    ['a key that leads elsewhere', withHeader({ name: 'x', valueFrom: secret('..') }), /e\.g\. api-key/],
    ['TLS over http', withTls({ ca: secret('ca.crt') }, 'http://collector'), /endpoint: https:\/\/otel-collector/],
    ['a certificate without its key', withTls({ cert: secret('tls.crt') }), /needs its key/],
    ['an authority from nowhere', withTls({ ca: {} }), /configMapKeyRef: \{name: collector-ca/],
    ['an image of the agent in a TracingPolicy', { agent: { image: 'a' } }, /unknown field "spec\.agent"/],
    [
      "an attribute that is each pod's own",
      { resource: { attributes: { 'service.name': 'order' } } },
      /spec\.resource\.attributes.* annotate the pod template, e\.g\. resource\.opentelemetry\.io\/service\.name: order/,
    ],
    ['an attribute name with a comma', { resource: { attributes: { 'a,b': 'c' } } }, /deployment\.environment\.name/],
    [
      'values with Exists',
      { selector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] } },
      /tier/,
    ],
    ['an unknown field', { sampling: { rate: 0.5 } }, /unknown field "spec\.sampling\.rate"/],
  ])('refuses %s and says what is allowed', async (_name, spec, message) => {
    expect(await refusal(spec)).toMatch(message);
  });

  it('refuses a policy whose name would not fit into a ConfigMap key', async () => {
    const metadata = { name: 'n'.repeat(64) };
    const body = { apiVersion: 'tracing.acme/v1alpha1', kind: 'ClusterTracingPolicy', metadata, spec: {} };
    const path = '/apis/tracing.acme/v1alpha1/clustertracingpolicies';
    await expect(client.request('POST', path, { query: { dryRun: 'All' }, body })).rejects.toThrow(/63 characters/);
  });

  it.each<[string, unknown, RegExp]>([
    ['no agent at all', { imagePullPolicy: 'Always' }, /needs an image, or a canary, e\.g\. \{image: registry/],
    ['a canary of the same image', { image: 'a:1', canary: { image: 'a:1', percent: 5 } }, /must be another image/],
    ['a canary without its share', { canary: { image: 'a:1' } }, /canary\.percent: Required value/],
    ['a share as a fraction', { canary: { image: 'a:1', percent: 0.5 } }, /percent.* must be of type integer/],
    ['more than all', { canary: { image: 'a:1', percent: 101 } }, /less than or equal to 100/],
    ['an image with a blank', { canary: { image: 'a :1', percent: 5 } }, /registry\.example\.com/],
  ])('refuses %s in a ClusterTracingPolicy', async (_name, agent, message) => {
    const body = {
      apiVersion: 'tracing.acme/v1alpha1',
      kind: 'ClusterTracingPolicy',
      metadata: { name: 'p' },
      spec: { agent },
    };
    const path = '/apis/tracing.acme/v1alpha1/clustertracingpolicies';
    await expect(client.request('POST', path, { query: { dryRun: 'All' }, body })).rejects.toThrow(message);
  });

  it('drops an unknown field where validation is not strict', async () => {
    expect((await create({ sampling: { ratio: 0.5, rate: 0.1 } }, 'Warn')).spec).toEqual({ sampling: { ratio: 0.5 } });
  });
});
