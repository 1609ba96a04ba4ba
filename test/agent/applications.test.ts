import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { installedApp } from './app.ts';
import { ROOT, runNode, startNode } from './process.ts';
import { Sink } from './sink.ts';

const TYPED = `import { createServer, get, type Server } from 'node:http';
const server: Server = createServer((request, response) => response.end('typed'));
server.listen(0, '127.0.0.1', () => {
  const address = server.address() as { port: number };
  get({ host: '127.0.0.1', port: address.port }, (answer) => {
    answer.setEncoding('utf8').on('data', (text: string) => console.log(text));
    answer.on('end', () => server.close());
  });
});
`;

let app: string;
let scratch: string;
let sink: Sink;

beforeAll(() => {
  app = installedApp(join(ROOT, 'test/agent/apps/applications'));
  scratch = mkdtempSync(join(tmpdir(), 'tracing-applications-'));
  // Not a file of ours to compile: it belongs to the app's own TypeScript.
  writeFileSync(join(app, 'ask.ts'), TYPED);
}, 600_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(() => sink.stop());

const bin = (path: string): string => join(app, 'node_modules', path);
const environment = (more: Record<string, string> = {}): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
  OTEL_SERVICE_NAME: 'application',
  OTEL_BSP_SCHEDULE_DELAY: '50',
  OUT: join(scratch, 'out'),
  PM2_HOME: join(scratch, 'pm2'),
  NO_COLOR: '1',
  ...more,
});

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return String(port);
}

/** Output without what differs between any two runs. */
const steady = (text: string): string =>
  text.replaceAll(/\d+(\.\d+)?\s?(m?s|seconds)\b/g, 'TIME').replaceAll(/\(node:\d+\)/g, '(node:PID)');

interface Command {
  name: string;
  args: () => string[];
  /** Kinds of the spans it leaves; none for a tool. */
  spans: string[];
}

const COMMANDS: Command[] = [
  { name: 'cowsay', args: () => [bin('cowsay/cli.js'), 'moo'], spans: [] },
  {
    name: 'mocha',
    // It prints the duration of a test only where it was slow.
    args: () => [bin('mocha/bin/mocha.js'), '--slow', '60000', 'ask.spec.cjs'],
    spans: ['client', 'server'],
  },
  { name: 'ts-node', args: () => [bin('ts-node/dist/bin.js'), 'ask.ts'], spans: ['client', 'server'] },
  { name: 'tsx', args: () => [bin('tsx/dist/cli.mjs'), 'ask.ts'], spans: ['client', 'server'] },
  {
    name: 'node --import tsx',
    args: () => ['--import', bin('tsx/dist/loader.mjs'), 'ask.ts'],
    spans: ['client', 'server'],
  },
  { name: 'type stripping', args: () => ['ask.ts'], spans: ['client', 'server'] },
  {
    name: 'nodemon',
    args: () => [
      bin('nodemon/bin/nodemon.js'),
      '--quiet',
      '--exitcrash',
      '--exec',
      `${process.execPath} ask.cjs; false`,
    ],
    spans: ['client', 'server'],
  },
  {
    name: 'newman',
    args: () => [
      ...[bin('newman/bin/newman.js'), 'run', 'collection.json', '--env-var', `target=${sink.url}`],
      '--reporter-cli-no-summary',
    ],
    spans: ['client'],
  },
  { name: 'router 1 beside express 5', args: () => ['routers.cjs'], spans: ['client', 'server'] },
  {
    name: 'eleventy',
    args: () => [bin('@11ty/eleventy/cmd.cjs'), '--input=pages', `--output=${join(scratch, 'eleventy')}`],
    spans: [],
  },
  { name: 'eslint', args: () => [bin('eslint/bin/eslint.js'), '--config', 'lint.config.mjs', 'ask.cjs'], spans: [] },
  { name: 'tsc', args: () => [bin('typescript/bin/tsc'), '-p', '.'], spans: [] },
  { name: 'webpack', args: () => [bin('webpack-cli/bin/cli.js'), '--config', 'webpack.config.cjs'], spans: [] },
  { name: 'vite build', args: () => [bin('vite/bin/vite.js'), 'build', '--outDir', join(scratch, 'vite')], spans: [] },
];

describe('a command from npm does the same under the agent', () => {
  it.each(COMMANDS.map((command) => [command.name, command] as const))(
    '%s',
    async (_name, { args, spans }) => {
      const start = { args: args(), cwd: app, env: environment(), timeoutMillis: 40_000 };
      const bare = await runNode({ ...start, agent: false });
      rmSync(join(scratch, 'out'), { recursive: true, force: true });
      const traced = await runNode(start);
      expect({ ...traced, millis: 0, stdout: steady(traced.stdout), stderr: steady(traced.stderr) }).toEqual({
        ...bare,
        millis: 0,
        stdout: steady(bare.stdout),
        stderr: steady(bare.stderr),
      });
      if (spans.length > 0) await sink.until((seen) => seen.length >= spans.length);
      expect([...new Set(sink.spans.map((span) => span.kind))].filter((kind) => kind !== 'internal').sort()).toEqual(
        spans,
      );
    },
    90_000,
  );
});

const SERVERS: { name: string; args: (port: string) => string[]; path: string }[] = [
  {
    name: 'http-server',
    args: (port) => [bin('http-server/bin/http-server'), app, '-p', port, '-a', '127.0.0.1', '-c-1'],
    path: '/index.html',
  },
  {
    name: 'serve',
    args: (port) => [bin('serve/build/main.js'), '-l', `tcp://127.0.0.1:${port}`, '-n', app],
    path: '/db.json',
  },
  {
    name: 'json-server',
    args: (port) => [bin('json-server/lib/cli/bin.js'), '--port', port, '--host', '127.0.0.1', 'db.json'],
    path: '/items/1',
  },
  {
    name: 'live-server',
    args: (port) => [
      bin('live-server/live-server.js'),
      `--port=${port}`,
      '--host=127.0.0.1',
      '--no-browser',
      '--ignore=node_modules',
      scratch,
    ],
    path: '/',
  },
  {
    name: 'local-web-server',
    args: (port) => [bin('local-web-server/bin/cli.js'), '--port', port, '--hostname', '127.0.0.1', '--directory', app],
    path: '/index.html',
  },
  { name: 'peerjs', args: (port) => [bin('peer/dist/bin/peerjs.js'), '--port', port], path: '/' },
  {
    name: 'tiddlywiki',
    args: (port) => [bin('tiddlywiki/tiddlywiki.js'), 'wiki', '--listen', `port=${port}`, 'host=127.0.0.1'],
    path: '/status',
  },
  {
    name: 'node-red',
    args: (port) => [bin('node-red/red.js'), '-p', port, '-u', join(scratch, `red-${port}`), '-D', 'uiHost=127.0.0.1'],
    path: '/settings',
  },
  {
    name: 'vite',
    args: (port) => [bin('vite/bin/vite.js'), '--port', port, '--host', '127.0.0.1', '--strictPort'],
    path: '/db.json',
  },
  { name: 'pm2-runtime', args: () => [bin('pm2/bin/pm2-runtime'), 'serve.cjs'], path: '/' },
];

interface Served {
  status: number;
  body: string;
  code: number | null;
  signal: string | null;
}

/** Starts a server, asks it once, ends it by SIGTERM. */
async function visit(server: (typeof SERVERS)[number], agent: boolean): Promise<Served> {
  const port = await freePort();
  const child = startNode({ args: server.args(port), cwd: app, env: environment({ PORT: port }), agent });
  const exit = once(child, 'exit') as Promise<[number | null, string | null]>;
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  try {
    const deadline = Date.now() + 30_000;
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${port}${server.path}`).catch(() => undefined);
      if (answer?.ok) {
        const body = await answer.text();
        if (agent) await sink.until((seen) => seen.some((span) => span.kind === 'server'));
        child.kill('SIGTERM');
        const [code, signal] = await exit;
        expect(output).not.toContain('tracing-operator:');
        return { status: answer.status, body: body.replaceAll(port, 'PORT'), code, signal };
      }
      if (Date.now() > deadline || child.exitCode !== null)
        throw new Error(`${server.name} does not answer:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    child.kill('SIGKILL');
  }
}

describe('a server from npm answers and ends the same under the agent', () => {
  it.each(SERVERS.map((server) => [server.name, server] as const))(
    '%s',
    async (_name, server) => {
      const bare = await visit(server, false);
      expect(await visit(server, true)).toEqual(bare);
    },
    90_000,
  );
});
