// What the agent adds to the shop's order service: time to `listening`, resident memory. `--help` says more.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { announce } from '../cluster/progress.ts';
import { startBackends } from '../servers/backends.ts';
import { freePort } from '../servers/free-port.ts';
import { installShop } from '../servers/shop.ts';
import { wholeNumber } from './options.ts';
import { median, quartiles, result, writeResults } from './results.ts';
import { table } from './table.ts';

// Enough for everything that is loaded at its first use.
const REQUESTS = 100;

const HELP = `Measures what an agent adds to the shop's order service, beside the real servers that it uses: milliseconds from spawn to "listening"
in its log; resident memory a moment later; and again once it has served ${REQUESTS} requests and sent their spans. Bare, our agent
and the stock auto-instrumentation take turns; of each turn the bare one is taken off. Needs dist/ (make build).
Adds agent.startup.order, agent.memory.order and agent.memory.order.served, with this Node's line in brackets, to
test/bench/results.json.

Usage:
  node test/bench/order.ts [--runs 15]

Examples:
  node test/bench/order.ts
  node test/bench/order.ts --runs 30
`;

const ROOT = join(import.meta.dirname, '../..');
const PRELOADS = {
  bare: undefined,
  ours: join(ROOT, 'dist/agent/register.cjs'),
  stock: join(ROOT, 'node_modules/@opentelemetry/auto-instrumentations-node/dist/register.cjs'),
};
const NAMES = ['bare', 'ours', 'stock'] as const;
type Name = (typeof NAMES)[number];

const SETTLE_MS = 250;
// Both agents keep spans for as long as this, so that they have been sent when memory is looked at for the last time.
const EXPORT_MS = 500;

interface Figures {
  /** Milliseconds from spawn to `"listening"`. */
  startup: number;
  /** Resident megabytes a moment after that. */
  memory: number;
  /** Resident megabytes when requests have been served and their spans sent. */
  served: number;
}

/** Starts the order service, measures it and ends it. */
async function measure(env: Record<string, string>, orderUrl: string, signal: AbortSignal): Promise<Figures> {
  signal.throwIfAborted();
  const began = performance.now();
  const child = spawn(process.execPath, ['order/main.js'], {
    cwd: join(ROOT, 'examples/shop'),
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    const startup = (await listening(child)) - began;
    await sleep(SETTLE_MS, undefined, { signal });
    const memory = residentMegabytes(child.pid ?? 0);
    for (let i = 0; i < REQUESTS; i++) await askForOrder(orderUrl);
    await sleep(2 * EXPORT_MS, undefined, { signal });
    return { startup, memory, served: residentMegabytes(child.pid ?? 0) };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** A request that goes through HTTP, Express and SQL. */
async function askForOrder(orderUrl: string): Promise<void> {
  const response = await fetch(`${orderUrl}/orders/${randomUUID()}`);
  await response.text();
  if (response.status !== 404) throw new Error(`an order that nobody placed: ${response.status}`);
}

/** Resolves to the moment at which `"listening"` came out of the process. */
function listening(child: ChildProcess): Promise<number> {
  let output = '';
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        const now = performance.now();
        output += chunk.toString();
        if (output.includes('"listening"')) resolve(now);
      });
    }
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the order service ended:\n${output}`)));
  });
}

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Runs the variants in turns, each of them first as often as the others; the first turn warms the machine's caches and does not count. */
async function takeTurns(runs: number, start: (name: Name) => Promise<Figures>): Promise<Record<Name, Figures[]>> {
  const figures: Record<Name, Figures[]> = { bare: [], ours: [], stock: [] };
  for (let run = -1; run < runs; run++) {
    for (let i = 0; i < NAMES.length; i++) {
      const name = NAMES[(run + 1 + i) % NAMES.length]!;
      const measured = await start(name);
      if (run >= 0) figures[name].push(measured);
    }
    announce(
      run < 0
        ? 'warm'
        : `turn ${run + 1} of ${runs}: ${NAMES.map((name) => `${name} ${figures[name].at(-1)?.startup.toFixed(0)} ms`).join(', ')}`,
    );
  }
  return figures;
}

async function bench(runs: number, signal: AbortSignal): Promise<void> {
  await installShop();
  const backends = await startBackends();
  const sink = createServer((request, response) => request.resume().on('end', () => response.end()));
  try {
    sink.listen(0, '127.0.0.1');
    await once(sink, 'listening');
    const endpoint = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
    const port = String(await freePort());
    // The other two services are not called before an order comes in.
    const nobody = await freePort();
    const shared = {
      HOST: '127.0.0.1',
      PORT: port,
      ...backends.env,
      INVENTORY_URL: `http://127.0.0.1:${nobody}`,
      PAYMENT_ADDRESS: `127.0.0.1:${nobody}`,
    };
    const figures = await takeTurns(runs, (name) => {
      const preload = PRELOADS[name];
      const env = preload === undefined ? shared : { ...shared, ...agentSettings(preload, endpoint) };
      return measure(env, `http://127.0.0.1:${port}`, signal);
    });
    report(figures, runs);
  } finally {
    sink.close();
    await backends.stop();
  }
}

function agentSettings(preload: string, endpoint: string): Record<string, string> {
  return {
    NODE_OPTIONS: `--require ${preload}`,
    OTEL_SERVICE_NAME: 'order',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
    OTEL_BSP_SCHEDULE_DELAY: String(EXPORT_MS),
  };
}

function report(figures: Record<Name, Figures[]>, runs: number): void {
  const line = `node${process.versions.node.split('.')[0]}`;
  const of = (name: Name, key: keyof Figures) => figures[name].map((each) => each[key]);
  const added = (name: Name, key: keyof Figures) =>
    of(name, key).map((value, run) => value - (of('bare', key)[run] ?? NaN));
  const compared = (name: string, key: keyof Figures, unit: string) =>
    result(`${name}[${line}]`, unit, median(added('ours', key)), median(added('stock', key)), runs);
  const results = [
    compared('agent.startup.order', 'startup', 'ms added'),
    compared('agent.memory.order', 'memory', 'MB added'),
    compared('agent.memory.order.served', 'served', 'MB added'),
  ];
  const bare = (key: keyof Figures) => median(of('bare', key)).toFixed(0);
  console.log(
    `Node ${process.versions.node}, ${runs} turns; bare: ${bare('startup')} ms, ${bare('memory')} MB, ${bare('served')} MB after ${REQUESTS} requests`,
  );
  // On a busy machine starts differ by more than an agent adds to them.
  for (const name of ['ours', 'stock'] as const) {
    const [low, high] = quartiles(added(name, 'startup'));
    console.log(`${name} added ${low.toFixed(0)} to ${high.toFixed(0)} ms to the middle half of the starts`);
  }
  process.stdout.write(table(results));
  writeResults(results);
}

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '15' }, help: { type: 'boolean', default: false } },
});
// Asked to end, it ends the order service and the servers first.
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));

if (values.help) process.stdout.write(HELP);
else {
  try {
    await bench(wholeNumber('runs', values.runs), interrupted.signal);
  } catch (error) {
    announce(String(interrupted.signal.reason ?? error));
    process.exitCode = 1;
  }
}
