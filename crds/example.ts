import type { ClusterTracingPolicySpec, TracingPolicySpec } from './tracing-policy.ts';

/**
 * The complete examples of docs/reference/tracingpolicy.md, as somebody might really write them. What is not said here is
 * filled in from the schema (crds/reference.ts), so that a new field needs nothing done; said here, it reads better.
 */
export const tracingPolicyExample: TracingPolicySpec = {
  selector: { matchLabels: { app: 'order' }, matchExpressions: [{ key: 'tier', operator: 'In', values: ['web'] }] },
  priority: 10,
  enabled: true,
  injection: 'OptIn',
  containers: ['app'],
  sampling: {
    ratio: 0.1,
    parentBased: true,
    rules: [
      { paths: ['/healthz', '/readyz'], drop: true },
      { spanKinds: ['Server'], methods: ['POST'], paths: ['/orders/*'], ratio: 1 },
      { spanNames: ['orders process'], attributes: { 'messaging.system': 'kafka' }, maxPerSecond: 5 },
    ],
  },
  signals: { traces: true, metrics: true, logs: true, logCorrelation: true },
  exporters: [
    {
      name: 'default',
      protocol: 'http/protobuf',
      endpoint: 'http://otel-collector.observability:4318',
      headers: [{ name: 'x-tenant', value: 'shop' }],
    },
    {
      name: 'vendor',
      protocol: 'grpc',
      endpoint: 'https://otlp.example.com:4317',
      headers: [{ name: 'x-api-key', valueFrom: { secretKeyRef: { name: 'collector-credentials', key: 'api-key' } } }],
      tls: {
        ca: { configMapKeyRef: { name: 'collector-ca', key: 'ca.crt' } },
        cert: { secretKeyRef: { name: 'collector-client', key: 'tls.crt' } },
        key: { secretKeyRef: { name: 'collector-client', key: 'tls.key' } },
      },
    },
  ],
  propagators: ['tracecontext', 'baggage', 'b3'],
  baggage: { allow: ['tenant.id'] },
  resource: { attributes: { 'deployment.environment.name': 'production' }, useLabels: true },
  instrumentations: [
    {
      name: 'http',
      ignoreIncomingPaths: ['/internal/*'],
      ignoreOutgoingUrls: ['http://consul.infra:8500/*'],
      captureRequestHeaders: ['x-tenant-id'],
      captureResponseHeaders: ['x-cache'],
    },
    { name: 'express', enabled: true, layerSpans: false },
    { name: 'pg', queryText: 'Off' },
  ],
  spanNames: 'ServiceOperation',
  mesh: {
    istio: { mode: 'Auto', provider: 'otel' },
    linkerd: { mode: 'Enabled', tracing: 'ControlPlane', collectorServiceAccount: 'otel-collector' },
  },
  gateway: { trustIncoming: false, kong: { mode: 'Auto' }, nginx: { mode: 'Auto' } },
};

/** What only a ClusterTracingPolicy has. The rest is as above, and not said twice. */
export const clusterTracingPolicyExample: ClusterTracingPolicySpec = {
  namespaceSelector: { matchLabels: { team: 'shop' }, matchExpressions: [{ key: 'legacy', operator: 'DoesNotExist' }] },
  override: false,
  allowedEndpoints: ['otel-collector.observability', '*.example.com'],
  agent: {
    image: 'registry.example.com/tracing-acme/agent:0.1.0',
    imagePullPolicy: 'IfNotPresent',
    canary: { image: 'registry.example.com/tracing-acme/agent:0.2.0', percent: 10, haltOnRestarts: 3 },
  },
  configureControllers: ['IngressNginx'],
  exporters: [{ name: 'default', endpoint: 'http://otel-collector.observability:4318' }],
};
