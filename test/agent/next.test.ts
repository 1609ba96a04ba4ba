import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { nodeBinary } from '../../injector/agent/runtimes/index.ts';
import { freePort } from '../servers/free-port.ts';
import { installedApp } from './app.ts';
import type { ReceivedSpan } from './otlp.ts';
import { ROOT, startNode } from './process.ts';
import { Sink } from './sink.ts';

const FOLDER = join(ROOT, 'test/agent/apps/next');
const QUIET = { NEXT_TELEMETRY_DISABLED: '1' };
let app: string;
let sink: Sink;

/** What is built of the same pages stays in the cache. */
function build(): void {
  const hash = createHash('sha256');
  for (const file of readdirSync(join(FOLDER, 'app'), { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(FOLDER, 'app', file);
    if (statSync(path).isFile()) hash.update(file).update(readFileSync(path));
  }
  const mark = join(app, '.next/built-from');
  const pages = hash.digest('hex');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === pages) return;
  const built = spawnSync(nodeBinary('24'), [join(app, 'node_modules/next/dist/bin/next'), 'build'], {
    cwd: app,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...QUIET },
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`next build failed:\n${built.stdout}${built.stderr}`);
  writeFileSync(mark, pages);
}

beforeAll(() => {
  app = installedApp(FOLDER);
  build();
}, 600_000);
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(() => sink.stop());

const serves = (path: string) => (span: ReceivedSpan) => span.kind === 'server' && span.attributes['url.path'] === path;

async function visit(line: string, agent: boolean): Promise<{ page: string; code: unknown; signal: unknown }> {
  const port = String(await freePort());
  const child = startNode({
    line,
    agent,
    args: [join(app, 'node_modules/next/dist/bin/next'), 'start', '-p', port, '-H', '127.0.0.1'],
    cwd: app,
    env: { ...QUIET, OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, STOCK_URL: `http://127.0.0.1:${port}/api` },
  });
  const exit = once(child, 'exit');
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  try {
    for (const end = Date.now() + 60_000; !output.includes('Ready in');) {
      if (Date.now() > end || child.exitCode !== null) throw new Error(`next start is not ready:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const page = await (await fetch(`http://127.0.0.1:${port}/items/7`)).text();
    if (agent) {
      await sink.until((spans) => ['/items/7', '/api/stock'].every((path) => spans.some(serves(path))));
    }
    expect(output).not.toContain('tracing-operator:');
    child.kill('SIGTERM');
    const [code, signal] = (await exit) as [unknown, unknown];
    return { page: page.replaceAll(port, 'PORT'), code, signal };
  } finally {
    child.kill('SIGKILL');
  }
}

it.each(['20', '24'])(
  'an app of Next.js answers and ends the same, and its pages, fetches and routes are one trace: Node %s',
  async (line) => {
    const bare = await visit(line, false);
    expect(bare.page).toContain('plenty');
    expect(await visit(line, true)).toEqual(bare);
    const [page, stock] = ['/items/7', '/api/stock'].map((path) => sink.spans.find(serves(path)));
    expect(page).toMatchObject({ name: 'GET /items/[id]', attributes: { 'http.route': '/items/[id]' } });
    expect(stock).toMatchObject({ name: 'GET /api/stock', traceId: page?.traceId });
    const caller = sink.spans.find((span) => span.spanId === stock?.parentSpanId);
    expect(caller).toMatchObject({ kind: 'client', attributes: { 'http.response.status_code': 200 } });
    // What Next.js says through the API joins.
    const render = sink.spans.find((span) => span.name === 'render route (app) /items/[id]');
    expect(render).toMatchObject({ scope: 'next.js', traceId: page?.traceId });
  },
  240_000,
);
