import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { nodeBinary } from '../../injector/agent/runtimes/index.ts';
import { until } from '../cluster/progress.ts';
import { agentDirectory, ROOT } from './process.ts';

const PROGRAM = join(ROOT, 'dist/kubectl-tracing');
const SERVER = 'http-server.cjs';
const POLICY = (ratio: number) => `apiVersion: tracing.acme/v1alpha1
kind: TracingPolicy
metadata: {name: shop, namespace: shop}
spec: {sampling: {ratio: ${ratio}, rules: []}, exporters: [{name: a, endpoint: "http://collector.invalid:4318"}]}
`;

let directory: string;
const running = new Set<ChildProcess>();

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kubectl-run-'));
  copyFileSync(join(ROOT, 'test/agent/programs', SERVER), join(directory, SERVER));
  const built = spawnSync(process.execPath, [join(ROOT, 'cli/build.ts')], { cwd: ROOT, encoding: 'utf8' });
  expect({ status: built.status, stderr: built.stderr }).toEqual({ status: 0, stderr: '' });
});
afterEach(() => {
  for (const child of running) child.kill('SIGTERM');
  running.clear();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** `kubectl tracing run …` with this agent, on the Node line that is given. */
function start(words: string[], line = '24') {
  const child = spawn(nodeBinary(line), [PROGRAM, 'run', '--agent', agentDirectory(), ...words], {
    cwd: directory,
    env: { PATH: process.env['PATH'], HOME: directory, TMPDIR: directory },
  });
  running.add(child);
  const seen = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (seen.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (seen.stderr += text));
  const ended = (once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>).then(([code, signal]) => ({
    code,
    signal,
  }));
  return { child, seen, ended };
}

async function listening({ seen }: ReturnType<typeof start>): Promise<string> {
  await until('the server does not listen', 60_000, () => Promise.resolve(/listening \d+\n/.test(seen.stdout)));
  return `http://127.0.0.1:${/listening (\d+)/.exec(seen.stdout)![1]}`;
}

describe('kubectl tracing run', () => {
  it.each(['20', '24'])('shows the trace of a request while the command runs, on Node %s', async (line) => {
    const server = start(['--', nodeBinary(line), SERVER], line);
    expect(await (await fetch(`${await listening(server)}/http`)).text()).toBe('ok');
    await until('no trace is drawn', 60_000, () => Promise.resolve(server.seen.stderr.includes('3 spans')));
    const [, header, ...rows] = server.seen.stderr.split(/\n+/);
    expect(header).toMatch(/^trace [0-9a-f]{32} · .* · 3 spans · services: http-server$/);
    expect(rows.filter(Boolean).map((row) => row.replace(/[█▏ ]+[\d.]+ (µs|ms|s) /, ' … '))).toEqual([
      'http-server GET … HTTP 200 /http',
      'http-server └─ GET … HTTP 200 /leaf',
      'http-server    └─ GET … HTTP 200 /leaf',
    ]);
    server.child.kill('SIGTERM');
    expect(await server.ended).toEqual({ code: null, signal: 'SIGTERM' });
    expect(server.seen.stdout).toMatch(/^listening \d+\n$/);
  });

  it('leaves the command its standard streams, and ends as it ends', async () => {
    const program = `process.stdin.on('data', (text) => process.stdout.write(String(text).toUpperCase()));
      process.stdin.on('end', () => process.exit(3));`;
    const { child, seen, ended } = start(['--', process.execPath, '-e', program]);
    child.stdin.end('one line\n');
    expect(await ended).toEqual({ code: 3, signal: null });
    expect(seen.stdout).toBe('ONE LINE\n');
    expect(seen.stderr).toMatch(/follows chart default: ratio 1, rules: 1\nkubectl tracing: no trace came\n$/);
  });

  it('says where no process had the agent', async () => {
    const { seen, ended } = start(['--', 'true']);
    expect(await ended).toEqual({ code: 0, signal: null });
    expect(seen.stderr).toMatch(/no trace came: there was no Node\.js process with the agent, e\.g\. -- node app\.js/);
  });

  it('lets the command go on where nobody reads its traces any more', async () => {
    const { child, seen, ended } = start(['--', process.execPath, SERVER]);
    child.stderr.destroy();
    const url = await listening({ child, seen, ended });
    await (await fetch(`${url}/http`)).text();
    // Longer than a trace takes to be drawn.
    await sleep(2_000);
    expect(await (await fetch(`${url}/leaf`)).text()).toBe('leaf');
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('passes a signal on to a command that handles it', async () => {
    const program = `process.on('SIGINT', () => process.exit(5)); setInterval(() => {}, 1000); console.log('listening 1')`;
    const command = start(['--', process.execPath, '-e', program]);
    await listening(command);
    command.child.kill('SIGINT');
    expect(await command.ended).toEqual({ code: 5, signal: null });
  });

  it('follows a policy file, and keeps the last good one', async () => {
    const file = join(directory, 'policy.yaml');
    writeFileSync(file, POLICY(0));
    const server = start(['--policy', file, '-o', 'json', '--', process.execPath, SERVER]);
    const url = await listening(server);
    const says = (text: string) =>
      until(`it does not say "${text}"`, 60_000, () => Promise.resolve(server.seen.stderr.includes(text)));
    await says('follows TracingPolicy shop/shop: ratio 0\n');
    expect(await (await fetch(`${url}/before`)).text()).toBe('leaf');
    writeFileSync(file, POLICY(7));
    await says('policy.yaml, document 1, line 4: TracingPolicy shop: spec.sampling.ratio: has to be at most 1');
    await says('the policy before stays in force\n');
    // As many editors do.
    writeFileSync(`${file}.new`, POLICY(1));
    renameSync(`${file}.new`, file);
    await says('TracingPolicy shop/shop: ratio 1: in force within a second\n');
    await until('no request is traced', 60_000, async () => {
      await (await fetch(`${url}/after`)).text();
      return server.seen.stderr.includes('"traceId"');
    });
    server.child.kill('SIGTERM');
    await server.ended;
    const traces = server.seen.stderr.split('\n').filter((line) => line.startsWith('{'));
    const spans = traces.flatMap((line) => (JSON.parse(line) as { spans: { attributes: object }[] }).spans);
    expect(new Set(spans.map(({ attributes }) => (attributes as Record<string, unknown>)['url.path']))).toEqual(
      new Set(['/after']),
    );
  });

  it.each([
    [
      'a policy file that is wrong',
      ['--policy', 'wrong.yaml', '--', 'true'],
      2,
      /^kubectl tracing: wrong\.yaml, .*ratio/,
    ],
    [
      'a command that is not there, and nothing else',
      ['--', './nothing'],
      127,
      /^kubectl tracing: \.\/nothing: there is no such program\. A command is expected after --, e\.g\. -- node app\.js\n$/,
    ],
    ['no command', [], 2, /COMMAND is missing: a program .* e\.g\. kubectl tracing run -- node app\.js\./],
  ])('says what is wrong with %s', async (_what, words, code, message) => {
    writeFileSync(join(directory, 'wrong.yaml'), POLICY(7));
    const { seen, ended } = start(words);
    expect((await ended).code).toBe(code);
    expect(seen.stderr).toMatch(message);
    expect(seen.stdout).toBe('');
  });
});
