import { describe, expect, it } from '@jest/globals';
import type { PolicyDocumentSpec } from '../policy-document.ts';
import { resolveSettings, type PolicyState } from './settings.ts';

const spec = {
  sampling: { ratio: 0.5 },
  exporters: [
    { name: 'a', protocol: 'http/protobuf', endpoint: 'http://a:4318', headers: [{ name: 'x-token', value: 'abc' }] },
    { name: 'b', protocol: 'grpc', endpoint: 'http://b:4317' },
  ],
  propagators: ['tracecontext'],
  resource: { attributes: { team: 'shop' } },
} as PolicyDocumentSpec;
const policy: PolicyState & { kind: 'policy' } = { kind: 'policy', key: 'policy.a.json', revision: 'r', spec };

describe('resolveSettings by the environment alone', () => {
  it('has the usual defaults', () => {
    expect(resolveSettings({}, undefined)).toMatchObject({
      on: true,
      ratio: 1,
      rule: 'parent',
      exporters: [{ protocol: 'http/protobuf', endpoint: 'http://localhost:4318/v1/traces', headers: {} }],
      propagators: ['tracecontext', 'baggage'],
    });
  });

  it.each([
    ['always_on', undefined, 1, 'ignore-parent'],
    ['always_off', undefined, 0, 'ignore-parent'],
    ['traceidratio', '0.25', 0.25, 'ignore-parent'],
    ['parentbased_always_on', undefined, 1, 'parent'],
    ['parentbased_traceidratio', '0.1', 0.1, 'parent'],
    ['parentbased_traceidratio', 'much', 1, 'parent'],
  ])('sampler %s with %s', (name, argument, ratio, rule) => {
    const env = { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: argument };
    expect(resolveSettings(env, undefined)).toMatchObject({ ratio, rule });
  });

  it('takes endpoint, protocol and headers, the traces ones first', () => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://base:4318',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces/as-is',
      OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=2',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=3%204',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    };
    expect(resolveSettings(env, undefined).exporters).toEqual([
      {
        name: 'otlp',
        signal: 'traces',
        protocol: 'http/protobuf',
        endpoint: 'http://traces/as-is',
        headers: { a: '1', b: '3 4' },
        gzip: true,
        timeoutMillis: 10_000,
        retry: { initialMillis: 1_000, maxMillis: 10_000 },
      },
    ]);
    const grpc = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://base:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    expect(resolveSettings(grpc, undefined).exporters).toMatchObject([
      { protocol: 'grpc', endpoint: 'http://base:4317' },
    ]);
  });

  it('is off when disabled or without an exporter', () => {
    expect(resolveSettings({ OTEL_SDK_DISABLED: 'true' }, undefined).on).toBe(false);
    expect(resolveSettings({ OTEL_TRACES_EXPORTER: 'none' }, undefined).on).toBe(false);
  });
});

describe('resolveSettings with a policy', () => {
  it('takes everything from the policy', () => {
    expect(resolveSettings({}, policy)).toMatchObject({
      on: true,
      ratio: 0.5,
      rule: 'parent',
      exporters: [
        { protocol: 'http/protobuf', endpoint: 'http://a:4318/v1/traces', headers: { 'x-token': 'abc' } },
        { protocol: 'grpc', endpoint: 'http://b:4317', headers: {} },
      ],
      propagators: ['tracecontext'],
      resource: { team: 'shop' },
    });
  });

  it('is off without a policy, without exporters, and before anything is known', () => {
    expect(resolveSettings({}, { kind: 'none' }).on).toBe(false);
    expect(resolveSettings({}, { ...policy, spec: { ...spec, exporters: [] } }).on).toBe(false);
    expect(resolveSettings({}, { kind: 'unknown' }).on).toBe(false);
  });

  it('leaves what the owner set by hand, each by itself', () => {
    expect(resolveSettings({ OTEL_TRACES_SAMPLER: 'always_on' }, policy)).toMatchObject({
      ratio: 1,
      exporters: [{ endpoint: 'http://a:4318/v1/traces' }, {}],
    });
    expect(resolveSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://mine:4318' }, policy)).toMatchObject({
      ratio: 0.5,
      exporters: [{ endpoint: 'http://mine:4318/v1/traces' }],
    });
    expect(resolveSettings({ OTEL_PROPAGATORS: 'b3' }, policy).propagators).toEqual(['b3']);
  });

  it('switches off with `none` whatever the owner set', () => {
    expect(resolveSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://mine' }, { kind: 'none' }).on).toBe(false);
  });

  it('sends spans to exporters that take them alone', () => {
    const exporters = spec.exporters.map((exporter, i) => ({ ...exporter, signals: [i === 0 ? 'logs' : 'traces'] }));
    const only = (kept: unknown[]) =>
      resolveSettings({}, { ...policy, spec: { ...spec, exporters: kept } as PolicyDocumentSpec });
    expect(only(exporters).exporters.map(({ name }) => name)).toEqual(['b']);
    expect(only(exporters.slice(0, 1)).on).toBe(false);
  });
});

describe('signals', () => {
  const on = (signals: PolicyDocumentSpec['signals']): PolicyState => ({
    ...policy,
    spec: { ...spec, ...(signals && { signals }) },
  });

  it('are traces alone unless the policy says more', () => {
    expect(resolveSettings({}, policy)).toMatchObject({ on: true, metrics: [], logs: [], logCorrelation: false });
    expect(resolveSettings({}, on({ metrics: true, logs: true, logCorrelation: true }))).toMatchObject({
      on: true,
      metrics: [
        { name: 'a', signal: 'metrics', endpoint: 'http://a:4318/v1/metrics', headers: { 'x-token': 'abc' } },
        { name: 'b', signal: 'metrics', protocol: 'grpc', endpoint: 'http://b:4317' },
      ],
      logs: [{ signal: 'logs', endpoint: 'http://a:4318/v1/logs' }, {}],
      logCorrelation: true,
    });
    expect(resolveSettings({}, on({ traces: false, metrics: true }))).toMatchObject({
      on: false,
      exporters: [],
      metrics: [{}, {}],
    });
  });

  it('go where the owner says, and not at all where the owner says none', () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://mine:4318', OTEL_LOGS_EXPORTER: 'none' };
    expect(resolveSettings(env, on({ metrics: true, logs: true }))).toMatchObject({
      metrics: [{ endpoint: 'http://mine:4318/v1/metrics' }],
      logs: [],
    });
    expect(resolveSettings(env, policy)).toMatchObject({ metrics: [], logs: [] });
    const own = { OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://logs:1/here', OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'a=1' };
    expect(resolveSettings(own, on({ metrics: true, logs: true }))).toMatchObject({
      exporters: [{ endpoint: 'http://a:4318/v1/traces' }, {}],
      metrics: [{ endpoint: 'http://a:4318/v1/metrics' }, {}],
      logs: [{ endpoint: 'http://logs:1/here', headers: { a: '1' } }],
    });
  });

  it('by the environment alone are asked for by name', () => {
    expect(resolveSettings({}, undefined)).toMatchObject({ metrics: [], logs: [], logCorrelation: true });
    expect(resolveSettings({ OTEL_METRICS_EXPORTER: 'otlp', OTEL_LOGS_EXPORTER: 'otlp' }, undefined)).toMatchObject({
      metrics: [{ endpoint: 'http://localhost:4318/v1/metrics' }],
      logs: [{ endpoint: 'http://localhost:4318/v1/logs' }],
    });
  });
});
