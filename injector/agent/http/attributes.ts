import type { IncomingMessage } from 'node:http';
import type { Attributes } from '@opentelemetry/api';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY']);
/** Parameters of a URL that are secrets by the semantic conventions, and others that are by their name. */
export const SECRET_PARAMETERS =
  /((?:^|[?&])(?:sig|signature|AWSAccessKeyId|X-Goog-[\w-]+|X-Amz-[\w-]+|(?:access_|id_|refresh_)?token|code|password|secret|api[_-]?key)=)[^&#\s]*/gi;

/** The method as the semantic conventions have it: known ones as they are, others `_OTHER`. */
export function knownMethod(method: string): string {
  return METHODS.has(method) ? method : METHODS.has(method.toUpperCase()) ? method.toUpperCase() : '_OTHER';
}

/** A query with the values of well-known secrets replaced. */
export function redactQuery(query: string): string {
  return query.includes('=') ? query.replace(SECRET_PARAMETERS, '$1REDACTED') : query;
}

/** A host header or forwarded host as address and port. */
export function splitHost(host: string): { address: string; port?: number } {
  const at = host.lastIndexOf(':');
  if (at === -1 || host.endsWith(']')) return { address: host.replace(/^\[|\]$/g, '') };
  const port = Number(host.slice(at + 1));
  const address = host.slice(0, at);
  // More than one colon and no brackets: an IPv6 address without a port.
  if (address.includes(':') && !address.startsWith('[')) return { address: host };
  return Number.isInteger(port) ? { address: address.replace(/^\[|\]$/g, ''), port } : { address };
}

/** A request's target without its query. */
export function pathOf(url = '/'): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

/** Attributes of a request a server received, by the stable HTTP conventions. */
export function serverRequestAttributes(request: IncomingMessage): Attributes {
  const scheme = (request.socket as { encrypted?: boolean }).encrypted ? 'https' : 'http';
  const headers = request.headers;
  const url = request.url ?? '/';
  const query = url.indexOf('?');
  const method = request.method ?? 'GET';
  const known = knownMethod(method);
  const attributes: Attributes = {
    'http.request.method': known,
    'url.scheme': scheme,
    'url.path': pathOf(url),
    'network.protocol.version': request.httpVersion,
  };
  if (known !== method) attributes['http.request.method_original'] = method;
  if (query !== -1 && query + 1 < url.length) attributes['url.query'] = redactQuery(url.slice(query + 1));
  const agent = headers['user-agent'];
  if (agent !== undefined) attributes['user_agent.original'] = agent;
  const peer = request.socket.remoteAddress;
  if (peer !== undefined) {
    attributes['network.peer.address'] = peer;
    attributes['network.peer.port'] = request.socket.remotePort;
  }
  const forwarded = forwardedPair(headers.forwarded);
  const client = forwarded?.for ?? firstOf(headers['x-forwarded-for']) ?? peer;
  if (client !== undefined) attributes['client.address'] = client === peer ? client : splitHost(client).address;
  const host = forwarded?.host ?? firstOf(headers['x-forwarded-host']) ?? headers.host;
  if (host) {
    const { address, port } = splitHost(host);
    attributes['server.address'] = address;
    const proto = forwarded?.proto ?? firstOf(headers['x-forwarded-proto']) ?? scheme;
    attributes['server.port'] = port ?? (proto === 'https' ? 443 : 80);
  }
  return attributes;
}

function firstOf(header: string | string[] | undefined): string | undefined {
  const value = typeof header === 'string' ? header : header?.[0];
  if (!value) return undefined;
  const comma = value.indexOf(',');
  return (comma === -1 ? value : value.slice(0, comma)).trim() || undefined;
}

/** The parameters of the first element of a Forwarded header (RFC 7239). */
function forwardedPair(header: string | undefined): { for?: string; host?: string; proto?: string } | undefined {
  const first = firstOf(header);
  if (first === undefined) return undefined;
  const result: Record<string, string> = {};
  for (const parameter of first.split(';')) {
    const at = parameter.indexOf('=');
    if (at > 0)
      result[parameter.slice(0, at).trim().toLowerCase()] = parameter
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1');
  }
  return result;
}
