import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SUPPORTED_LINES, nodeBinary } from '../../injector/agent/runtimes/index.ts';
import { installedApp } from './app.ts';
import { ROOT, startServer, type RunningServer } from './process.ts';
import { Sink } from './sink.ts';

const FRAMEWORKS = ['http', 'express', 'fastify', 'fastify-5', 'koa', 'nest', 'hono'] as const;
const CLIENTS = ['none', 'pg', 'mysql2', 'ioredis', 'redis', 'mongodb', 'grpc', 'http', 'fetch'] as const;
const MODES = ['cjs', 'esm', 'cluster', 'fork', 'worker'] as const;

interface Combination {
  line: string;
  framework: (typeof FRAMEWORKS)[number];
  client: (typeof CLIENTS)[number];
  mode: (typeof MODES)[number];
}

const tooNew = ({ line, framework }: Combination): boolean =>
  line === '18' && ['fastify-5', 'nest'].includes(framework);

/** Every pair of values of two dimensions at least once: greedily, the combination that covers most new pairs first. */
function pairwise(): Combination[] {
  const all: Combination[] = [];
  for (const line of SUPPORTED_LINES)
    for (const framework of FRAMEWORKS)
      for (const client of CLIENTS) for (const mode of MODES) all.push({ line, framework, client, mode });
  const possible = all.filter((combination) => !tooNew(combination));
  const pairsOf = (combination: Combination): string[] => {
    const entries = Object.entries(combination);
    return entries.flatMap(([a, x], i) => entries.slice(i + 1).map(([b, y]) => `${a}=${x} ${b}=${y}`));
  };
  const missing = new Set(possible.flatMap(pairsOf));
  const chosen: Combination[] = [];
  while (missing.size > 0) {
    let best = possible[0]!;
    let most = -1;
    for (const combination of possible) {
      const news = pairsOf(combination).filter((pair) => missing.has(pair)).length;
      if (news > most) [best, most] = [combination, news];
    }
    chosen.push(best);
    for (const pair of pairsOf(best)) missing.delete(pair);
  }
  return process.env['AGENT_MATRIX'] === 'full' ? possible : chosen;
}

/** What a client's call must leave behind, by the stable conventions. */
const CALLS: Record<Combination['client'], { kind: string; attributes: Record<string, unknown> } | undefined> = {
  none: undefined,
  pg: { kind: 'client', attributes: { 'db.system.name': 'postgresql', 'db.namespace': 'shop' } },
  mysql2: { kind: 'client', attributes: { 'db.system.name': 'mysql' } },
  ioredis: { kind: 'client', attributes: { 'db.system.name': 'redis', 'db.operation.name': 'get' } },
  redis: { kind: 'client', attributes: { 'db.system.name': 'redis', 'db.operation.name': 'GET' } },
  mongodb: { kind: 'client', attributes: { 'db.system.name': 'mongodb', 'db.operation.name': 'find' } },
  grpc: { kind: 'client', attributes: { 'rpc.system': 'grpc', 'rpc.method': 'Charge' } },
  http: { kind: 'client', attributes: { 'http.request.method': 'GET', 'http.response.status_code': 200 } },
  fetch: { kind: 'client', attributes: { 'http.request.method': 'GET', 'http.response.status_code': 200 } },
};
const WITHOUT_ROUTE = new Set<string>(['http', 'hono']);

let app: string;
let fakes: ChildProcess;
const ports: Record<string, string> = {};
let sink: Sink;
let server: RunningServer | undefined;

beforeAll(async () => {
  app = installedApp(join(ROOT, 'test/agent/apps/matrix'));
  fakes = spawn(nodeBinary('24'), [join(app, 'fakes.cjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve) => {
    fakes.stdout?.setEncoding('utf8').on('data', (text: string) => {
      for (const [, name, port] of text.matchAll(/(\w+_PORT)=(\d+)/g)) ports[name ?? ''] = port ?? '';
      if (Object.keys(ports).length === 5) resolve();
    });
  });
}, 120_000);
afterAll(() => void fakes.kill());
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
  await sink.stop();
});

describe('spans of a request through', () => {
  it.each(
    pairwise().map((each) => [`Node ${each.line}, ${each.mode}, ${each.framework}, ${each.client}`, each] as const),
  )('%s', async (_name, { line, framework, client, mode }) => {
    const program = mode === 'esm' ? 'server.mjs' : 'server.cjs';
    server = await startServer({
      line,
      args: [join(app, program), framework, client, mode === 'esm' || mode === 'cjs' ? 'main' : mode],
      cwd: app,
      timeoutMillis: 50_000,
      env: {
        ...ports,
        OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
        OTEL_SERVICE_NAME: 'matrix',
        OTEL_BSP_SCHEDULE_DELAY: '20',
      },
    });
    const answer = await fetch(`${server.url}/items/7?a=1`);
    expect([answer.status, await answer.text()]).toEqual([200, expect.not.stringMatching(/^$/)]);
    expect(server.output()).not.toContain('tracing-operator:');
    if (mode === 'worker') {
      // Threads of the app are left alone; their requests must work all the same.
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(sink.spans).toEqual([]);
      return;
    }
    const isEntry = (span: (typeof sink.spans)[number]): boolean =>
      span.kind === 'server' && span.attributes['url.path'] === '/items/7';
    const expected = CALLS[client];
    const isCall = (span: (typeof sink.spans)[number]): boolean =>
      span.kind === expected?.kind &&
      Object.entries(expected.attributes).every(([key, value]) => span.attributes[key] === value);
    await sink.until((spans) => spans.some(isEntry) && (!expected || spans.some(isCall)), 20_000);
    const entry = sink.spans.find(isEntry);
    expect(entry?.attributes['http.response.status_code']).toBe(200);
    if (!WITHOUT_ROUTE.has(framework))
      expect(entry).toMatchObject({ name: 'GET /items/:id', attributes: { 'http.route': '/items/:id' } });
    if (expected) {
      const call = sink.spans.find((span) => isCall(span) && span.traceId === entry?.traceId);
      expect(call).toBeDefined();
      expect(JSON.stringify(call?.attributes)).not.toContain('secret');
      const parents = new Set(sink.spans.filter((span) => span.traceId === entry?.traceId).map((span) => span.spanId));
      expect(parents).toContain(call?.parentSpanId);
    }
  });
});
