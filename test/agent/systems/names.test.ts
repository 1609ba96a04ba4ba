import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nodeBinary } from '../../../injector/agent/runtimes/index.ts';
import { installedApp } from '../app.ts';
import { writeMounted } from '../mounted.ts';
import { ROOT } from '../process.ts';
import { Scene } from './scene.ts';

/** Some of the names of a request in which each client makes a call. */
const NAMES = [
  'server GET /items/:id',
  'client find items',
  'client shop.Payment/Charge',
  'server shop.Payment/Charge',
  'client GET',
];
/** How many spans it has at least. */
const SPANS = 10;

let app: string;
let fakes: ChildProcess;
const ports: Record<string, string> = {};
let directory: string;
let scene: Scene;
beforeAll(async () => {
  app = installedApp(join(ROOT, 'test/agent/apps/matrix'));
  directory = mkdtempSync(join(tmpdir(), 'tracing-names-'));
  fakes = spawn(nodeBinary('24'), [join(app, 'fakes.cjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve) => {
    fakes.stdout?.setEncoding('utf8').on('data', (text: string) => {
      for (const [, name, port] of text.matchAll(/(\w+_PORT)=(\d+)/g)) ports[name ?? ''] = port ?? '';
      if (Object.keys(ports).length === 5) resolve();
    });
  });
  scene = await Scene.open();
}, 120_000);
afterAll(async () => {
  await scene.close();
  fakes.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** The names in order of time, without layers of express and what connections are made of. */
async function names(url: string): Promise<string[]> {
  const { spans } = scene.sink;
  spans.length = 0;
  expect(await (await fetch(`${url}/items/7`)).text()).toBe('done');
  await scene.sink.until((seen) => seen.some((span) => span.attributes['url.path'] === '/items/7'));
  return spans
    .filter((span) => span.kind !== 'internal')
    .sort((a, b) => Number(a.startNanos - b.startNanos))
    .map((span) => `${span.kind} ${span.name}`);
}

describe('names of spans', () => {
  it('are those of the conventions, and with the service before them by policy, of a process that runs', async () => {
    const write = (revision: string, spanNames?: string): void => {
      const exporters = [{ name: 'default', protocol: 'http/protobuf', endpoint: scene.sink.url }];
      const spec = {
        sampling: { ratio: 1 },
        exporters,
        propagators: ['tracecontext'],
        batch: { scheduleDelay: '20ms' },
        spanNames,
      };
      const document = JSON.stringify({ key: 'p.json', revision, source: 'test', spec });
      writeMounted(directory, { 'pod/key': 'p.json', 'p.json': document });
    };
    write('r1');
    const server = await scene.server('app', {
      args: ['names.cjs'],
      cwd: app,
      env: { ...ports, TRACING_ACME_POLICY_DIR: directory },
    });
    // The first request opens connections.
    await names(server.url);
    const before = await names(server.url);
    expect(before).toEqual(expect.arrayContaining(NAMES));
    expect(before.length).toBeGreaterThanOrEqual(SPANS);
    write('r2', 'ServiceOperation');
    const deadline = Date.now() + 15_000;
    while (!(await names(server.url))[0]?.includes(' app.') && Date.now() < deadline);
    expect(await names(server.url)).toEqual(before.map((name) => name.replace(' ', ' app.')));
  }, 60_000);
});
