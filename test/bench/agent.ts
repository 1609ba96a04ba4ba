// What the agent costs a process, beside the stock auto-instrumentation, in pairs within one run:
//   node test/bench/agent.ts [--runs 15] [--nodes 20,22,24,26] [--only startup,cpu,sampling,size,signals]
// Start-up and memory are what is ADDED to the bare app, from spawn to `listening`. Writes test/bench/results.json.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, get, createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installedApp } from '../agent/app.ts';
import { benchDelivery } from './delivery.ts';
import { nodeBinary } from '../../injector/agent/runtimes/index.ts';
import { median, result, writeResults, type Result } from './results.ts';

const HELP = `Measures what the agent adds to small programs, beside the stock package in the same run: start-up and memory, processor time
of a request, what sampling rules, keep, metrics and logs cost, and what is delivered. Runs take turns; medians are compared.
Adds agent.* to test/bench/results.json. Needs dist/ (make build).

Usage:
  node test/bench/agent.ts [options]

Options:
  --runs N       (15) of each
  --nodes N,N    (20,22,24,26) lines of Node.js
  --only PART,…  (all) startup, cpu, sampling, size, signals

Examples:
  node test/bench/agent.ts
  node test/bench/agent.ts --runs 5 --nodes 24 --only cpu
`;

const ROOT = join(import.meta.dirname, '../..');
const OURS = join(ROOT, 'dist/agent/register.cjs');
const STOCK = join(ROOT, 'node_modules/@opentelemetry/auto-instrumentations-node/dist/register.cjs');
const REQUESTS = 4000;
const CONNECTIONS = 8;

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '15' },
    nodes: { type: 'string', default: '20,22,24,26' },
    only: { type: 'string', default: 'startup,cpu,sampling,size,signals' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(HELP);
  process.exit();
}
const runs = Number(options.runs);

interface Variant {
  name: string;
  env: Record<string, string>;
}

/** An exporter's other end: takes everything, keeps nothing. */
async function startSink(): Promise<Server> {
  const sink = createServer((request, response) => request.resume().on('end', () => response.end()));
  sink.listen(0, '127.0.0.1');
  await once(sink, 'listening');
  return sink;
}

function preload(path: string, sink: Server, extra: Record<string, string> = {}): Record<string, string> {
  return {
    NODE_OPTIONS: `--require ${path}`,
    OTEL_SERVICE_NAME: 'bench',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(sink.address() as AddressInfo).port}`,
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
    ...extra,
  };
}

interface Started {
  child: ChildProcess;
  port: number;
  millis: number;
}

async function start(node: string, program: string, env: Record<string, string>): Promise<Started> {
  const began = performance.now();
  const child = spawn(node, [program], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', ...env },
  });
  let output = '';
  const take = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  for (;;) {
    const port = /listening (\d+)/.exec(output)?.[1];
    if (port) return { child, port: Number(port), millis: performance.now() - began };
    if (child.exitCode !== null) throw new Error(`${program} ended: ${output}`);
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** What each variant adds to the first, which is the bare app, by its name. */
type Added = (name: string) => number;

async function measureStartup(
  node: string,
  program: string,
  variants: Variant[],
): Promise<{ millis: Added; memory: Added; bare: string }> {
  const millis = new Map<string, number[]>(variants.map(({ name }) => [name, []]));
  const memory = new Map<string, number[]>(variants.map(({ name }) => [name, []]));
  const turns = [...variants];
  for (let run = -1; run < runs; run++) {
    for (const { name, env } of turns.reverse()) {
      const started = await start(node, program, env);
      await new Promise((resolve) => setTimeout(resolve, 250));
      const resident = residentMegabytes(started.child.pid ?? 0);
      await stop(started.child);
      if (run < 0) continue;
      millis.get(name)?.push(started.millis);
      memory.get(name)?.push(resident);
    }
  }
  const bare = `bare ${median(millis.get('bare') ?? []).toFixed(0)} ms, ${median(memory.get('bare') ?? []).toFixed(1)} MB`;
  return { millis: addedIn(millis), memory: addedIn(memory), bare };
}

function addedIn(values: Map<string, number[]>): Added {
  return (name) => median((values.get(name) ?? []).map((value, run) => value - (values.get('bare')?.[run] ?? NaN)));
}

async function benchStartup(line: string, app: 'small' | 'large', sink: Server): Promise<Result[]> {
  const folder = join(ROOT, 'test/bench/apps', app);
  const program = join(app === 'large' ? installedApp(folder) : folder, 'server.cjs');
  const { millis, memory, bare } = await measureStartup(nodeBinary(line), program, [
    { name: 'bare', env: {} },
    { name: 'ours', env: preload(OURS, sink) },
    { name: 'stock', env: preload(STOCK, sink) },
  ]);
  console.log(`Node ${line}, ${app} app (${bare})`);
  const suffix = app === 'large' ? '' : '.small';
  return [
    result(`agent.startup.${app}[node${line}]`, 'ms added', millis('ours'), millis('stock'), runs),
    result(`agent.memory${suffix}[node${line}]`, 'MB added', memory('ours'), memory('stock'), runs),
  ];
}

/** The same with metrics or logs beside traces, of an app that answers requests and writes a line for each by pino. */
async function benchSignal(line: string, signal: 'metrics' | 'logs', sink: Server): Promise<Result[]> {
  const node = nodeBinary(line);
  const program = join(installedApp(join(ROOT, 'test/bench/apps/logging')), 'server.cjs');
  const on = { [`OTEL_${signal.toUpperCase()}_EXPORTER`]: 'otlp' };
  const variants: Variant[] = [
    { name: 'bare', env: {} },
    { name: 'traces', env: preload(OURS, sink) },
    { name: 'ours', env: preload(OURS, sink, on) },
    { name: 'stock', env: preload(STOCK, sink, on) },
  ];
  const { millis, memory, bare } = await measureStartup(node, program, variants);
  const cpu = await addedCpu(line, 'logging', variants);
  const figures = (each: Added): string => `${each('traces').toFixed(2)} → ${each('ours').toFixed(2)}`;
  console.log(
    `Node ${line}, ${signal} (${bare}): traces alone → with ${signal}: ${figures(millis)} ms, ${figures(memory)} MB, ${figures(cpu)} µs`,
  );
  return [
    result(`agent.startup.${signal}[node${line}]`, 'ms added', millis('ours'), millis('stock'), runs),
    result(`agent.memory.${signal}[node${line}]`, 'MB added', memory('ours'), memory('stock'), runs),
    result(`agent.cpu.${signal}[node${line}]`, 'µs added per request', cpu('ours'), cpu('stock'), runs),
  ];
}

/** Requests over kept-alive connections; resolves when all are answered. */
async function load(port: number, path: string, requests: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await fetchText(port, path, agent);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  agent.destroy();
}

function fetchText(port: number, path: string, agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, ...(agent ? { agent } : {}) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

async function cpuMicros(port: number): Promise<number> {
  const { user, system } = JSON.parse(await fetchText(port, '/cpu')) as { user: number; system: number };
  return user + system;
}

/** A policy directory, as the kubelet makes it, that says this about sampling, or off. */
function policyDirectory(sink: Server, sampling: object): { path: string; switchOff(): void } {
  const path = mkdtempSync(join(tmpdir(), 'bench-policy-'));
  const endpoint = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
  const exporters = [{ name: 'd', protocol: 'http/protobuf', endpoint }];
  const spec = { sampling, exporters, propagators: ['tracecontext'] };
  const write = (version: string, key: string): void => {
    mkdirSync(join(path, version, 'pod'), { recursive: true });
    writeFileSync(join(path, version, 'pod/key'), key);
    writeFileSync(join(path, version, 'p'), JSON.stringify({ key: 'p', revision: '1', source: 'bench', spec }));
    symlinkSync(version, join(path, '..next'));
    renameSync(join(path, '..next'), join(path, '..data'));
  };
  write('..1', 'p');
  for (const name of ['pod', 'p']) symlinkSync(`..data/${name}`, join(path, name));
  return { path, switchOff: () => write('..2', 'none') };
}

const byPolicy = (path: string) => ({ NODE_OPTIONS: `--require ${OURS}`, TRACING_ACME_POLICY_DIR: path });
const suffixOf = (line: string, app: 'small' | 'large') => `${app === 'large' ? '.express' : ''}[node${line}]`;

/** What a request costs each of the variants more than the first of them, µs of CPU; `warm` is called when all are. */
async function addedCpu(
  line: string,
  app: 'small' | 'large' | 'logging',
  variants: Variant[],
  warm?: () => Promise<void>,
): Promise<(name: string) => number> {
  const node = nodeBinary(line);
  const folder = join(ROOT, 'test/bench/apps', app);
  const program = join(app === 'small' ? folder : installedApp(folder), 'server.cjs');
  const started = new Map<string, Started>();
  for (const { name, env } of variants) started.set(name, await start(node, program, env));
  for (const { port } of started.values()) await load(port, '/', REQUESTS);
  await warm?.();
  const micros = new Map<string, number[]>(variants.map(({ name }) => [name, []]));
  // Each of them is as often early in a round as late: a busy machine is busier at times.
  const turns = [...started];
  for (let run = -1; run < runs; run++) {
    for (const [name, { port }] of turns.reverse()) {
      const before = await cpuMicros(port);
      await load(port, '/', REQUESTS);
      const after = await cpuMicros(port);
      if (run >= 0) micros.get(name)?.push((after - before) / REQUESTS);
    }
  }
  for (const { child } of started.values()) await stop(child);
  const bare = micros.get(variants[0]!.name) ?? [];
  console.log(`Node ${line}, ${app} app: CPU per request (bare ${median(bare).toFixed(1)} µs)`);
  return (name) => median((micros.get(name) ?? []).map((value, run) => value - (bare[run] ?? NaN)));
}

async function benchCpu(line: string, app: 'small' | 'large', sink: Server): Promise<Result[]> {
  const policy = policyDirectory(sink, { ratio: 1 });
  const never = { OTEL_TRACES_SAMPLER: 'always_off' };
  const variants: Variant[] = [
    { name: 'bare', env: {} },
    { name: 'ours on', env: preload(OURS, sink) },
    { name: 'ours unsampled', env: preload(OURS, sink, never) },
    { name: 'ours off', env: byPolicy(policy.path) },
    { name: 'stock on', env: preload(STOCK, sink) },
    { name: 'stock unsampled', env: preload(STOCK, sink, never) },
  ];
  // Tracing is on everywhere; then one of them is switched off while it runs.
  const added = await addedCpu(line, app, variants, async () => {
    policy.switchOff();
    await new Promise((resolve) => setTimeout(resolve, 2500));
  });
  rmSync(policy.path, { recursive: true });
  const suffix = suffixOf(line, app);
  return [
    result(`agent.cpu.on${suffix}`, 'µs added per request', added('ours on'), added('stock on'), runs),
    result(
      `agent.cpu.unsampled${suffix}`,
      'µs added per request',
      added('ours unsampled'),
      added('stock unsampled'),
      runs,
    ),
    result(`agent.cpu.off${suffix}`, 'µs added per request', added('ours off'), added('stock on'), runs),
  ];
}

/** Rules that look at a request and do not match it: all of them are asked. */
const rules = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ methods: ['GET', 'POST'], paths: [`/part-${i}/*`], ratio: 1 }));

/**
 * Requests that are not recorded, beside the stock agent's: with rules of which none matches, and kept should they fail, which
 * they do not. To keep what fails with the stock agent everything has to be recorded, for a Collector to choose from.
 */
async function benchSampling(line: string, app: 'small' | 'large', sink: Server): Promise<Result[]> {
  const samplings = {
    rules0: { ratio: 0 },
    rules1: { ratio: 0, rules: rules(1) },
    rules20: { ratio: 0, rules: rules(20) },
    keep: { ratio: 0, keep: { errors: true, slowerThanMillis: 2000 } },
  };
  const policies = Object.entries(samplings).map(
    ([name, sampling]) => [name, policyDirectory(sink, sampling)] as const,
  );
  const added = await addedCpu(line, app, [
    { name: 'bare', env: {} },
    ...policies.map(([name, { path }]) => ({ name, env: byPolicy(path) })),
    { name: 'stock on', env: preload(STOCK, sink) },
    { name: 'stock unsampled', env: preload(STOCK, sink, { OTEL_TRACES_SAMPLER: 'always_off' }) },
  ]);
  for (const [, { path }] of policies) rmSync(path, { recursive: true });
  return policies.map(([name]) =>
    result(
      `agent.cpu.${name}${suffixOf(line, app)}`,
      'µs added per request',
      added(name),
      added(name === 'keep' ? 'stock on' : 'stock unsampled'),
      runs,
    ),
  );
}

function report(results: Result[]): void {
  for (const { name, unit, ours, reference, ratio } of results) {
    console.log(
      `  ${name.padEnd(36)} ours ${String(ours).padStart(7)}  stock ${String(reference).padStart(7)}  ratio ${ratio}  (${unit})`,
    );
  }
  writeResults(results);
}

const sink = await startSink();
if (options.only.includes('size')) report(await benchDelivery(runs));
for (const line of options.nodes.split(',')) {
  if (options.only.includes('startup'))
    for (const app of ['small', 'large'] as const) report(await benchStartup(line, app, sink));
  if (options.only.includes('cpu'))
    for (const app of ['small', 'large'] as const) report(await benchCpu(line, app, sink));
  if (options.only.includes('sampling'))
    for (const app of ['small', 'large'] as const) report(await benchSampling(line, app, sink));
  if (options.only.includes('signals'))
    for (const signal of ['metrics', 'logs'] as const) report(await benchSignal(line, signal, sink));
}
sink.close();
