import { grpcEndpoint, httpEndpoint } from '../../injector/agent/endpoint.ts';
import type { DocumentExporter, PolicyDocument } from '../../injector/policy-document.ts';

/** Where a gateway is to send spans; or why it cannot. */
export type Destination<T> = T | { problem: string };

export interface HttpDestination {
  /** The URL to POST to. */
  url: string;
  headers: Record<string, string>;
}

/** The first exporter that takes traces over HTTP and wants nothing that a gateway does not have. */
export function overHttp(document: PolicyDocument, namespace: string): Destination<HttpDestination> {
  const all = forTraces(document);
  const exporter = all.find((each) => each.protocol !== 'grpc' && isOpen(each));
  if (!exporter)
    return {
      problem: `none of the policy's exporters is one that it can send to: OTLP over HTTP, without headers from Secrets, empty ones and such whose names have other characters than A-Z, a-z, 0-9, _ and -, and without certificates of its own. Of ${names(all)} none is`,
    };
  const { endpoint, headers } = exporter;
  return {
    url: httpEndpoint(fromElsewhere(endpoint, namespace)),
    headers: Object.fromEntries(headers.flatMap((each) => ('value' in each ? [[each.name, each.value]] : []))),
  };
}

/** The first exporter's host that takes OTLP over gRPC in plain text, at its usual port where the exporter speaks HTTP. */
export function overGrpc(document: PolicyDocument, namespace: string): Destination<{ host: string; port: string }> {
  const all = forTraces(document);
  const exporter = all.find((each) => each.endpoint.startsWith('http:') && each.headers.length === 0);
  if (!exporter)
    return {
      problem: `none of the policy's exporters is one that it can send to: OTLP over gRPC in plain text, without headers. Of ${names(all)} none is`,
    };
  const { hostname, port } = new URL(grpcEndpoint(fromElsewhere(exporter.endpoint, namespace)));
  return { host: hostname, port: exporter.protocol === 'grpc' ? port : '4317' };
}

function forTraces({ spec }: PolicyDocument): DocumentExporter[] {
  return spec.exporters.filter(({ signals }) => signals?.includes('traces') ?? true);
}

/** Kong refuses other headers, and with one thing that it refuses a DB-less Kong takes nothing of its configuration. */
function isOpen({ headers, tls }: DocumentExporter): boolean {
  return (
    tls === undefined && headers.every((header) => 'value' in header && header.value && /^[\w-]+$/.test(header.name))
  );
}

function names(exporters: readonly DocumentExporter[]): string {
  return exporters.map(({ name }) => name).join(', ') || 'those for traces';
}

/** A Service that the policy calls by its bare name is looked for in the policy's namespace, and not in the gateway's. */
function fromElsewhere(endpoint: string, namespace: string): string {
  const url = new URL(endpoint);
  if (/^[a-z][a-z0-9-]*$/.test(url.hostname) && url.hostname !== 'localhost') url.hostname += `.${namespace}.svc`;
  return url.href;
}
