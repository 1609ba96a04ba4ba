import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { MeshConfig } from './mesh-config.ts';

/** Lets everything pass: one number counts for both directions of a sidecar, and 0 for none at all. */
const ALL = 100;

/**
 * What the annotation of a traced pod is to say of tracing in a mesh without Telemetries, or why it is to say nothing: where the
 * sidecar and the app do not know each other's headers, letting all pass would begin a trace of the sidecar's own each time.
 */
export type SidecarTracing = { tracing: object } | { problem: string };

export function tracingByAnnotation(
  { enableTracing, defaultConfig, defaultProviders, extensionProviders }: MeshConfig,
  { spec: { propagators } }: PolicyDocument,
): SidecarTracing {
  const { tracing } = defaultConfig;
  const [name] = defaultProviders.tracing;
  const provider = extensionProviders.find((each) => each.name === name);
  if (name !== undefined && !provider)
    return { problem: `the mesh's default provider for tracing, ${name}, is not there` };
  if (name === undefined && !enableTracing) return { problem: 'the MeshConfig says enableTracing: false' };
  const tracer = provider ?? tracing;
  const headers = provider?.opentelemetry ? 'tracecontext' : 'zipkin' in tracer ? 'b3multi' : undefined;
  if (headers === undefined)
    return {
      problem:
        'the MeshConfig sends spans neither by OpenTelemetry (defaultProviders.tracing) nor to Zipkin (defaultConfig.tracing.zipkin.address)',
    };
  if (!propagators.includes(headers))
    return {
      problem: `its proxies read ${headers === 'b3multi' ? 'X-B3 headers' : 'traceparent'} alone, and the policy writes ${propagators.join(', ')}: add ${headers} to spec.propagators`,
    };
  // A pod's tracing takes the place of the mesh's as a whole, with where spans go.
  return { tracing: { ...tracing, sampling: ALL } };
}

/** What the proxies begin that no annotation tells anything, if that is not what the policy asks for. */
export function otherPercentage({ defaultConfig }: MeshConfig, percent: number): string | undefined {
  const { sampling } = defaultConfig.tracing;
  if (sampling === percent) return undefined;
  const theirs = sampling ? `${sampling} %` : "istiod's own share (1 % unless PILOT_TRACE_SAMPLING says otherwise)";
  const smallest = percent > 0 ? '' : ' (0 would count as not set)';
  return `all other proxies begin ${theirs}, and the policy asks for ${percent} %. Set in the MeshConfig, for the whole mesh${smallest}:\ndefaultConfig: {tracing: {sampling: ${percent || 0.01}}}`;
}
