import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
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

const PROGRAMS = SUPPORTED_LINES.flatMap((line) => ['server.cjs', 'server.mjs'].map((program) => ({ line, program })));

it.each(PROGRAMS)("instruments the packages of Yarn's Plug'n'Play: Node $line, $program", async ({ line, program }) => {
  const loader = program.endsWith('.mjs')
    ? ` --experimental-loader ${pathToFileURL(join(app, '.pnp.loader.mjs')).href}`
    : '';
  const sink = await Sink.start();
  const running = await startServer({
    line,
    args: [join(app, program)],
    cwd: app,
    env: {
      NODE_OPTIONS: `--require ${join(app, '.pnp.cjs')}${loader}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_BSP_SCHEDULE_DELAY: '20',
    },
  });
  try {
    expect(await (await fetch(`${running.url}/items/7`)).text()).toBe('found');
    const spans = await sink.until((seen) => seen.some((span) => span.kind === 'server'));
    const server = spans.find((span) => span.kind === 'server');
    // There the loader hands CommonJS files over as source, which Node runs past all that loads CommonJS.
    if (line === '22' && loader !== '')
      expect(server).toMatchObject({ name: 'GET', attributes: { 'url.path': '/items/7' } });
    else expect(server).toMatchObject({ name: 'GET /items/:id', attributes: { 'http.route': '/items/:id' } });
    expect(running.output()).not.toContain('tracing-operator:');
  } finally {
    await running.stop('SIGKILL');
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
