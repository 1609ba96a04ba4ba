const TRACES_PATH = '/v1/traces';

/** The URL to POST spans to, from a base URL: `/v1/traces` is appended unless it ends so already. */
export function httpEndpoint(base: string): string {
  const url = new URL(base);
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(TRACES_PATH) ? path : path + TRACES_PATH;
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
