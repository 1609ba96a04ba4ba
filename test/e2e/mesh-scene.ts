import type { OtlpReadSpan } from '../../cli/trace/otlp.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { deployGateway } from '../cluster/mesh/installation.ts';
import { provideServer } from '../cluster/servers.ts';
import type { Images } from '../demo/prepare.ts';
import { nodePod } from './node-pod.ts';

/**
 * Answers when the next one has, which is asked for the same path; in the end there is Redis. A connection that a proxy keeps
 * is never closed under the next request.
 */
const SERVICE = `const http = require('http');
const patience = { keepAliveTimeout: 600_000 };
const { NEXT, REDIS, PASSES } = process.env;
const redis = REDIS && new (require('/app/node_modules/ioredis').Redis)(REDIS);
const agent = new http.Agent({ keepAlive: true });
const PASSED = ['traceparent', 'tracestate', 'x-request-id'];
http.createServer(patience, async (request, response) => {
  if (redis) await redis.get(request.url);
  if (!NEXT) return response.end();
  const passes = PASSES && request.url.startsWith(PASSES);
  const headers = passes ? Object.fromEntries(PASSED.flatMap((name) => request.headers[name] ? [[name, request.headers[name]]] : [])) : {};
  const path = request.url.replace(/^[/]dropped/, '/onward');
  http.get(NEXT + path, { agent, headers }, (answer) => answer.resume().on('end', () => response.end())).on('error', () => response.writeHead(502).end());
}).listen(8080);`;

/** Sends requests of one kind, and says how many came back with which status. */
const CLIENT = `const http = require('http'); const { randomBytes } = require('crypto');
const { url, count, flags } = JSON.parse(process.argv[1]);
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
const hex = (bytes) => randomBytes(bytes).toString('hex');
const statuses = {}; let next = 0;
const ask = (n) => new Promise((done) => {
  const end = (status) => done(statuses[status] = (statuses[status] ?? 0) + 1);
  const headers = flags ? { traceparent: ['00', hex(16), hex(8), flags].join('-') } : {};
  http.get(url + '/' + n, { agent, headers }, (answer) => answer.resume().on('end', () => end(answer.statusCode))).on('error', (error) => end(error.code));
});
Promise.all(Array.from({ length: 16 }, async () => { while (next < count) await ask(next++); })).then(() => { console.log(JSON.stringify(statuses)); agent.destroy(); })`;

const GATEWAY = 'istio-ingressgateway';

export interface MeshOptions {
  /** Namespaces: of the services, with Istio's label; of the gateway; and of what is in no mesh. */
  mesh: string;
  edge: string;
  outside: string;
}

/** A service of the mesh: with the agent, or without. */
export interface MeshService {
  traced: boolean;
  env?: Record<string, string>;
  annotations?: Record<string, string>;
}

/** A request as it is to be sent: `flags` of its traceparent, or none at all. */
export interface Load {
  /** First part of its path, by which its spans are found. */
  name: string;
  count: number;
  flags?: '00' | '01';
}

/**
 * Services behind a real ingress gateway and with real sidecars: traced ones, `order`, which asks `payment`, which asks
 * Redis; and `legacy` without the agent, which asks payment too. It passes on what is asked for /passed alone.
 */
export class MeshScene {
  readonly #cluster: Cluster;
  readonly #where: MeshOptions;

  constructor(cluster: Cluster, where: MeshOptions) {
    this.#cluster = cluster;
    this.#where = where;
  }

  async deploy(images: Pick<Images, 'shop'>): Promise<void> {
    const { mesh, edge, outside } = this.#where;
    const redis = await provideServer(this.#cluster, 'redis');
    await this.#apply(outside, [
      nodePod(images.shop.ref, 'client'),
      nodePod(redis, 'redis', { container: { command: ['redis-server', '--save', '', '--protected-mode', 'no'] } }),
      service('redis', 'tcp-redis', 6379),
    ]);
    const payment = `http://payment.${mesh}:8080`;
    await this.#apply(mesh, routes(GATEWAY, `${GATEWAY}.${edge}`));
    await Promise.all([
      this.add(images, 'payment', { traced: true, env: { REDIS: `redis://redis.${outside}:6379` } }),
      this.add(images, 'order', { traced: true, env: { NEXT: payment } }),
      this.add(images, 'legacy', { traced: false, env: { NEXT: payment, PASSES: '/passed/' } }),
      deployGateway(this.#cluster, edge, GATEWAY),
      this.#untilReady(outside, '--all'),
    ]);
  }

  /** Adds a service of the mesh. */
  async add(images: Pick<Images, 'shop'>, name: string, what: MeshService): Promise<void> {
    await this.#apply(this.#where.mesh, [servicePod(images, name, what), service(name, 'http', 8080)]);
    await this.#untilReady(this.#where.mesh, name);
  }

  /** Sends requests to the gateway, from outside. */
  throughGateway(load: Load): Promise<void> {
    return this.to(`http://${GATEWAY}.${this.#where.edge}`, load);
  }

  /** Sends requests to a service of the mesh, from outside. */
  straightTo(name: string, load: Load): Promise<void> {
    return this.to(`http://${name}.${this.#where.mesh}:8080`, load);
  }

  /** Has a process of its own in the pod of a service send requests to another. */
  from(pod: string, name: string, load: Load): Promise<void> {
    return this.#send(`http://${name}.${this.#where.mesh}:8080`, load, this.#where.mesh, pod);
  }

  /** Sends requests to a URL, from outside. */
  to(base: string, load: Load): Promise<void> {
    return this.#send(base, load, this.#where.outside, 'client');
  }

  async #send(base: string, load: Load, namespace: string, pod: string): Promise<void> {
    const what = JSON.stringify({ ...load, url: `${base}/${load.name}` });
    const node = ['exec', pod, '--container', 'app', '--', 'node', '-e', CLIENT, what];
    const said = await this.#cluster.run('kubectl', ['--namespace', namespace, ...node]);
    const answers = JSON.parse(said) as Record<string, number>;
    if (answers['200'] !== load.count) throw new Error(`not all of /${load.name} were answered: ${said}`);
  }

  async #untilReady(namespace: string, pods: string): Promise<void> {
    const wait = ['wait', 'pod', pods, '--for=condition=Ready', '--timeout=180s'];
    await this.#cluster.run('kubectl', ['--namespace', namespace, ...wait]);
  }

  async #apply(namespace: string, items: unknown[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await this.#cluster.run('kubectl', ['--namespace', namespace, 'apply', '-f', '-'], { input });
  }
}

/** The pod of a service, which answers on port 8080. */
export function servicePod(
  images: Pick<Images, 'shop'>,
  name: string,
  { traced, env = {}, annotations }: MeshService,
): object {
  return nodePod(images.shop.ref, name, {
    annotations: { ...(traced && { 'tracing.acme/inject': 'true' }), ...annotations },
    container: {
      command: ['node', '-e', SERVICE],
      env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
      readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
    },
  });
}

export function service(name: string, protocol: string, port: number, labels: Record<string, string> = {}): object {
  const spec = { selector: { app: name }, ports: [{ name: protocol, port }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, labels }, spec };
}

/** All that comes to the gateway goes to order, but for what begins with /passed or /dropped: that goes to legacy. */
function routes(gateway: string, host: string) {
  const to = (name: string) => [{ destination: { host: name, port: { number: 8080 } } }];
  const object = (kind: string, spec: object) => ({
    ...{ apiVersion: 'networking.istio.io/v1', kind, metadata: { name: gateway }, spec },
  });
  const port = { number: 80, name: 'http', protocol: 'HTTP' };
  return [
    object('Gateway', { selector: { istio: 'ingressgateway' }, servers: [{ port, hosts: ['*'] }] }),
    object('VirtualService', {
      hosts: [host],
      gateways: [gateway],
      http: [
        { match: ['/passed/', '/dropped/'].map((prefix) => ({ uri: { prefix } })), route: to('legacy') },
        { route: to('order') },
      ],
    }),
  ];
}

/** One trace: whose requests it is of, its spans as `SERVICE [proxy] KIND`, and whether they all hang together. */
export interface MeshTrace {
  /** `/edge/17` */
  path: string;
  spans: string[];
  /** Spans whose parent is not in the trace. */
  roots: OtlpReadSpan[];
}

/** Traces by the first part of their requests' path. What an app has sent twice, as no answer came in time, counts once. */
export function tracesOf(all: readonly OtlpReadSpan[]): Map<string, MeshTrace[]> {
  const spans = new Map(all.map((span) => [`${span.traceId} ${span.spanId}`, span])).values();
  const traces = Map.groupBy(spans, ({ traceId }) => traceId);
  const described = [...traces.values()].map((trace): MeshTrace => {
    const ids = new Set(trace.map(({ spanId }) => spanId));
    return {
      path: trace.map(pathOf).find((path) => path !== undefined) ?? '(none)',
      spans: trace.map(describeSpan).sort(),
      roots: trace.filter(({ parentSpanId }) => parentSpanId === undefined || !ids.has(parentSpanId)),
    };
  });
  return Map.groupBy(described, ({ path }) => path.split('/')[1] ?? path);
}

function pathOf({ attributes }: OtlpReadSpan): string | undefined {
  const own = attributes['url.path'];
  if (typeof own === 'string') return own;
  const url = attributes['url.full'] ?? attributes['http.url'];
  return typeof url === 'string' ? new URL(url).pathname : undefined;
}

function describeSpan({ service: name, kind, attributes }: OtlpReadSpan): string {
  const isProxy = attributes['component'] === 'proxy';
  // Proxies add their namespace.
  return `${isProxy ? `${name.split('.')[0]} proxy` : name} ${kind}`;
}
