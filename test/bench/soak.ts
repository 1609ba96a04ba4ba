// A service under the agent for a long time, its collector up, down and slow in turns. `--help` says more.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { countSpans } from '../agent/otlp.ts';
import { nodeBinary } from '../../injector/agent/runtimes/index.ts';
import { median, percentile, slope } from './results.ts';

const HELP = `A small HTTP service under the agent beside the same service bare, both asked at the same rate, the collector up, down
and slow (5 s for an answer) in turns. For each phase it prints memory, latency and what arrived; at the end the slope of
the memory after the first quarter, the spans that were lost, and the latency added. It fails when a request fails, when
the heap grows by more than 1 MB an hour in half an hour or more, or when spans are lost though the collector is up.
Needs dist/ (make build).

Usage:
  node test/bench/soak.ts [--minutes 30] [--rate 500] [--node 24]

Example:
  node test/bench/soak.ts --minutes 3 --rate 200
`;

const ROOT = join(import.meta.dirname, '../..');
const PHASES = ['up', 'down', 'up', 'slow'] as const;
const ROUNDS = 6;
const TICK_MILLIS = 10;
const SLOW_MILLIS = 5000;
/** Kept below `slow`, so that batches time out. */
const TIMEOUT_MILLIS = 2000;
/** Longer than an exporter waits before it tries again (10 s, and half as much by chance) and than that try takes. */
const SETTLE_MILLIS = 17_500;
const MAX_SLOPE = 1;
/** Longer than a span waits for its batch. */
const QUIET_MILLIS = 1500;

type Phase = (typeof PHASES)[number];

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/** The collector: takes spans, or does not. */
class Collector {
  phase: Phase = 'up';
  arrived = 0;
  readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (this.phase === 'down') return request.socket.destroy();
        this.arrived += countSpans(Buffer.concat(chunks));
        setTimeout(() => response.end(), this.phase === 'slow' ? SLOW_MILLIS : 0);
      });
      request.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
}

interface Held {
  rss: number;
  heapUsed: number;
  external: number;
  /** What V8 keeps for young objects, in use or not: it doubles it when many outlive a collection, up to some 48 MB, and rarely gives back. */
  young: number;
}

/** One of the two services. */
class Service {
  readonly name: string;
  readonly child: ChildProcess;
  readonly port: number;
  asked = 0;
  failures = 0;
  private readonly connections = new Agent({ keepAlive: true, maxSockets: 16 });

  private constructor(name: string, child: ChildProcess, port: number) {
    this.name = name;
    this.child = child;
    this.port = port;
  }

  static async start(name: string, line: string, env: Record<string, string>): Promise<Service> {
    const program = join(ROOT, 'test/bench/apps/soak/server.cjs');
    const child = spawn(nodeBinary(line), ['--expose-gc', program], {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    return new Service(name, child, Number(/listening (\d+)/.exec(text.toString())?.[1]));
  }

  /** Milliseconds a request takes; undefined when it fails. */
  async ask(path = '/'): Promise<{ millis: number; body: string } | undefined> {
    const began = performance.now();
    this.asked += 1;
    return new Promise((resolve) => {
      get({ host: '127.0.0.1', port: this.port, path, agent: this.connections }, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (text: string) => (body += text));
        answer.on('end', () => resolve({ millis: performance.now() - began, body }));
      }).on('error', () => {
        this.failures += 1;
        resolve(undefined);
      });
    });
  }

  /** Megabytes: resident before, heap and buffers, and what V8 keeps for young objects, after a garbage collection. */
  async held(): Promise<{ resident: number; heap: number; young: number }> {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    const answer = await this.ask('/held');
    const { heapUsed, external, young } = JSON.parse(answer?.body ?? '{"heapUsed":0,"external":0,"young":0}') as Held;
    const megabytes = (bytes: number) => bytes / 2 ** 20;
    const resident = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
    return { resident, heap: megabytes(heapUsed + external), young: megabytes(young) };
  }

  stop(): void {
    this.connections.destroy();
    this.child.kill('SIGKILL');
  }
}

/** Asks all services at the rate, in turns, for a while; gives the milliseconds of each service's requests. */
async function drive(services: Service[], rate: number, millis: number): Promise<number[][]> {
  const taken: number[][] = services.map(() => []);
  const began = performance.now();
  let due = 0;
  for (;;) {
    const now = performance.now() - began;
    if (now >= millis) return taken;
    const wanted = Math.floor((now / 1000) * rate);
    // A machine that was held up does not get it all at once afterwards: the figures are of the rate, not of a burst.
    const burst = Math.min(wanted - due, Math.ceil((rate * 5 * TICK_MILLIS) / 1000));
    due = wanted;
    const order = services.map((service, index) => ({ service, index }));
    if (wanted % 2 === 1) order.reverse();
    for (const { service, index } of order)
      await Promise.all(
        Array.from({ length: burst }, async () => {
          const answer = await service.ask();
          if (answer !== undefined) taken[index]?.push(answer.millis);
        }),
      );
    await pause(TICK_MILLIS);
  }
}

async function main(): Promise<number> {
  const { values: options } = parseArgs({
    options: {
      minutes: { type: 'string', default: '30' },
      rate: { type: 'string', default: '500' },
      node: { type: 'string', default: '24' },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const minutes = Number(options.minutes);
  const phaseMillis = Math.max(2 * SETTLE_MILLIS, (minutes * 60_000) / (PHASES.length * ROUNDS));
  const collector = new Collector();
  await once(collector.server, 'listening');
  const traced = await Service.start('traced', options.node, {
    NODE_OPTIONS: `--require ${join(ROOT, 'dist/agent/register.cjs')}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_TIMEOUT: String(TIMEOUT_MILLIS),
    OTEL_SERVICE_NAME: 'soak',
  });
  const bare = await Service.start('bare', options.node, {});
  const samples: { hours: number; phase: Phase; resident: number; heap: number; bareResident: number }[] = [];
  const latency = {
    traced: [] as number[],
    bare: [] as number[],
    tracedTail: [] as number[],
    bareTail: [] as number[],
  };
  const lost = { up: 0, down: 0, slow: 0 };
  const began = Date.now();
  for (let turn = 0; Date.now() - began < minutes * 60_000; turn++) {
    const phase = PHASES[turn % PHASES.length] ?? 'up';
    collector.phase = phase;
    // What was under way at the change belongs to neither phase's balance, and what waits after it to none.
    await drive([traced, bare], Number(options.rate), SETTLE_MILLIS);
    await pause(phase === 'up' ? QUIET_MILLIS : 0);
    const before = { asked: traced.asked, arrived: collector.arrived };
    const [ours = [], theirs = []] = await drive([traced, bare], Number(options.rate), phaseMillis - SETTLE_MILLIS);
    const asked = traced.asked - before.asked;
    const hours = (Date.now() - began) / 3_600_000;
    if (phase === 'up') {
      // At the end of a good phase nothing has to wait any more: what is missing then is lost.
      const deadline = Date.now() + SETTLE_MILLIS;
      while (collector.arrived - before.arrived < asked && Date.now() < deadline) await pause(100);
    }
    const arrived = collector.arrived - before.arrived;
    const [held, bareHeld] = [await traced.held(), await bare.held()];
    lost[phase] += Math.max(0, asked - arrived);
    samples.push({ hours, phase, ...held, bareResident: bareHeld.resident });
    latency.traced.push(median(ours));
    latency.bare.push(median(theirs));
    latency.tracedTail.push(percentile(ours, 0.99));
    latency.bareTail.push(percentile(theirs, 0.99));
    process.stdout.write(
      `${(hours * 60).toFixed(1).padStart(5)} min, collector ${phase.padEnd(4)}: resident ${held.resident.toFixed(1)} MB (bare ${bareHeld.resident.toFixed(1)}), young ${held.young.toFixed(1)} (bare ${bareHeld.young.toFixed(1)}), ` +
        `heap ${held.heap.toFixed(2)} (bare ${bareHeld.heap.toFixed(2)}), median ${median(ours).toFixed(2)} ms (bare ${median(theirs).toFixed(2)}), ` +
        `p99 ${percentile(ours, 0.99).toFixed(1)} (bare ${percentile(theirs, 0.99).toFixed(1)}), ${asked} requests, ${arrived} spans arrived\n`,
    );
  }
  const settled = samples.slice(Math.floor(samples.length / 4));
  const growth = (of: (sample: (typeof samples)[number]) => number): number =>
    slope(settled.map((sample) => [sample.hours, of(sample)]));
  const heapSlope = growth(({ heap }) => heap);
  const failures = traced.failures + bare.failures;
  process.stdout.write(
    [
      '',
      `memory after the first quarter, MB an hour: heap ${heapSlope.toFixed(2)}, resident ${growth(({ resident }) => resident).toFixed(2)} (bare ${growth(({ bareResident }) => bareResident).toFixed(2)})`,
      `latency added: median ${(median(latency.traced) - median(latency.bare)).toFixed(2)} ms, p99 ${(median(latency.tracedTail) - median(latency.bareTail)).toFixed(2)} ms`,
      `spans: ${collector.arrived} of ${traced.asked} arrived; lost while the collector was up ${lost.up}, down ${lost.down}, slow ${lost.slow}`,
      `failed requests: ${failures} of ${traced.asked + bare.asked}`,
      '',
    ].join('\n'),
  );
  for (const service of [traced, bare]) service.stop();
  collector.server.closeAllConnections();
  collector.server.close();
  return failures > 0 || lost.up > 0 || (minutes >= 30 && heapSlope > MAX_SLOPE) ? 1 : 0;
}

process.exitCode = await main();
