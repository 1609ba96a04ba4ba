import { isIP } from 'node:net';
import { dump } from 'js-yaml';
import type { DocumentExporter } from '../../injector/policy-document.ts';
import { grpcEndpoint, hostOf, httpEndpoint } from '../../injector/agent/endpoint.ts';
import { InputError } from '../input-error.ts';
import type { Edge } from './edge.ts';
import { headline } from './edge.ts';

/** Name of the cluster that spans are sent to. */
const COLLECTOR = 'tracing_collector';
const MILLION = 1_000_000;
/** Where most systems keep the authorities that they trust. */
const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';

/** Parts of Envoy's own configuration; each has the name of what it goes into. */
interface Parts {
  http_connection_manager: Record<string, unknown>;
  clusters: object[];
}

/**
 * Configuration for Envoy: its spans join those of the services, and are sent to the policy's first exporter. Where no trace
 * begins here it makes no spans either: its tracer decides of each request that has no context yet, if only against it.
 * https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/observability/tracing
 * @throws InputError where it is not known where spans go.
 */
export function envoyConfig(edge: Edge): string {
  const { source, begins, exporter, attributes } = edge;
  if (!exporter && 'ratio' in begins)
    throw new InputError(
      `${source}: spec.exporters: Envoy has to know where its spans go, e.g. exporters: [{name: default, endpoint: "http://collector.observability:4318"}]`,
    );
  const traced = exporter && 'ratio' in begins ? { ratio: begins.ratio, exporter } : undefined;
  const parts: Parts = {
    http_connection_manager: {
      ...(traced && { tracing: tracing(traced.ratio, traced.exporter, attributes) }),
      ...earlyMutations(edge),
      ...baggageFilter(edge),
    },
    clusters: traced ? [collector(traced.exporter)] : [],
  };
  const lines = [
    ...headline(edge),
    'What is below http_connection_manager goes into each of yours, http_filters before your own;',
    'what is below clusters into static_resources.',
    ...(traced ? leftOut(edge, traced.exporter) : ['Envoy makes no spans.']),
  ];
  return `${lines.map((line) => `# ${line}`).join('\n')}\n${dump(parts, { lineWidth: -1, noRefs: true })}`;
}

/** What of a policy has no place here, and what to do. */
function leftOut({ trusts, otherFormats: { traces } }: Edge, { headers, tls }: DocumentExporter): string[] {
  return [
    ...headers.flatMap(({ name, ...header }) =>
      'file' in header ? [`The exporter's header ${name} comes from a Secret of the cluster: add it by hand.`] : [],
    ),
    ...(tls ? ["The exporter's certificates are in the cluster: name files of your own in transport_socket."] : []),
    ...(trusts && traces.length > 0
      ? [`Envoy reads traceparent alone: a request with ${traces.join(' or ')} alone gets a second trace.`]
      : []),
  ];
}

/**
 * Its own lot (random_sampling) would be drawn again for requests that others have sampled. So that one always wins, and a
 * sampler decides that goes by the parent, and where there is none by the trace's id.
 */
function tracing(ratio: number, exporter: DocumentExporter, attributes: Record<string, string>) {
  const always = { value: 100 };
  return {
    provider: {
      name: 'envoy.tracers.opentelemetry',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig',
        service_name: 'envoy',
        ...destination(exporter),
        ...resource(attributes),
        sampler: typed('envoy.tracers.opentelemetry.samplers.parent_based', SAMPLERS, 'ParentBasedSamplerConfig', {
          wrapped_sampler: typed(
            'envoy.tracers.opentelemetry.samplers.trace_id_ratio_based',
            SAMPLERS,
            'TraceIdRatioBasedSamplerConfig',
            {
              sampling_percentage: { numerator: millionths(ratio), denominator: 'MILLION' },
            },
          ),
        }),
      },
    },
    random_sampling: always,
    overall_sampling: always,
    // A header of Envoy's own, x-client-trace-id, has no say.
    client_sampling: { value: 0 },
    // A server's span and a client's, as of other services.
    spawn_upstream_span: true,
    operation: '%REQ(:METHOD)%',
    upstream_operation: '%REQ(:METHOD)%',
  };
}

/** Small ratios count as one in a million. */
function millionths(ratio: number): number {
  return ratio > 0 ? Math.max(1, Math.round(ratio * MILLION)) : 0;
}

const SAMPLERS = 'envoy.extensions.tracers.opentelemetry.samplers.v3';

/** An extension as Envoy names them: https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/extension */
function typed(name: string, pack: string, type: string, config: object) {
  return { name, typed_config: { '@type': `type.googleapis.com/${pack}.${type}`, ...config } };
}

function resource(attributes: Record<string, string>) {
  if (Object.keys(attributes).length === 0) return {};
  const name = 'envoy.tracers.opentelemetry.resource_detectors.static_config';
  const pack = 'envoy.extensions.tracers.opentelemetry.resource_detectors.v3';
  return { resource_detectors: [typed(name, pack, 'StaticConfigResourceDetectorConfig', { attributes })] };
}

function destination({ protocol, endpoint, headers, timeoutMillis = 10_000 }: DocumentExporter) {
  const timeout = `${timeoutMillis / 1000}s`;
  const known = headers.flatMap((header) => ('value' in header ? [{ key: header.name, value: header.value }] : []));
  if (protocol === 'grpc')
    return {
      grpc_service: {
        envoy_grpc: { cluster_name: COLLECTOR },
        timeout,
        ...(known.length > 0 && { initial_metadata: known }),
      },
    };
  return {
    http_service: {
      http_uri: { uri: httpEndpoint(endpoint), cluster: COLLECTOR, timeout },
      ...(known.length > 0 && { request_headers_to_add: known.map((header) => ({ header })) }),
    },
  };
}

function collector({ protocol, endpoint }: DocumentExporter) {
  const url = new URL(protocol === 'grpc' ? grpcEndpoint(endpoint) : endpoint);
  const isSecure = url.protocol === 'https:';
  const host = hostOf(url);
  const http2 = {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  };
  return {
    name: COLLECTOR,
    type: 'STRICT_DNS',
    connect_timeout: '1s',
    ...(protocol === 'grpc' && {
      typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': http2 },
    }),
    ...(isSecure && {
      transport_socket: typed(
        'envoy.transport_sockets.tls',
        'envoy.extensions.transport_sockets.tls.v3',
        'UpstreamTlsContext',
        { ...(!isIP(host) && { sni: host }), common_tls_context: { validation_context: authorities(host) } },
      ),
    }),
    load_assignment: {
      cluster_name: COLLECTOR,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: address(url) } } }] }],
    },
  };
}

function authorities(host: string) {
  return {
    trusted_ca: { filename: AUTHORITIES },
    match_typed_subject_alt_names: [{ san_type: isIP(host) ? 'IP_ADDRESS' : 'DNS', matcher: { exact: host } }],
  };
}

function address(url: URL) {
  return { address: hostOf(url), port_value: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) };
}

/** Takes away headers before Envoy itself reads them; what a route removes comes too late for that. */
function earlyMutations({ trusts, baggage, otherFormats: { traces, rest } }: Edge) {
  const removed = [
    ...(trusts ? [] : ['traceparent', 'tracestate', ...traces, ...rest]),
    ...(baggage?.length === 0 ? ['baggage'] : []),
  ];
  if (removed.length === 0) return {};
  const pack = 'envoy.extensions.http.early_header_mutation.header_mutation.v3';
  const mutations = removed.map((remove) => ({ remove }));
  return {
    early_header_mutation_extensions: [
      typed('envoy.http.early_header_mutation.header_mutation', pack, 'HeaderMutation', { mutations }),
    ],
  };
}

/** Passes on some keys of the baggage. */
function baggageFilter({ baggage }: Edge) {
  if (baggage === undefined || baggage.length === 0) return {};
  const allowed = baggage.map((key) => `[${JSON.stringify(key)}] = true`).join(', ');
  const inline_string = `local allowed = {${allowed}}
function envoy_on_request(request)
  local headers = request:headers()
  local baggage = headers:get("baggage")
  if baggage == nil then return end
  local kept = {}
  for member in string.gmatch(baggage, "[^,]+") do
    if allowed[string.match(member, "^%s*([^%s=]+)%s*=")] then table.insert(kept, member) end
  end
  if #kept == 0 then headers:remove("baggage") else headers:replace("baggage", table.concat(kept, ",")) end
end
`;
  const config = { default_source_code: { inline_string } };
  return {
    http_filters: [typed('tracing.baggage', 'envoy.extensions.filters.http.lua.v3', 'Lua', config)],
  };
}
