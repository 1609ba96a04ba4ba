import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ReportBody } from '../../injector/agent/report-body.ts';
import type { ReceivedSpan } from '../agent/otlp.ts';
import { ROOT } from '../agent/process.ts';
import { until } from '../cluster/progress.ts';
import type { ServiceName } from '../servers/shop.ts';
import { TRACED } from '../servers/traced-shop.ts';
import { startVisits, visit, VISITOR_SPAN, type Visit } from './visits.ts';
import { openBareShop, openWatchedShop, type Change, type ShopOnServers, type WatchedShop } from './watched-shop.ts';

/** How long the collector is away; `make soak` takes five minutes. */
const GONE_SECONDS = Number(process.env['COLLECTOR_GONE_SECONDS'] ?? 20);
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
/** Who speaks with whom in a visit on a good day. */
const PARTS = [
  ...['order server http', 'order client http', 'order client postgresql', 'order client memcached'],
  ...['order client grpc', 'order producer kafka'],
  ...['payment server grpc', 'payment client http', 'payment client mongodb', 'payment consumer kafka'],
  ...['inventory server http', 'inventory client postgresql', 'inventory client memcached', 'inventory client redis'],
];

let watched: WatchedShop;
/** Another without the agent, whose servers go down and come back at the same time. */
let bare: ShopOnServers;
const heldDirectory = mkdtempSync(join(tmpdir(), 'tracing-held-'));

beforeAll(async () => {
  const env = { NODE_OPTIONS: `--require ${join(ROOT, 'test/servers/held.cjs')}`, HELD_DIRECTORY: heldDirectory };
  watched = await openWatchedShop(impatient, env);
  bare = await openBareShop();
}, 600_000);

afterAll(async () => {
  await Promise.all([watched?.stop(), bare?.stop()]);
  rmSync(heldDirectory, { recursive: true, force: true });
}, 60_000);

/** Small queues and short tries. */
const impatient: Change = (spec) => ({
  ...spec,
  exporters: spec.exporters.map((exporter) => ({ ...exporter, retry: RETRY })),
  batch: BATCH,
});

function systemOf({ attributes }: ReceivedSpan): string {
  const system = attributes['db.system.name'] ?? attributes['messaging.system'] ?? attributes['rpc.system'];
  return typeof system === 'string' ? system : 'http';
}

const partOf = (span: ReceivedSpan): string =>
  `${String(span.resource['service.name'])} ${span.kind} ${systemOf(span)}`;

/** Whether all of a visit has been received, and went well. */
function isWhole({ traceId }: Visit): boolean {
  const trace = watched.sink.spans.filter((span) => span.traceId === traceId);
  const known = new Set([VISITOR_SPAN, ...trace.map(({ spanId }) => spanId)]);
  const parts = new Set(trace.map(partOf));
  return (
    trace.every(({ parentSpanId, status }) => known.has(parentSpanId) && status.code !== 2) &&
    PARTS.every((part) => parts.has(part))
  );
}

const isServed = ({ order, bestsellers }: Visit): boolean => order.status === 201 && bestsellers.status === 200;

/** A visit, when it is whole soon. */
async function wholeVisit(millis: number): Promise<Visit | undefined> {
  const made = await visit(watched.shop);
  if (!isServed(made)) return undefined;
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
  part: (where: ShopOnServers) => { down(): Promise<unknown>; up(): Promise<void> };
  order: number;
  bestsellers: number;
  /** It is looked at later whether traces are whole again. */
  isSlow?: boolean;
  /** Who says so. */
  failure: () => Failure;
}

const portOf = (address: string): number => Number(/:(\d+)\/?\w*$/.exec(address)?.[1]);
const service = ({ shop }: ShopOnServers, name: ServiceName) => ({
  down: () => shop.services[name].stop(),
  up: () => shop.restart(name),
});
const call = (port: number, attributes: Record<string, unknown>): Failure => ({
  kind: 'client',
  attributes: { 'server.address': '127.0.0.1', 'server.port': port, ...attributes },
});

const OUTAGES: Outage[] = [
  {
    name: 'Postgres',
    part: ({ backends }) => backends.postgres,
    ...{ order: 500, bestsellers: 200 },
    failure: () => call(portOf(watched.backends.postgres.url), { 'db.system.name': 'postgresql' }),
  },
  {
    name: 'Redis',
    part: ({ backends }) => backends.redis,
    ...{ order: 201, bestsellers: 500 },
    failure: () => call(portOf(watched.backends.redis.url), { 'db.system.name': 'redis' }),
  },
  {
    name: 'Memcached',
    part: ({ backends }) => backends.memcached,
    ...{ order: 201, bestsellers: 200 },
    failure: () => call(portOf(watched.backends.memcached.address), { 'db.system.name': 'memcached' }),
  },
  {
    name: 'MongoDB',
    part: ({ backends }) => backends.mongodb,
    ...{ order: 500, bestsellers: 200 },
    failure: () => call(portOf(watched.backends.mongodb.url), { 'db.system.name': 'mongodb' }),
  },
  {
    name: 'the bank',
    part: (where) => service(where, 'bank'),
    ...{ order: 500, bestsellers: 200 },
    failure: () => call(watched.shop.ports.bank, { 'http.request.method': 'POST', 'error.type': 'ECONNREFUSED' }),
  },
  {
    name: 'payment',
    part: (where) => service(where, 'payment'),
    ...{ order: 500, bestsellers: 200 },
    failure: () => call(watched.shop.ports.payment, { 'rpc.method': 'Charge', 'rpc.grpc.status_code': 14 }),
  },
  {
    name: 'Kafka',
    part: ({ backends }) => backends.kafka,
    // It waits half a minute for the consumers that were there before.
    isSlow: true,
    ...{ order: 201, bestsellers: 200 },
    failure: () => ({
      kind: 'producer',
      attributes: { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders' },
      message: `Connection error: connect ECONNREFUSED ${watched.backends.kafka.broker}`,
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
  Object.fromEntries(TRACED.map((name) => [name, watched.shop.services[name].agentLines]));

const untilWhole = (): Promise<void> =>
  until('no visit is one whole trace', 180_000, async () => (await wholeVisit(3_000)) !== undefined);

/** What those were answered who met an outage from its beginning to their end. */
interface Met {
  visits: Visit[];
  /** Each way once. */
  answers: string[];
}

/** Has visitors meet an outage. Who came before it, or is still there when it is over, may have either answer. */
async function outage(where: ShopOnServers, part: Outage['part']): Promise<Met> {
  const load = startVisits(where.shop);
  try {
    await part(where).down();
    const down = performance.now();
    const met = () => load.visits.filter(({ began, ended }) => began > down && ended !== undefined);
    await until('visitors are not answered', 60_000, () => Promise.resolve(met().length >= VISITORS));
    const visits = met();
    await part(where).up();
    return {
      visits,
      answers: [...new Set(visits.map(({ order, bestsellers }) => JSON.stringify([order, bestsellers])))],
    };
  } finally {
    await load.stop();
  }
}

describe('a part of the shop that goes down and comes back', () => {
  it.each(OUTAGES)(
    '$name: orders $order, bestsellers $bestsellers, as without the agent, spans that say why, then whole traces',
    async ({ part, order, bestsellers, isSlow, failure }) => {
      const untilServed = () =>
        until('nobody is served without the agent', 180_000, async () => isServed(await visit(bare.shop)));
      await Promise.all([untilWhole(), untilServed()]);
      const [traced, untraced] = await Promise.all([outage(watched, part), outage(bare, part)]);
      for (const visit of traced.visits)
        expect(visit).toMatchObject({ order: { status: order }, bestsellers: { status: bestsellers } });
      expect(traced.answers).toEqual(untraced.answers);
      const traces = new Set(traced.visits.map(({ traceId }) => traceId));
      await watched.sink.until((spans) => spans.some((span) => traces.has(span.traceId) && says(span, failure())));
      if (!isSlow) await untilWhole();
      expect(agentLines()).toEqual({ order: [], payment: [], inventory: [] });
    },
    400_000,
  );
});

/** Megabytes that a process holds after a garbage collection. */
async function held(name: ServiceName): Promise<number> {
  const { pid } = watched.shop.services[name];
  const file = join(heldDirectory, String(pid));
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  const read = () => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);
  await until(`${name} does not say what it holds`, 30_000, () => Promise.resolve(read() > 0));
  return read() / 2 ** 20;
}

/** What order's agent reports once nothing arrives any more. */
async function reportOfOrder(): Promise<ReportBody> {
  const { sink, operator, shop } = watched;
  for (let seen = -1; seen !== sink.spans.length; await sleep(2_500)) seen = sink.spans.length;
  shop.follow(watched.policy('counted', impatient));
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
      const load = startVisits(watched.shop);
      try {
        await watched.sink.stop();
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
        await watched.sink.up();
      } finally {
        await load.stop();
      }
      ({ visits } = load);
    },
    60_000 + GONE_SECONDS * 2_000,
  );

  it('is nothing that orders notice', () => {
    expect(visits.filter((visit) => !isServed(visit))).toEqual([]);
  });

  it('takes no memory', () => {
    for (const name of TRACED) expect([name, growth[name], growth[name]! <= MOST_GROWTH]).toContain(true);
  });

  it('misses the oldest spans, all of which are counted', async () => {
    const { counters } = await reportOfOrder();
    const ofOrder = watched.sink.spans.filter(({ resource }) => resource['service.name'] === 'order');
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
    const lines = watched.shop.services.order.agentLines;
    expect(lines[0]).toMatch(`tracing-operator: spans do not arrive at ${watched.sink.url}/v1/traces: `);
    for (const [name, all] of Object.entries(agentLines()))
      expect([name, all, all.length <= MOST_LINES]).toContain(true);
  });

  it('gets whole traces again', untilWhole, 200_000);
});
