import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { localDocument } from '../../cli/run/local-policy.ts';
import type { ReportBody } from '../../injector/agent/report-body.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import { Operator } from '../agent/operator.ts';
import type { ReceivedSpan } from '../agent/otlp.ts';
import { agentDirectory, ROOT } from '../agent/process.ts';
import { Sink } from '../agent/sink.ts';
import { until } from '../cluster/progress.ts';
import { POLICY_FILE } from '../demo/deploy.ts';
import { placeOrder, SAMPLE_ORDERS } from '../demo/orders.ts';
import { startBackends, type Backends } from '../servers/backends.ts';
import type { ServiceName } from '../servers/shop.ts';
import { startTracedShop, TRACED, type TracedShop } from '../servers/traced-shop.ts';

/** How long the collector is away; `make soak` takes five minutes. */
const GONE_SECONDS = Number(process.env['COLLECTOR_GONE_SECONDS'] ?? 20);
const VISITS_PER_SECOND = 6;
/** So many visitors have met an outage before it ends. */
const VISITORS = 6;
/** Seconds of a collector's absence fill it, and it gives up batches meanwhile. */
const BATCH = { maxQueue: 512, maxBatch: 128, delayMillis: 500, timeoutMillis: 5_000 };
const RETRY = { initialMillis: 200, maxMillis: 1_000 };
/** Lines that a process' agent may say of its collector: that spans do not arrive, for the few reasons there are, and do again. */
const MOST_LINES = 5;
/** Megabytes by which what a process holds may grow meanwhile: it grows bare, too. Five minutes' spans would be more than that. */
const MOST_GROWTH = 16;
/** Visits whose spans the queue surely holds, of about 13 each in order; and those of one batch, which may be under way. */
const [IN_QUEUE, IN_BATCH] = [20, 16];
/** The visitor's own span, which nobody receives. */
const VISITOR_SPAN = '00000000000000aa';
/** Who speaks with whom in a visit on a good day. */
const PARTS = [
  ...['order server http', 'order client http', 'order client postgresql', 'order client memcached'],
  ...['order client grpc', 'order producer kafka'],
  ...['payment server grpc', 'payment client http', 'payment client mongodb', 'payment consumer kafka'],
  ...['inventory server http', 'inventory client postgresql', 'inventory client memcached', 'inventory client redis'],
];

/** Somebody who orders, and asks what others buy: one trace. */
interface Visit {
  traceId: string;
  began: number;
  /** When both were answered. */
  ended?: number;
  /** 0: there was no answer. */
  order: number;
  bestsellers: number;
}

let backends: Backends;
let sink: Sink;
let operator: Operator;
let shop: TracedShop;
const heldDirectory = mkdtempSync(join(tmpdir(), 'tracing-held-'));

const policyText = readFileSync(join(ROOT, POLICY_FILE), 'utf8');
const policy = (revision: string): PolicyDocument => {
  const document = localDocument(policyText, POLICY_FILE, { protocol: 'http/protobuf', endpoint: sink.url });
  const exporters = document.spec.exporters.map((exporter) => ({ ...exporter, retry: RETRY }));
  return { ...document, revision, spec: { ...document.spec, exporters, batch: BATCH } };
};

beforeAll(async () => {
  backends = await startBackends();
  sink = await Sink.start();
  operator = await Operator.start();
  shop = await startTracedShop({
    agent: agentDirectory(),
    document: policy('first'),
    env: {
      ...backends.env,
      BANK_FAILURE_RATE: '0',
      NODE_OPTIONS: `--require ${join(ROOT, 'test/servers/held.cjs')}`,
      HELD_DIRECTORY: heldDirectory,
    },
    files: operator.files,
  });
}, 600_000);

afterAll(async () => {
  await shop?.stop();
  await operator?.stop();
  await sink?.stop();
  await backends?.stop();
  rmSync(heldDirectory, { recursive: true, force: true });
}, 60_000);

async function visit(placed: Visit[] = []): Promise<Visit> {
  const traceId = randomBytes(16).toString('hex');
  const headers = { traceparent: `00-${traceId}-${VISITOR_SPAN}-01` };
  const visit: Visit = { traceId, began: performance.now(), order: 0, bestsellers: 0 };
  placed.push(visit);
  const [order, bestsellers] = await Promise.allSettled([
    placeOrder(shop.orderUrl, SAMPLE_ORDERS.good, headers),
    fetch(new URL('/bestsellers', shop.inventoryUrl), { headers, signal: AbortSignal.timeout(15_000) }),
  ]);
  if (order.status === 'fulfilled') visit.order = order.value.status;
  if (bestsellers.status === 'fulfilled') {
    visit.bestsellers = bestsellers.value.status;
    await bestsellers.value.arrayBuffer();
  }
  visit.ended = performance.now();
  return visit;
}

/** Visitors at an even rate. */
function startVisits(): { visits: Visit[]; stop(): Promise<void> } {
  const visits: Visit[] = [];
  const all: Promise<Visit>[] = [];
  const timer = setInterval(() => all.push(visit(visits)), 1000 / VISITS_PER_SECOND);
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    await Promise.all(all);
  };
  return { visits, stop };
}

function systemOf({ attributes }: ReceivedSpan): string {
  const system = attributes['db.system.name'] ?? attributes['messaging.system'] ?? attributes['rpc.system'];
  return typeof system === 'string' ? system : 'http';
}

const partOf = (span: ReceivedSpan): string =>
  `${String(span.resource['service.name'])} ${span.kind} ${systemOf(span)}`;

/** Whether all of a visit has been received, and went well. */
function isWhole({ traceId }: Visit): boolean {
  const trace = sink.spans.filter((span) => span.traceId === traceId);
  const known = new Set([VISITOR_SPAN, ...trace.map(({ spanId }) => spanId)]);
  const parts = new Set(trace.map(partOf));
  return (
    trace.every(({ parentSpanId, status }) => known.has(parentSpanId) && status.code !== 2) &&
    PARTS.every((part) => parts.has(part))
  );
}

/** A visit, when it is whole soon. */
async function wholeVisit(millis: number): Promise<Visit | undefined> {
  const made = await visit();
  if (made.order !== 201 || made.bestsellers !== 200) return undefined;
  for (const end = Date.now() + millis; Date.now() < end; await sleep(100)) if (isWhole(made)) return made;
  return undefined;
}

/** A span of an error. */
interface Failure {
  kind: string;
  attributes: Record<string, unknown>;
  /** Of its status; left out: any. */
  message?: string;
}

/** A part of the shop, and what a visit is answered while it is down: what the shop needs, and what it can do without. */
interface Outage {
  name: string;
  part: () => { down(): Promise<unknown>; up(): Promise<void> };
  order: number;
  bestsellers: number;
  /** It is looked at later whether traces are whole again. */
  isSlow?: boolean;
  /** Who says so. */
  failure: () => Failure;
}

const portOf = (address: string): number => Number(/:(\d+)\/?\w*$/.exec(address)?.[1]);
const service = (name: ServiceName) => ({ down: () => shop.services[name].stop(), up: () => shop.restart(name) });
const call = (port: number, attributes: Record<string, unknown>): Failure => ({
  kind: 'client',
  attributes: { 'server.address': '127.0.0.1', 'server.port': port, ...attributes },
});

const OUTAGES: Outage[] = [
  {
    name: 'Postgres',
    part: () => backends.postgres,
    ...{ order: 500, bestsellers: 200 },
    failure: () => call(portOf(backends.postgres.url), { 'db.system.name': 'postgresql' }),
  },
  {
    name: 'Redis',
    part: () => backends.redis,
    ...{ order: 201, bestsellers: 500 },
    failure: () => call(portOf(backends.redis.url), { 'db.system.name': 'redis' }),
  },
  {
    name: 'Memcached',
    part: () => backends.memcached,
    ...{ order: 201, bestsellers: 200 },
    failure: () => call(portOf(backends.memcached.address), { 'db.system.name': 'memcached' }),
  },
  {
    // Its driver finds no server to send a command to, so there is no span of one: its caller's error names it.
    name: 'MongoDB',
    part: () => backends.mongodb,
    ...{ order: 500, bestsellers: 200 },
    failure: () => ({
      kind: 'server',
      attributes: { 'rpc.method': 'Charge', 'rpc.grpc.status_code': 2 },
      message: `connect ECONNREFUSED 127.0.0.1:${portOf(backends.mongodb.url)}`,
    }),
  },
  {
    name: 'the bank',
    part: () => service('bank'),
    ...{ order: 500, bestsellers: 200 },
    failure: () => call(shop.ports.bank, { 'http.request.method': 'POST', 'error.type': 'ECONNREFUSED' }),
  },
  {
    name: 'payment',
    part: () => service('payment'),
    ...{ order: 500, bestsellers: 200 },
    failure: () => call(shop.ports.payment, { 'rpc.method': 'Charge', 'rpc.grpc.status_code': 14 }),
  },
  {
    name: 'Kafka',
    part: () => backends.kafka,
    // It waits half a minute for the consumers that were there before.
    isSlow: true,
    ...{ order: 201, bestsellers: 200 },
    failure: () => ({
      kind: 'producer',
      attributes: { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders' },
      message: `Connection error: connect ECONNREFUSED ${backends.kafka.broker}`,
    }),
  },
];

function says(span: ReceivedSpan, { kind, attributes, message }: Failure): boolean {
  return (
    span.status.code === 2 &&
    span.kind === kind &&
    (message === undefined || span.status.message === message) &&
    Object.entries(attributes).every(([key, value]) => span.attributes[key] === value)
  );
}

const agentLines = (): Record<string, readonly string[]> =>
  Object.fromEntries(TRACED.map((name) => [name, shop.services[name].agentLines]));

const untilWhole = (): Promise<void> =>
  until('no visit is one whole trace', 180_000, async () => (await wholeVisit(3_000)) !== undefined);

describe('a part of the shop that goes down and comes back', () => {
  it.each(OUTAGES)(
    '$name: orders $order, bestsellers $bestsellers, spans that say why, then whole traces',
    async ({ part, order, bestsellers, isSlow, failure }) => {
      await untilWhole();
      const load = startVisits();
      try {
        await part().down();
        const down = performance.now();
        // Who came before it, or is still there when it is over, may have either answer.
        const met = () => load.visits.filter(({ began, ended }) => began > down && ended !== undefined);
        await until('visitors are not answered', 60_000, () => Promise.resolve(met().length >= VISITORS));
        for (const visit of met()) expect(visit).toMatchObject({ order, bestsellers });
        await part().up();
      } finally {
        await load.stop();
      }
      const traces = new Set(load.visits.map(({ traceId }) => traceId));
      await sink.until((spans) => spans.some((span) => traces.has(span.traceId) && says(span, failure())));
      if (!isSlow) await untilWhole();
      expect(agentLines()).toEqual({ order: [], payment: [], inventory: [] });
    },
    400_000,
  );
});

/** Megabytes that a process holds after a garbage collection. */
async function held(name: ServiceName): Promise<number> {
  const { pid } = shop.services[name];
  const file = join(heldDirectory, String(pid));
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  const read = () => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);
  await until(`${name} does not say what it holds`, 30_000, () => Promise.resolve(read() > 0));
  return read() / 2 ** 20;
}

/** What order's agent reports once nothing arrives any more. */
async function reportOfOrder(): Promise<ReportBody> {
  for (let seen = -1; seen !== sink.spans.length; await sleep(2_500)) seen = sink.spans.length;
  shop.follow(policy('counted'));
  const find = () =>
    operator.reports.find(({ container, revision }) => container === 'order' && revision === 'counted');
  await until('order does not report', 60_000, () => Promise.resolve(find() !== undefined));
  return find()!;
}

describe('a collector that goes away and comes back', () => {
  let visits: Visit[];
  /** Of those, the ones that were answered while it was away, in that order. */
  let unseen: Visit[];
  const growth: Record<string, number> = {};

  beforeAll(
    async () => {
      const load = startVisits();
      try {
        await sink.stop();
        const gone = performance.now();
        // By then the queue is full.
        await sleep(GONE_SECONDS * 400);
        const early = await Promise.all(TRACED.map(held));
        await sleep(Math.max(0, gone + GONE_SECONDS * 1_000 - performance.now()));
        const late = await Promise.all(TRACED.map(held));
        TRACED.forEach((name, at) => (growth[name] = late[at]! - early[at]!));
        unseen = load.visits
          .filter(({ began, ended }) => began > gone && ended !== undefined)
          .sort((a, b) => a.ended! - b.ended!);
        await sink.up();
      } finally {
        await load.stop();
      }
      ({ visits } = load);
    },
    60_000 + GONE_SECONDS * 2_000,
  );

  it('is nothing that orders notice', () => {
    for (const visit of visits) expect(visit).toMatchObject({ order: 201, bestsellers: 200 });
  });

  it('takes no memory', () => {
    for (const name of TRACED) expect([name, growth[name], growth[name]! <= MOST_GROWTH]).toContain(true);
  });

  it('misses the oldest spans, all of which are counted', async () => {
    const { counters } = await reportOfOrder();
    const ofOrder = sink.spans.filter(({ resource }) => resource['service.name'] === 'order');
    const arrived = new Set(ofOrder.filter(({ kind }) => kind === 'server').map(({ traceId }) => traceId));
    const isHere = ({ traceId }: Visit): boolean => arrived.has(traceId);
    const newestLost = unseen.findLastIndex((visit) => !isHere(visit));
    expect(newestLost).toBeGreaterThanOrEqual(0);
    expect(unseen.length - 1 - newestLost).toBeGreaterThanOrEqual(IN_QUEUE);
    expect(unseen.slice(0, newestLost).filter(isHere).length).toBeLessThanOrEqual(IN_BATCH);

    const { sampled, exported, queueFull, exportFailed, rejected, shutdown } = counters;
    expect(queueFull).toBeGreaterThan(0);
    expect(exported + queueFull + exportFailed).toBe(sampled);
    expect({ rejected, shutdown }).toEqual({ rejected: 0, shutdown: 0 });
    // What got no answer may have arrived all the same.
    const { size } = new Set(ofOrder.map(({ spanId }) => spanId));
    expect(size).toBeGreaterThanOrEqual(exported);
    expect(size).toBeLessThanOrEqual(exported + exportFailed);
  }, 120_000);

  it('is said in a few lines', () => {
    const lines = shop.services.order.agentLines;
    expect(lines[0]).toMatch(`tracing-operator: spans do not arrive at ${sink.url}/v1/traces: `);
    for (const [name, all] of Object.entries(agentLines()))
      expect([name, all, all.length <= MOST_LINES]).toContain(true);
  });

  it('gets whole traces again', untilWhole, 200_000);
});
