import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';
import { installedApp } from './app.ts';
import { ROOT, runNode } from './process.ts';
import { Sink } from './sink.ts';

let sink: Sink;
let scratch: string;
const app = installedApp(join(ROOT, 'test/agent/apps/neighbors'));
beforeEach(async () => {
  sink = await Sink.start();
  scratch = mkdtempSync(join(tmpdir(), 'tracing-neighbors-'));
});
afterEach(async () => {
  await sink.stop();
  rmSync(scratch, { recursive: true, force: true });
});
const env = (): Record<string, string> => ({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_SERVICE_NAME: 'neighbors' });
const run = (args: string[], more: Record<string, string> = {}): ReturnType<typeof runNode> =>
  runNode({ args, env: { ...env(), ...more } });

/** A copy of the installed API that says it is of another version. */
function apiOfVersion(version: string): string {
  const copy = join(scratch, 'api');
  cpSync(join(ROOT, 'node_modules/@opentelemetry/api'), copy, { recursive: true });
  for (const file of readdirSync(join(copy, 'dist'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.cjs')) continue;
    const path = join(copy, 'dist', file);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('1.10.0', version));
  }
  return copy;
}

describe('an app that uses only the API joins our traces', () => {
  it.each(['api-1.0', 'api-1.4', 'api-1.9', 'as new as ours', 'newer than ours'])('%s', async (name) => {
    const api = name.startsWith('api-') ? name : apiOfVersion(name === 'newer than ours' ? '1.42.0' : '1.10.0');
    const ended = await run([join(app, 'api.cjs'), api]);
    expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const byHand = sink.spans.find((span) => span.name === 'by hand');
    expect(byHand).toMatchObject({ scope: 'by-hand', attributes: { recording: true, same: true } });
    const client = sink.spans.find((span) => span.kind === 'client');
    expect(client).toMatchObject({ traceId: byHand?.traceId, parentSpanId: byHand?.spanId });
  });
});

describe('an app that has an SDK of its own', () => {
  it('keeps it once it registers: ours steps aside with one line', async () => {
    const ended = await run([join(app, 'own-sdk.cjs'), 'register']);
    expect(ended).toMatchObject({ code: 0, stdout: '' });
    expect(ended.stderr).toMatch(
      /^tracing-operator: not tracing this process: its own OpenTelemetry SDK is tracing it\n$/,
    );
    expect(sink.spans.map((span) => span.name)).toEqual(['theirs']);
  });

  it('keeps it as an ES module and in a bundle, too', async () => {
    const program = join(ROOT, 'test/agent/programs/own-sdk.mjs');
    const bundles = { 'plain.cjs': false, 'small.cjs': true };
    for (const [name, minify] of Object.entries(bundles))
      await build({
        entryPoints: [program],
        outfile: join(scratch, name),
        bundle: true,
        minify,
        platform: 'node',
        // The SDK makes a require of its own; a bundle says from where.
        define: { 'import.meta.url': JSON.stringify(`file://${program}`) },
        logLevel: 'error',
      });
    for (const file of [program, ...Object.keys(bundles).map((name) => join(scratch, name))]) {
      const ended = await run([file], { OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' });
      expect(ended).toMatchObject({ code: 0, stdout: '' });
      expect(ended.stderr).toBe(
        'tracing-operator: not tracing this process: its own OpenTelemetry SDK is tracing it\n',
      );
      expect(sink.spans.map((span) => span.name)).toEqual(['theirs']);
      sink.spans.length = 0;
    }
  }, 30_000);

  it('keeps its metrics and its logger, and joins our traces, when it has no tracing', async () => {
    const program = join(ROOT, 'test/agent/programs/own-metrics.cjs');
    const ended = await run([program]);
    expect(ended).toMatchObject({ code: 0, stderr: '', stdout: 'registered true\ncounted 3\n' });
    expect(sink.spans.map((span) => span.name).sort()).toEqual(['GET', 'GET', 'by hand']);
  });

  it('is traced by us while that SDK is only lying about', async () => {
    const ended = await run([join(app, 'own-sdk.cjs')]);
    expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(sink.spans.map((span) => span.kind).sort()).toEqual(['client', 'internal', 'server']);
    expect(new Set(sink.spans.map((span) => span.traceId)).size).toBe(1);
  });

  it('registered before us, it stays', async () => {
    const before = join(app, 'node_modules/@opentelemetry/sdk-trace-node');
    const preload = join(app, 'register-first.cjs');
    writeFileSync(preload, `new (require(${JSON.stringify(before)}).NodeTracerProvider)().register()`);
    const ended = await runNode({
      args: [join(app, 'own-sdk.cjs')],
      agent: false,
      env: { ...env(), NODE_OPTIONS: `--require ${preload} --require ${process.env['AGENT_DIR'] ?? ''}/register.cjs` },
    });
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('an OpenTelemetry SDK is tracing it') });
    expect(sink.spans).toEqual([]);
  });
});

describe('another tracer', () => {
  it.each(['dd-trace', 'newrelic', 'elastic-apm-node', '@instana/collector'])('%s keeps the process', async (name) => {
    mkdirSync(join(scratch, 'node_modules', name), { recursive: true });
    writeFileSync(join(scratch, 'node_modules', name, 'index.js'), 'console.log("their tracer")');
    const program = join(scratch, 'app.cjs');
    writeFileSync(program, `require('${name}'); require('http').get('${sink.url}/x', (r) => r.resume())`);
    const ended = await run([program]);
    expect(ended).toMatchObject({ code: 0, stdout: 'their tracer\n' });
    expect(ended.stderr).toBe(`tracing-operator: not tracing this process: ${name} is tracing it\n`);
    expect(sink.spans).toEqual([]);
    const preloaded = join(scratch, 'node_modules', name, 'index.js');
    const first = await runNode({
      args: ['-e', `require('http').get('${sink.url}/x', (r) => r.resume())`],
      agent: false,
      env: {
        ...env(),
        NODE_OPTIONS: `--require ${preloaded} --require ${process.env['AGENT_DIR'] ?? ''}/register.cjs`,
      },
    });
    expect(first.stderr).toBe(ended.stderr);
    expect(sink.spans).toEqual([]);
  });
});
