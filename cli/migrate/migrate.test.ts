import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { migrateManifest } from './migrate.ts';

const migrate = (text: string) => migrateManifest(text, 'old.yaml');

function convert(spec: object) {
  const instrumentation = {
    apiVersion: 'opentelemetry.io/v1alpha1',
    kind: 'Instrumentation',
    metadata: { name: 'i' },
    spec,
  };
  const { text, lines } = migrate(JSON.stringify(instrumentation));
  const prefix = /^old\.yaml, document 1, line 1: Instrumentation i: /;
  const { kind, spec: made } = JSON.parse(text) as { kind: string; spec: unknown };
  expect(kind).toBe('TracingPolicy');
  return { spec: made, lines: lines.slice(1).map((line) => line.replace(prefix, '')) };
}

describe('what is left to people', () => {
  const left = (spec: object) =>
    migrate(
      JSON.stringify({
        apiVersion: 'opentelemetry.io/v1alpha1',
        kind: 'Instrumentation',
        metadata: { name: 'i' },
        spec,
      }),
    ).left;
  const exporter = { endpoint: 'http://collector:4318' };

  it('is nothing where all is converted, or needs nothing in its place', () => {
    expect(left({ exporter, sampler: { type: 'always_on' } })).toBe(0);
    expect(left({ exporter, java: {}, nodejs: { resourceRequirements: {} } })).toBe(0);
    expect(migrate('kind: ConfigMap\n').left).toBe(0);
  });

  it('is each field that has no counterpart, and that matters', () => {
    expect(left({ exporter, sampler: { type: 'jaeger_remote' }, nodejs: { image: 'own:1' } })).toBe(2);
  });
});

describe('an Instrumentation', () => {
  it.each<[string, object, unknown, (string | RegExp)[]]>([
    ['nothing', {}, {}, []],
    [
      'a ratio',
      { sampler: { type: 'parentbased_traceidratio', argument: '0.25' } },
      { sampling: { ratio: 0.25 } },
      ['spec.sampler: converted to sampling.ratio: 0.25'],
    ],
    ['all', { sampler: { type: 'parentbased_always_on' } }, { sampling: { ratio: 1 } }, [/sampling\.ratio: 1$/]],
    [
      'none',
      { sampler: { type: 'always_off' } },
      { sampling: { ratio: 0, parentBased: false } },
      [/sampling\.ratio: 0, sampling\.parentBased: false$/],
    ],
    [
      'no such sampler',
      { sampler: { type: 'jaeger_remote' } },
      {},
      [/not converted: there is no sampler jaeger_remote; .* e\.g\. 0\.1/],
    ],
    [
      'no such ratio',
      { sampler: { type: 'traceidratio', argument: 'x' } },
      {},
      [/not converted: "x" is no ratio from 0 to 1/],
    ],
    [
      'variables win, those for Node.js first',
      {
        sampler: { type: 'always_on' },
        env: [
          { name: 'OTEL_TRACES_SAMPLER', value: 'parentbased_traceidratio' },
          { name: 'OTEL_TRACES_SAMPLER_ARG', value: '0.5' },
        ],
        nodejs: { env: [{ name: 'OTEL_TRACES_SAMPLER_ARG', value: '0.1' }] },
      },
      { sampling: { ratio: 0.1 } },
      ['spec.env.0: converted to sampling.ratio: 0.1'],
    ],
    [
      'an exporter',
      { exporter: { endpoint: 'http://c:4318' } },
      { exporters: [{ name: 'default', endpoint: 'http://c:4318' }] },
      ['spec.exporter.endpoint: converted to exporters[0].endpoint: http://c:4318'],
    ],
    [
      "an exporter at gRPC's port that says no protocol",
      { exporter: { endpoint: 'http://c:4317/' } },
      { exporters: [{ name: 'default', protocol: 'grpc', endpoint: 'http://c:4317/' }] },
      [
        'spec.exporter.endpoint: converted to exporters[0].endpoint: http://c:4317/',
        /^spec\.exporter\.endpoint: converted to exporters\[0\]\.protocol: grpc, as 4317 is gRPC's port; .*take protocol out/,
      ],
    ],
    [
      "an exporter at gRPC's port that says its protocol",
      {
        exporter: { endpoint: 'http://c:4317' },
        nodejs: { env: [{ name: 'OTEL_EXPORTER_OTLP_PROTOCOL', value: 'http/json' }] },
      },
      { exporters: [{ name: 'default', protocol: 'http/json', endpoint: 'http://c:4317' }] },
      ['spec.nodejs.env.0: converted to exporters[0].protocol: http/json', /endpoint: http:\/\/c:4317$/],
    ],
    [
      "an exporter at gRPC's port with a path, which gRPC has not",
      { nodejs: { env: [{ name: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', value: 'http://c:4317/v1/traces' }] } },
      { exporters: [{ name: 'default', endpoint: 'http://c:4317' }] },
      ['spec.nodejs.env.0: converted to exporters[0].endpoint: http://c:4317'],
    ],
    [
      'a protocol that there is not',
      {
        exporter: { endpoint: 'http://c:4318' },
        env: [{ name: 'OTEL_EXPORTER_OTLP_PROTOCOL', value: 'thrift' }],
      },
      { exporters: [{ name: 'default', endpoint: 'http://c:4318' }] },
      ['spec.env.0: not converted: there is no protocol thrift; there are http/protobuf, http/json, grpc', /endpoint/],
    ],
    [
      'an exporter by variables',
      {
        env: [
          { name: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', value: 'http://c:4318/v1/traces' },
          { name: 'OTEL_EXPORTER_OTLP_HEADERS', value: 'a=b%20c, d=e' },
          { name: 'OTEL_EXPORTER_OTLP_PROTOCOL', value: 'grpc' },
        ],
      },
      {
        exporters: [
          {
            ...{ name: 'default', endpoint: 'http://c:4318', protocol: 'grpc' },
            headers: [
              { name: 'a', value: 'b c' },
              { name: 'd', value: 'e' },
            ],
          },
        ],
      },
      [
        'spec.env.2: converted to exporters[0].protocol: grpc',
        'spec.env.1: converted to exporters[0].headers: a, d',
        /endpoint: http:\/\/c:4318$/,
      ],
    ],
    [
      'what is sent',
      {
        env: [
          { name: 'OTEL_TRACES_EXPORTER', value: 'otlp' },
          { name: 'OTEL_METRICS_EXPORTER', value: 'otlp' },
          { name: 'OTEL_LOGS_EXPORTER', value: 'none' },
        ],
      },
      { signals: { metrics: true } },
      [
        /^spec\.env\.0: not needed: .* traces are sent where a policy says nothing of them$/,
        'spec.env.1: converted to signals.metrics: true',
        /^spec\.env\.2: not needed: .* logs are not sent/,
      ],
    ],
    [
      'signals that are switched off or go elsewhere',
      {
        env: [
          { name: 'OTEL_TRACES_EXPORTER', value: 'none' },
          { name: 'OTEL_METRICS_EXPORTER', value: 'prometheus' },
        ],
      },
      { signals: { traces: false } },
      [
        'spec.env.0: converted to signals.traces: false',
        /not converted: .* there is no exporter prometheus; signals\.metrics/,
      ],
    ],
    [
      'instrumentations',
      {
        env: [{ name: 'OTEL_NODE_ENABLED_INSTRUMENTATIONS', value: 'http,express' }],
        nodejs: { env: [{ name: 'OTEL_NODE_DISABLED_INSTRUMENTATIONS', value: 'fs, dns,fs' }] },
      },
      {
        instrumentations: [
          { name: 'fs', enabled: false },
          { name: 'dns', enabled: false },
        ],
      },
      [
        /^spec\.env\.0: not converted: it switches all others off/,
        'spec.nodejs.env.0: converted to instrumentations, with enabled: false: fs, dns',
      ],
    ],
    [
      'a name that no instrumentation has',
      { env: [{ name: 'OTEL_NODE_DISABLED_INSTRUMENTATIONS', value: 'Express!' }] },
      {},
      [/not converted: "Express!": a name is that of a package/],
    ],
    [
      'mutual TLS',
      {
        exporter: {
          endpoint: 'https://c:4318',
          tls: { secretName: 's', configMapName: 'm', ca_file: 'ca.crt', cert_file: 'tls.crt', key_file: 'tls.key' },
        },
      },
      {
        exporters: [
          {
            name: 'default',
            endpoint: 'https://c:4318',
            tls: {
              ca: { configMapKeyRef: { name: 'm', key: 'ca.crt' } },
              cert: { secretKeyRef: { name: 's', key: 'tls.crt' } },
              key: { secretKeyRef: { name: 's', key: 'tls.key' } },
            },
          },
        ],
      },
      ['spec.exporter.tls: converted to exporters[0].tls: ca, cert, key', /endpoint/],
    ],
    [
      'files that are not in a Secret, and an address that is only known in the pod',
      { exporter: { endpoint: 'https://$(NODE_IP):4318', tls: { ca_file: '/etc/ca.crt' } } },
      {},
      [
        /ca_file: not converted: \/etc\/ca\.crt is not a key of a Secret or ConfigMap; .*e\.g\./,
        /endpoint: not converted: .*endpoint must be/,
      ],
    ],
    [
      'propagators',
      { propagators: ['b3', 'ottrace', 'tracecontext'] },
      { propagators: ['b3', 'tracecontext'] },
      [
        /not converted: there is no propagator ottrace; there are tracecontext/,
        'spec.propagators: converted to propagators: b3, tracecontext',
      ],
    ],
    [
      'attributes',
      {
        resource: { resourceAttributes: { env: 'test', 'a b': 'c', 'service.name': 'x' }, addK8sUIDAttributes: true },
        defaults: { useLabelsForResourceAttributes: true },
      },
      { resource: { attributes: { env: 'test' }, useLabels: true } },
      [
        /attributes: env$/,
        /a b: an attribute name has no spaces, .* e\.g\./,
        /service\.name comes from each pod: annotate the pod template, resource\.opentelemetry\.io\/service\.name/,
        /addK8sUIDAttributes: not converted/,
        /useLabelsForResourceAttributes: converted to resource\.useLabels: true/,
      ],
    ],
    [
      'whatever else there is',
      {
        env: [{ name: 'FOO', value: 'x' }],
        nodejs: { image: 'i', volumeLimitSize: '1Gi', strange: 1 },
        imagePullPolicy: 'Always',
        java: {},
        stranger: 1,
      },
      {},
      [
        /env\.0: not converted: FOO: set it in the env of the container itself/,
        /nodejs\.image: not converted: the agent comes with the operator/,
        /nodejs\.volumeLimitSize: not needed/,
        /nodejs\.strange: not converted: this field is not known/,
        /imagePullPolicy: not converted/,
        /java: not needed: it is not about Node\.js/,
        /stranger: not converted: this field is not known/,
      ],
    ],
  ])('with %s: each field is converted or named', (_what, spec, made, lines) => {
    const result = convert(spec);
    expect(result.spec).toEqual(made);
    expect(result.lines).toHaveLength(lines.length);
    for (const [i, line] of lines.entries())
      if (typeof line === 'string') expect(result.lines[i]).toBe(line);
      else expect(result.lines[i]).toMatch(line);
  });

  it('of a version that nobody serves is refused', () => {
    expect(() => migrate('apiVersion: opentelemetry.io/v1beta1\nkind: Instrumentation\n')).toThrow(
      'old.yaml, document 1, line 1: opentelemetry.io/v1beta1 is not known; Instrumentations are opentelemetry.io/v1alpha1',
    );
  });
});

describe('annotations', () => {
  const KEY = 'instrumentation.opentelemetry.io';
  const workload = (annotations: string[], containers = ['app']) => `kind: Deployment
metadata:
  name: web # mine
spec:
  template:
    metadata:
      annotations:
        # why
        other: x
${annotations.map((line) => `        ${KEY}/${line}\n`).join('')}    spec:
      containers:
${containers.map((name) => `      - name: ${name}\n`).join('')}`;
  const annotationsOf = (text: string) =>
    (load(text) as { spec: { template: { metadata: { annotations: Record<string, string> } } } }).spec.template.metadata
      .annotations;

  it.each<[string[], string[] | undefined, Record<string, string>]>([
    [['inject-nodejs: "true"'], undefined, { 'tracing.acme/inject': 'true' }],
    [['inject-nodejs: "False"'], undefined, { 'tracing.acme/inject': 'false' }],
    [['inject-nodejs: shop'], undefined, { 'tracing.acme/inject': 'true', 'tracing.acme/policy': 'shop' }],
    [['inject-nodejs: a/shop'], undefined, { 'tracing.acme/inject': 'true' }],
    [['inject-nodejs: "true"'], ['app', 'b'], { 'tracing.acme/inject': 'true', 'tracing.acme/containers': 'app' }],
    [
      ['inject-nodejs: "true"', 'container-names: b'],
      ['app', 'b'],
      { 'tracing.acme/inject': 'true', 'tracing.acme/containers': 'b' },
    ],
    [
      ['inject-nodejs: "true"', 'container-names: b', 'inject-java: "true"'],
      ['app', 'b'],
      {
        'tracing.acme/inject': 'true',
        'tracing.acme/containers': 'b',
        [`${KEY}/container-names`]: 'b',
        [`${KEY}/inject-java`]: 'true',
      },
    ],
  ])('%j on containers %j', (before, containers, after) => {
    const text = workload(before, containers);
    const { text: result } = migrate(text);
    expect(annotationsOf(result)).toEqual({ other: 'x', ...after });
    expect(result).toContain('  name: web # mine\n');
    expect(result).toContain('        # why\n');
    expect(migrate(result).text).toBe(result);
  });

  it('of a namespace become its label', () => {
    const { text, lines } = migrate(
      `kind: Namespace\nmetadata:\n  name: shop\n  annotations: {${KEY}/inject-nodejs: shop}\n`,
    );
    expect(load(text)).toEqual({
      kind: 'Namespace',
      metadata: { name: 'shop', labels: { 'tracing.acme/inject': 'true' } },
    });
    expect(lines).toEqual([
      expect.stringMatching(/line 4: Namespace shop: .* converted to label tracing\.acme\/inject: "true"$/),
      expect.stringMatching(/not converted: a namespace cannot name a policy/),
    ]);
  });

  it('are left alone where there are none', () => {
    const text = `# nothing\nkind: Pod\nspec: {containers: [{name: a}]}\n---\nkind: ConfigMap\n`;
    expect(migrate(text)).toEqual({
      text,
      lines: ['old.yaml: there is nothing of opentelemetry-operator for Node.js in it'],
      left: 0,
    });
  });
});
