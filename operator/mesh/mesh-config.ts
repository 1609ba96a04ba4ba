import { load } from 'js-yaml';
import * as z from 'zod';
import type { PolicyDocument } from '../../injector/policy-document.ts';

/**
 * What is read of Istio's MeshConfig; all else in it is left alone.
 * https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig
 */
const schema = z.object({
  rootNamespace: z.string().default('istio-system'),
  enableTracing: z.boolean().default(true),
  /** Of proxies. */
  defaultConfig: z
    .looseObject({ tracing: z.looseObject({ sampling: z.number().optional() }).prefault({}) })
    .prefault({}),
  defaultProviders: z.object({ tracing: z.array(z.string()).default([]) }).prefault({}),
  extensionProviders: z
    .array(
      z.looseObject({
        name: z.string(),
        opentelemetry: z.looseObject({ service: z.string(), port: z.number() }).optional(),
      }),
    )
    .default([]),
});

export type MeshConfig = z.infer<typeof schema>;

/** The MeshConfig of a ConfigMap of istiod's; undefined where it cannot be read. */
export function readMeshConfig(data: Record<string, string> | undefined): MeshConfig | undefined {
  try {
    return schema.safeParse(load(data?.['mesh'] ?? '') ?? {}).data;
  } catch {
    return undefined;
  }
}

/** What proxies are to send spans by; without a name, the mesh's default. Of providers for OpenTelemetry it is known which service. */
export type ProviderChoice =
  { name: string | undefined; to: string; service?: string; sampler?: string } | { problem: string };

/**
 * The provider for a namespace: the one that its policy names, the one that sends where the policy's exporters do, the
 * mesh's default (which is taken without naming it), or the only one for OpenTelemetry. istiod takes any name, and turns
 * tracing off where it knows no such provider.
 */
export function chooseProvider(
  { extensionProviders, defaultProviders }: MeshConfig,
  named: string | undefined,
  exporters: PolicyDocument['spec']['exporters'],
): ProviderChoice {
  const known = (name: string | undefined) => extensionProviders.find((provider) => provider.name === name);
  const to = (provider: MeshConfig['extensionProviders'][number] | undefined) => {
    if (!provider?.opentelemetry) return { to: 'another system' };
    const { service, port } = provider.opentelemetry;
    const sampler = Object.keys(provider.opentelemetry).find((key) => /sampler$/i.test(key));
    return { to: `${service}:${port}`, service, ...(sampler !== undefined && { sampler }) };
  };
  if (named !== undefined) {
    const provider = known(named);
    if (provider) return { name: named, ...to(provider) };
    return { problem: `the mesh has no provider ${named}. ${toAdd(named, exporters)}` };
  }
  const telemetry = extensionProviders.filter(({ opentelemetry }) => opentelemetry !== undefined);
  const wanted = exporters.map(({ endpoint }) => destination(endpoint));
  const same = telemetry.find(({ opentelemetry: { service, port } = { service: '', port: 0 } }) =>
    wanted.some((each) => each.host === fullName(service) && each.port === port),
  );
  if (same) return { name: same.name, ...to(same) };
  const byDefault = known(defaultProviders.tracing[0]);
  if (byDefault) return { name: undefined, ...to(byDefault) };
  if (telemetry.length === 1) return { name: telemetry[0]!.name, ...to(telemetry[0]) };
  if (telemetry.length === 0) return { problem: `the mesh has no OpenTelemetry provider. ${toAdd('otel', exporters)}` };
  const several = telemetry.map(({ name }) => name).join(', ');
  return {
    problem: `the mesh has several OpenTelemetry providers, and none sends to the policy's exporter: name one of ${several} in spec.mesh.istio.provider`,
  };
}

/** The entry of `extensionProviders` that sends where a policy's first exporter does, and where it goes. */
function toAdd(name: string, [exporter]: PolicyDocument['spec']['exporters']): string {
  const { host, port } = destination(exporter?.endpoint ?? 'http://otel-collector.observability:4318');
  const isGrpc = exporter?.protocol === 'grpc';
  return [
    'Add to the MeshConfig (Helm value meshConfig of istiod):',
    'extensionProviders:',
    `- name: ${name}`,
    '  opentelemetry:',
    `    service: ${host}`,
    `    port: ${port}`,
    ...(isGrpc ? [] : ['    http: {path: /v1/traces, timeout: 10s}']),
  ].join('\n');
}

function destination(endpoint: string): { host: string; port: number } {
  const url = new URL(endpoint);
  return { host: fullName(url.hostname), port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) };
}

/** Services of a cluster are called by their full name, which Istio knows them by; other hosts as they are. */
function fullName(host: string): string {
  const name = host.replace(/^[^/]*\//, '').replace(/\.$/, '');
  if (/^[^.]+\.[^.]+$/.test(name) || name.endsWith('.svc')) return `${name.replace(/\.svc$/, '')}.svc.cluster.local`;
  return name;
}
