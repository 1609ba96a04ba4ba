import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SUPPORTED_LINES, nodeBinary } from '../../injector/agent/runtimes/index.ts';
import { installedApp } from './app.ts';
import { ROOT, runNode, startServer } from './process.ts';
import { Sink } from './sink.ts';

let app: string;
beforeAll(() => {
  const yarn = installedApp(join(ROOT, 'test/agent/apps/yarn'));
  app = mkdtempSync(join(tmpdir(), 'tracing-plugnplay-'));
  cpSync(join(yarn, 'plugnplay'), app, { recursive: true });
  const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim();
  const installed = spawnSync(nodeBinary('24'), [join(yarn, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js'), 'install'], {
    cwd: app,
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      // Fetched once.
      YARN_GLOBAL_FOLDER: join(yarn, 'fetched'),
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'true',
      YARN_NPM_REGISTRY_SERVER: registry.replace(/\/$/, ''),
    },
    encoding: 'utf8',
  });
  if (installed.status !== 0) throw new Error(`yarn install failed:\n${installed.stdout}${installed.stderr}`);
}, 300_000);
afterAll(() => rmSync(app, { recursive: true, force: true }));

it.each(SUPPORTED_LINES)("instruments the packages of Yarn's Plug'n'Play: Node %s", async (line) => {
  const sink = await Sink.start();
  const server = await startServer({
    line,
    args: [join(app, 'server.cjs')],
    cwd: app,
    env: {
      NODE_OPTIONS: `--require ${join(app, '.pnp.cjs')}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_BSP_SCHEDULE_DELAY: '20',
    },
  });
  try {
    expect(await (await fetch(`${server.url}/items/7`)).text()).toBe('found');
    const spans = await sink.until((seen) => seen.some((span) => span.kind === 'server'));
    expect(spans.find((span) => span.kind === 'server')).toMatchObject({
      name: 'GET /items/:id',
      attributes: { 'http.route': '/items/:id' },
    });
    expect(server.output()).not.toContain('tracing-operator:');
  } finally {
    await server.stop('SIGKILL');
    await sink.stop();
  }
});

it('says of a package that is not there what Yarn says', async () => {
  const start = { args: ['-e', "require('no-such-package')"], cwd: app };
  const env = { NODE_OPTIONS: `--require ${join(app, '.pnp.cjs')}`, OTEL_TRACES_EXPORTER: 'none' };
  const message = ({ stderr }: { stderr: string }): string => stderr.replaceAll(/^ +at .*\n/gm, '');
  const bare = await runNode({ ...start, env, agent: false });
  const traced = await runNode({ ...start, env });
  expect(message(traced)).toBe(message(bare));
});
