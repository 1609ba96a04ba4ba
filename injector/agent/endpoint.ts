import type { Signal } from '../../crds/signals.ts';

/** The URL to POST a signal to, from a base URL: `/v1/traces` is put at its end, in the place of another signal's path. */
export function httpEndpoint(base: string, signal: Signal = 'traces'): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(/\/v1\/(traces|metrics|logs)$/, '')}/v1/${signal}`;
  return url.href;
}

/** An endpoint without a scheme is plaintext. */
export function withScheme(endpoint: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`;
}

/** Scheme, host and port to call: `http` is plaintext, `https` is TLS; a bare host:port is plaintext. */
export function grpcEndpoint(endpoint: string): string {
  const url = new URL(withScheme(endpoint));
  const port = url.port || (url.protocol === 'https:' ? '443' : '4317');
  return `${url.protocol}//${url.hostname}:${port}`;
}

/** The host of a URL as a name or an address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}
