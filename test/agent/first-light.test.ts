import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SUPPORTED_LINES, nodeBinary } from '../../injector/agent/runtimes/index.ts';
import { writeMounted } from './mounted.ts';
import { ROOT, agentDirectory, runNode, startServer, type RunningServer } from './process.ts';
import { Sink } from './sink.ts';

const PROGRAMS = join(ROOT, 'test/agent/programs');
/** The agent looks at its policy once a second; a busy machine may keep it waiting. */
const LOOK_MILLIS = 2000;

let sink: Sink;
let running: RunningServer[] = [];
let scratch: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tracing-agent-test-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(async () => {
  await Promise.all(running.map((server) => server.stop('SIGKILL')));
  running = [];
  await sink.stop();
});

async function serve(program: string, line: string, env: Record<string, string>): Promise<RunningServer> {
  const server = await startServer({ line, args: [join(PROGRAMS, program)], env });
  running.push(server);
  return server;
}

const own = (): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
  OTEL_SERVICE_NAME: 'shop',
  OTEL_BSP_SCHEDULE_DELAY: '50',
});

describe.each(SUPPORTED_LINES)('on Node %s, by itself with the usual OTEL_* variables', (line) => {
  it.each(['http-server.cjs', 'http-server.mjs'])('%s: one trace through server, client and fetch', async (program) => {
    const server = await serve(program, line, own());
    for (const path of ['/http', '/fetch', '/body']) expect((await fetch(server.url + path)).status).toBe(200);
    const spans = await sink.until((seen) => seen.length >= 9);
    for (const path of ['/http', '/fetch', '/body']) {
      const entry = spans.find((span) => span.attributes['url.path'] === path);
      const trace = spans.filter((span) => span.traceId === entry?.traceId);
      expect(trace.map((span) => span.kind).sort()).toEqual(['client', 'server', 'server']);
      const client = trace.find((span) => span.kind === 'client');
      const leaf = trace.find((span) => span.attributes['url.path'] === '/leaf');
      expect(client?.parentSpanId).toBe(entry?.spanId);
      expect(leaf?.parentSpanId).toBe(client?.spanId);
    }
    const client = spans.find((span) => span.kind === 'client' && String(span.attributes['url.full']).includes('?'));
    expect(client?.attributes).toMatchObject({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'url.full': `${server.url}/leaf?X-Amz-Signature=REDACTED&page=2`,
    });
    expect(spans[0]?.resource).toMatchObject({
      'service.name': 'shop',
      'telemetry.sdk.language': 'nodejs',
      'telemetry.distro.name': 'tracing-operator',
      'process.pid': server.child.pid,
    });
  });

  it('gives express its routes and records errors', async () => {
    const server = await serve('express-server.cjs', line, own());
    await fetch(`${server.url}/users/7`);
    await fetch(`${server.url}/fails`);
    const spans = await sink.until((seen) => seen.filter((span) => span.kind === 'server').length === 2);
    const [found, failed] = ['/users/7', '/fails'].map((path) =>
      spans.find((span) => span.attributes['url.path'] === path),
    );
    expect(found).toMatchObject({
      name: 'GET /users/:id',
      attributes: { 'http.route': '/users/:id' },
      status: { code: 0 },
    });
    expect(failed).toMatchObject({
      name: 'GET /fails',
      attributes: { 'http.response.status_code': 500, 'error.type': '500' },
      status: { code: 2 },
    });
    const handler = spans.find(
      (span) => span.scope.includes('express') && span.traceId === failed?.traceId && span.events.length > 0,
    );
    expect(handler?.events[0]).toMatchObject({ name: 'exception', attributes: { 'exception.message': 'no stock' } });
    expect(server.output()).not.toContain('tracing-operator:');
  });
});

describe('exporting', () => {
  it('speaks gRPC', async () => {
    const server = await serve('http-server.cjs', '24', {
      ...own(),
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.grpcUrl,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-token=abc%20d',
    });
    await fetch(server.url);
    await sink.until((seen) => seen.length === 1);
    expect(sink.requests[0]?.headers).toMatchObject({ 'x-token': 'abc d', 'content-type': 'application/grpc' });
  });

  it('leaves out the instrumentations that the owner switches off', async () => {
    const server = await serve('express-server.cjs', '24', {
      ...own(),
      OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'express,router',
    });
    await fetch(`${server.url}/users/7`);
    expect((await sink.until((seen) => seen.length === 1))[0]).toMatchObject({ kind: 'server', name: 'GET' });
    const without = await serve('http-server.cjs', '24', {
      ...own(),
      OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http,undici',
    });
    await fetch(`${without.url}/fetch`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sink.spans).toHaveLength(1);
  });

  it('never traces its own requests', async () => {
    const server = await serve('http-server.cjs', '24', own());
    await fetch(server.url);
    await sink.until((seen) => seen.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(sink.spans).toHaveLength(1);
  });

  it('sends what is left when the program ends by itself', async () => {
    const program = `require('http').get('${sink.url}/nothing', (answer) => answer.resume())`;
    const ended = await runNode({ args: ['-e', program], env: { ...own(), OTEL_BSP_SCHEDULE_DELAY: '30000' } });
    expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(sink.spans).toHaveLength(1);
  });

  it('says once that spans do not arrive, and the app goes on', async () => {
    const server = await serve('http-server.cjs', '24', {
      ...own(),
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      OTEL_BSP_EXPORT_TIMEOUT: '300',
    });
    for (let i = 0; i < 4; i++) {
      expect((await fetch(server.url)).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(server.output().match(/tracing-operator:/g)).toHaveLength(1);
    expect(await server.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  });
});

describe('with a policy directory', () => {
  const document = (ratio: unknown, endpoint = sink.url): string => documentOf({ ratio }, endpoint);
  const documentOf = (sampling: object, endpoint = sink.url): string =>
    JSON.stringify({
      key: 'policy.shop.json',
      revision: 'r1',
      source: 'TracingPolicy shop/shop',
      spec: {
        sampling,
        exporters: [{ name: 'default', protocol: 'http/protobuf', endpoint }],
        propagators: ['tracecontext', 'baggage'],
        resource: { attributes: { 'deployment.environment.name': 'demo', 'service.name': 'weaker' } },
      },
    });
  const env = (directory: string): Record<string, string> => ({
    TRACING_ACME_POLICY_DIR: directory,
    TRACING_ACME_RESOURCE: 'service.name=order,k8s.pod.name=order-1',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  });
  const policyDirectory = (): string => mkdtempSync(join(scratch, 'policy-'));
  /** How many spans come of requests: what is to come may take its time. */
  async function spansOf(server: RunningServer, requests: number): Promise<number> {
    const before = sink.spans.length;
    for (let i = 0; i < requests; i++) await fetch(server.url);
    const deadline = Date.now() + 2000;
    while (sink.spans.length - before < requests && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 50));
    return sink.spans.length - before;
  }

  it('follows the ratio, off and on again, and a new endpoint, without a restart', async () => {
    const directory = policyDirectory();
    writeMounted(directory, { 'pod/key': 'policy.shop.json', 'policy.shop.json': document(1) });
    const server = await serve('http-server.cjs', '24', env(directory));
    expect(await spansOf(server, 5)).toBe(5);
    expect(sink.spans[0]?.resource).toMatchObject({
      'deployment.environment.name': 'demo',
      'service.name': 'order',
      'k8s.pod.name': 'order-1',
    });
    writeMounted(directory, { 'pod/key': 'policy.shop.json', 'policy.shop.json': document(0) });
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
    expect(await spansOf(server, 5)).toBe(0);
    writeMounted(directory, { 'pod/key': 'policy.shop.json', 'policy.shop.json': document(0.5) });
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
    const half = await spansOf(server, 100);
    expect(half).toBeGreaterThan(20);
    expect(half).toBeLessThan(80);
    writeMounted(directory, { 'pod/key': 'none' });
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
    expect(await spansOf(server, 5)).toBe(0);
    const second = await Sink.start();
    writeMounted(directory, { 'pod/key': 'policy.shop.json', 'policy.shop.json': document(1, second.url) });
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
    await fetch(server.url);
    await second.until((seen) => seen.length === 1);
    await second.stop();
    expect(server.output()).not.toContain('tracing-operator:');
  });

  it('follows rules, which change while it runs, and leaves out what only a later version knows', async () => {
    const directory = policyDirectory();
    const follow = async (sampling: object) => {
      writeMounted(directory, { 'pod/key': 'policy.shop.json', 'policy.shop.json': documentOf(sampling) });
      await new Promise((resolve) => setTimeout(resolve, 1500));
    };
    const sampled = { headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } };
    const seen = async (...requests: [path: string, init?: object][]) => {
      const before = sink.spans.length;
      for (const [path, init] of requests) await fetch(server.url + path, init);
      await new Promise((resolve) => setTimeout(resolve, 400));
      return sink.spans
        .slice(before)
        .map((span) => `${span.kind} ${String(span.attributes['url.path'] ?? span.attributes['server.address'])}`)
        .sort();
    };
    await follow({ ratio: 1, rules: [{ paths: ['/http', '/healthz'], drop: true }] });
    const server = await serve('http-server.cjs', '24', env(directory));
    // What is dropped takes along what is done for it, also in the service that it calls, and where the trace began before.
    expect(await seen(['/http'], ['/healthz?full'], ['/http', sampled], ['/body'])).toEqual([
      'client 127.0.0.1',
      'server /body',
      'server /leaf',
    ]);
    // A span that is dropped by itself leaves the others their place in the trace.
    await follow({
      ratio: 0,
      rules: [
        { spanKinds: ['Client'], drop: true },
        { paths: ['/h*p'], ratio: 1 },
      ],
    });
    expect(await seen(['/http'], ['/body'])).toEqual(['server /http', 'server /leaf']);
    const [leaf, entry] = ['/leaf', '/http'].map((path) =>
      sink.spans.findLast((span) => span.attributes['url.path'] === path),
    );
    expect(leaf?.parentSpanId).toBe(entry?.spanId);
    await follow({
      ratio: 0,
      rules: [
        { paths: ['/other'], moonPhase: 'full', ratio: 1 },
        { methods: ['GET'], maxPerSecond: 0.01 },
      ],
    });
    expect(await seen(['/other'], ['/other'], ['/other'])).toEqual(['server /other']);
    await follow({ ratio: 0, parentBased: false });
    expect(await seen(['/other', sampled])).toEqual([]);
    expect(server.output()).not.toContain('tracing-operator:');
  }, 30_000);

  it('starts with the embedded document, and traces nothing when there is none yet', async () => {
    const directory = policyDirectory();
    writeMounted(directory, { 'pod/key': 'policy.shop.json', 'pod/document': document(1) });
    const server = await serve('http-server.cjs', '24', env(directory));
    expect(await spansOf(server, 2)).toBe(2);
    const empty = await serve('http-server.cjs', '24', env(policyDirectory()));
    expect(await spansOf(empty, 2)).toBe(0);
  });

  it('keeps the last good document when a broken one comes, and says so once', async () => {
    const directory = policyDirectory();
    writeMounted(directory, { 'pod/key': 'policy.shop.json', 'policy.shop.json': document(1) });
    const server = await serve('http-server.cjs', '24', env(directory));
    for (const broken of ['{"spec":', document(7), document(7)]) {
      writeMounted(directory, { 'pod/key': 'policy.shop.json', 'policy.shop.json': broken });
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
    }
    expect(await spansOf(server, 3)).toBe(3);
    expect(server.output().match(/tracing-operator: .*/g)).toHaveLength(2);
  });

  it('leaves the owner of the process the last word', async () => {
    const directory = policyDirectory();
    writeMounted(directory, { 'pod/key': 'policy.shop.json', 'policy.shop.json': document(1) });
    const server = await serve('http-server.cjs', '24', {
      ...env(directory),
      OTEL_TRACES_SAMPLER: 'parentbased_always_off',
      OTEL_SERVICE_NAME: 'mine',
    });
    expect(await spansOf(server, 3)).toBe(0);
    await fetch(server.url, { headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } });
    const [span] = await sink.until((seen) => seen.length === 1);
    expect(span).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
      resource: { 'service.name': 'mine' },
    });
  });
});

describe('staying out of the way', () => {
  it.each(['12', '16'])('steps aside on Node %s with one line', async (line) => {
    const ended = await runNode({ line, args: ['-e', 'console.log("runs")'], env: own() });
    expect(ended).toMatchObject({ code: 0, stdout: 'runs\n' });
    expect(ended.stderr).toMatch(
      /^tracing-operator: not tracing this process: Node 1\d[.\d]+ is not supported \(.*\)\n$/,
    );
  });

  it('does nothing in npm, and traces what npm starts', async () => {
    const npm = realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim());
    const project = mkdtempSync(join(scratch, 'project-'));
    const scripts = {
      start: `${JSON.stringify(nodeBinary('24'))} -e "require('http').get('${sink.url}/x', (r) => r.resume())"`,
    };
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', scripts }));
    const log = { ...own(), OTEL_LOG_LEVEL: 'debug' };
    const ended = await runNode({ args: [npm, 'start', '--silent', '--offline'], cwd: project, env: log });
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(sink.spans.map((span) => span.attributes['url.path'] ?? span.attributes['url.full'])).toEqual([
      `${sink.url}/x`,
    ]);
    // npm asks its registry when it may: not a span of it.
    const view = await runNode({ args: [npm, 'ping', '--registry', sink.url], cwd: project, env: log });
    expect(view.code).not.toBeNull();
    expect(sink.spans).toHaveLength(1);
  });

  it.each(SUPPORTED_LINES.filter((line) => Number(line) >= 20))(
    'traces under the permission model on Node %s, given nothing but its folder to read',
    async (line) => {
      const program = join(scratch, 'permission.cjs');
      writeFileSync(program, `require('http').get('${sink.url}/x', (answer) => answer.resume())`);
      const flags = [line === '20' ? '--experimental-permission' : '--permission'];
      if (Number(line) >= 25) flags.push('--allow-net');
      const readable = [`${agentDirectory()}/`, program].map((path) => `--allow-fs-read=${path}`);
      const start = { line, args: [...flags, ...readable, program], env: own() };
      const bare = await runNode({ ...start, agent: false });
      const traced = await runNode(start);
      const plain = (text: string): string => text.replaceAll(/\(node:\d+\)/g, '(node:PID)');
      expect({ code: traced.code, stderr: plain(traced.stderr) }).toEqual({ code: 0, stderr: plain(bare.stderr) });
      expect(sink.spans.map((span) => span.kind)).toEqual(['client']);
    },
  );

  it('says one line and starts the app when it is damaged', async () => {
    const broken = mkdtempSync(join(scratch, 'broken-'));
    writeFileSync(join(broken, 'register.cjs'), readFileSync(join(ROOT, 'injector/agent/register.cjs')));
    const ended = await runNode({
      args: ['-e', 'console.log("runs")'],
      agent: false,
      env: { ...own(), NODE_OPTIONS: `--require ${broken}/register.cjs` },
    });
    expect(ended).toMatchObject({ code: 0, stdout: 'runs\n' });
    expect(ended.stderr).toMatch(/^tracing-operator: not tracing this process: .*agent\.pack.*\n$/);
  });
});
