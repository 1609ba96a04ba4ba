// A service under the agent for a long time, its collector up, down and slow in turns:
//   node test/bench/soak.ts [--minutes 30] [--rate 500] [--node 24]
// Prints resident memory and latency once a phase, what arrived, and the slope of the memory; fails when memory grows by
// more than a megabyte an hour beyond its first quarter, or when a request fails.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeBinary } from '../../injector/agent/runtimes/index.ts';
import { median } from './results.ts';

const ROOT = join(import.meta.dirname, '../..');
const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '500' },
    node: { type: 'string', default: '24' },
  },
});
const PHASES = ['up', 'down', 'up', 'slow'] as const;
const PHASE_MILLIS = Math.max(5000, (Number(options.minutes) * 60_000) / 24);
const MAX_SLOPE = 1;

let phase: (typeof PHASES)[number] = 'up';
let bytesArrived = 0;

function startSink(): Server {
  return createServer((request, response) => {
    request.on('data', (chunk: Buffer) => (bytesArrived += chunk.length));
    request.on('end', () => {
      if (phase === 'down') request.socket.destroy();
      else setTimeout(() => response.end(), phase === 'slow' ? 5000 : 0);
    });
  }).listen(0, '127.0.0.1');
}

async function startApp(env: Record<string, string>): Promise<{ child: ChildProcess; port: number }> {
  const program = join(ROOT, 'test/bench/apps/small/server.cjs');
  const child = spawn(nodeBinary(options.node), ['--expose-gc', program], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, port: Number(/listening (\d+)/.exec(line.toString())?.[1]) };
}

const resident = (child: ChildProcess): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;

const connections = new Agent({ keepAlive: true, maxSockets: 16 });

/** Milliseconds a request takes. */
function ask(port: number): Promise<number> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent: connections }, (answer) => {
      answer.resume().on('end', () => resolve(performance.now() - began));
    }).on('error', reject);
  });
}

/** Asks both apps in turns at the rate, until the phase is over. */
async function drive(apps: { port: number }[]): Promise<{ millis: number[][]; failures: number }> {
  const millis: number[][] = apps.map(() => []);
  let failures = 0;
  const end = Date.now() + PHASE_MILLIS;
  const perTick = Math.max(1, Math.round(Number(options.rate) / 100));
  while (Date.now() < end) {
    const tick = Date.now();
    await Promise.all(
      apps.flatMap(({ port }, app) =>
        Array.from({ length: perTick }, () =>
          ask(port).then(
            (taken) => void millis[app]?.push(taken),
            () => void (failures += 1),
          ),
        ),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, tick + 10 - Date.now())));
  }
  return { millis, failures };
}

/** Least squares, in units of y per unit of x. */
function slope(points: [number, number][]): number {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return above / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

const sink = startSink();
await once(sink, 'listening');
const endpoint = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
const traced = await startApp({
  NODE_OPTIONS: `--require ${join(ROOT, 'dist/agent/register.cjs')}`,
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
  OTEL_SERVICE_NAME: 'soak',
});
const bare = await startApp({});
const memory: [number, number][] = [];
const began = Date.now();
let failures = 0;
for (let i = 0; Date.now() - began < Number(options.minutes) * 60_000; i++) {
  phase = PHASES[i % PHASES.length] ?? 'up';
  const before = bytesArrived;
  const done = await drive([traced, bare]);
  failures += done.failures;
  const hours = (Date.now() - began) / 3_600_000;
  memory.push([hours, resident(traced.child)]);
  const [ours, theirs] = done.millis.map((all) => median(all));
  console.log(
    `${(hours * 60).toFixed(1).padStart(5)} min, collector ${phase.padEnd(4)}: ${resident(traced.child).toFixed(1)} MB (bare ${resident(bare.child).toFixed(1)}), ` +
      `median ${ours?.toFixed(2)} ms (bare ${theirs?.toFixed(2)}), ${done.millis[0]?.length} requests, ${((bytesArrived - before) / 1e6).toFixed(1)} MB of spans`,
  );
}
const settled = memory.slice(Math.floor(memory.length / 4));
const growth = slope(settled);
console.log(`memory slope after the first quarter: ${growth.toFixed(2)} MB an hour; failed requests: ${failures}`);
traced.child.kill('SIGKILL');
bare.child.kill('SIGKILL');
connections.destroy();
sink.closeAllConnections();
sink.close();
if (failures > 0 || (Number(options.minutes) >= 30 && growth > MAX_SLOPE)) process.exitCode = 1;
