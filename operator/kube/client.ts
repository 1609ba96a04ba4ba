import http from 'node:http';
import https from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';

/** An answer of the API server other than 2xx, with what its Status object says. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  /** Machine-readable: NotFound, Conflict, Expired, Forbidden, … */
  readonly reason: string;
  /** What the API server itself says. */
  readonly said: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(method: string, path: string, status: number, reason: string, message: string, retryAfter?: number) {
    super(`${method} ${path}: ${status} ${reason}: ${message}`);
    this.status = status;
    this.reason = reason;
    this.said = message;
    this.retryAfterSeconds = retryAfter;
  }
}

export interface RequestOptions {
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  contentType?: string;
  accept?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Milliseconds until an ordinary request is given up. */
  timeout?: number;
}

/** What a user has to show. Several may be there; none, where a proxy shows it. */
export interface ClientCredential extends Pick<https.RequestOptions, 'cert' | 'key'> {
  token?: string;
}

/** Field manager and force for server-side apply. */
export const APPLY = 'application/apply-patch+yaml';
export const MERGE_PATCH = 'application/merge-patch+json';
export const JSON_PATCH = 'application/json-patch+json';

/**
 * Talks to the API server over one keep-alive agent. client-node's KubeConfig finds the server and authenticates (files,
 * exec plug-ins, the projected token, which it re-reads as the kubelet renews it); its generated API classes are not used:
 * they keep every model in memory and open an agent per request
 * (https://github.com/kubernetes-client/javascript/issues/2893).
 */
export class KubeClient {
  readonly #config: KubeConfig;
  readonly #server: URL;
  readonly #agent: http.Agent;
  #beforeWrite: () => void = () => {};
  #onRequest: (method: string, code: number) => void = () => {};

  constructor(config: KubeConfig, agent?: http.Agent) {
    const cluster = config.getCurrentCluster();
    if (!cluster) throw new Error('no cluster to talk to: set KUBECONFIG, or run in a pod with a service account');
    this.#config = config;
    this.#server = new URL(cluster.server);
    const Agent = this.#server.protocol === 'http:' ? http.Agent : https.Agent;
    // HTTPS_PROXY and NO_PROXY count, as for kubectl.
    const proxyEnv = process.env;
    this.#agent = agent ?? new Agent({ keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 64, proxyEnv });
  }

  /** From KUBECONFIG, ~/.kube/config or the pod's service account, in this order. */
  static fromDefault(): KubeClient {
    const config = new KubeConfig();
    config.loadFromDefault();
    // What the library makes up where it finds nothing.
    if (config.getCurrentCluster()?.server === 'http://localhost:8080')
      throw new Error('none is there: set KUBECONFIG, write ~/.kube/config, or run in a pod with a service account');
    return new KubeClient(config);
  }

  /** The namespace of the current context of the kubeconfig, if it says one. */
  get namespace(): string | undefined {
    return this.#config.getContextObject(this.#config.getCurrentContext())?.namespace;
  }

  /**
   * This client over the same connections, but each write is preceded by `check`, and not sent when that throws. Nothing
   * comes between the check and the sending.
   */
  guarded(check: () => void): KubeClient {
    const client = new KubeClient(this.#config, this.#agent);
    client.#beforeWrite = check;
    client.#onRequest = (method, code) => this.#onRequest(method, code);
    return client;
  }

  /** Has each request counted, also those of its guarded clients; the code is 0 where no answer came. */
  observe(onRequest: (method: string, code: number) => void): void {
    this.#onRequest = onRequest;
  }

  /**
   * How this client shows the API server who it is: a token, or a certificate with its key. Whoever is given it can do what
   * this client can. @throws where a plug-in of the kubeconfig fails
   */
  async credential(): Promise<ClientCredential> {
    const secured: https.RequestOptions = {};
    await this.#config.applyToHTTPSOptions(secured);
    const { Authorization: authorization = '' } = (secured.headers ?? {}) as Record<string, string>;
    const [, token] = /^Bearer (.+)$/.exec(authorization) ?? [];
    const { cert, key } = secured;
    return { ...(token !== undefined && { token }), ...(cert && key && { cert, key }) };
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @throws ApiError for any answer other than 2xx; Error where no answer came. */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const timeout = AbortSignal.timeout(options.timeout ?? 30_000);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    const response = await this.#send(method, path, { ...options, signal });
    return JSON.parse(await text(response)) as T;
  }

  /** Opens a watch; the caller reads lines from the response and destroys it. */
  async stream(path: string, options: RequestOptions): Promise<http.IncomingMessage> {
    return this.#send('GET', path, options);
  }

  async #send(method: string, path: string, options: RequestOptions): Promise<http.IncomingMessage> {
    const url = new URL(this.#server.pathname.replace(/\/$/, '') + path, this.#server);
    for (const [key, value] of Object.entries(options.query ?? {}))
      if (value !== undefined) url.searchParams.set(key, String(value));
    const secured: https.RequestOptions = {};
    await this.#config.applyToHTTPSOptions(secured);
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    if (method !== 'GET') this.#beforeWrite();
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const request = (url.protocol === 'http:' ? http : https).request(url, {
        ...secured,
        agent: this.#agent,
        method,
        signal: options.signal,
        headers: {
          ...options.headers,
          ...secured.headers,
          accept: options.accept ?? 'application/json',
          'user-agent': 'tracing-operator',
          ...(body !== undefined && {
            'content-type': options.contentType ?? 'application/json',
            'content-length': Buffer.byteLength(body),
          }),
        },
      });
      request.on('response', resolve).on('error', reject);
      request.end(body);
    }).catch((error: unknown) => {
      this.#onRequest(method, 0);
      throw error;
    });
    const status = response.statusCode ?? 0;
    this.#onRequest(method, status);
    if (status >= 200 && status < 300) return response;
    throw apiError(method, path, status, await text(response));
  }
}

function apiError(method: string, path: string, code: number, body: string): ApiError {
  let parsed: { reason?: string; message?: string; details?: { retryAfterSeconds?: number } } = {};
  try {
    parsed = JSON.parse(body) as typeof parsed;
  } catch {
    // Not a Status object: a proxy in between, or an API server that is still starting.
  }
  const message = parsed.message ?? body.slice(0, 200);
  return new ApiError(method, path, code, parsed.reason ?? 'Unknown', message, parsed.details?.retryAfterSeconds);
}

async function text(response: http.IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let body = '';
  for await (const chunk of response) body += chunk as string;
  return body;
}

/** A thing that is gone needs no more done to it. */
export async function ignoring<T>(status: number, request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiError && error.status === status) return undefined;
    throw error;
  }
}
