import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ReportBody } from '../../injector/agent/report-body.ts';
import type { ReceivedSpan } from '../agent/otlp.ts';
import { countOf, treeOf } from '../agent/systems/tree.ts';
import { until } from '../cluster/progress.ts';
import { placeOrder, placeOrders, SAMPLE_ORDERS } from '../demo/orders.ts';
import { TRACED } from '../servers/traced-shop.ts';
import { openWatchedShop, type Change, type WatchedShop } from './watched-shop.ts';

const GOLDEN = join(import.meta.dirname, 'journey.txt');
/** Nothing more comes once nothing has come for so long: longer than a batch waits, in the agents and in Kafka. */
const QUIET_MS = 2_500;
/** What tells spans apart at a glance; each system's own tests look at all of them. */
const SHOWN =
  /^(http\.(request\.method|response\.status_code|route)|error\.type|rpc\.(method|grpc\.status_code|response\.status_code)|db\.(system\.name|operation\.name|collection\.name)|messaging\.(system|destination\.name|operation\.type|batch\.message_count)|.*cache.*)$/;
const ORDERS = 2_000;
const IN_FLIGHT = 20;
const SAMPLED_ORDERS = 400;
/** Of every whole trace of an order. */
const PARTS = [
  ...['order server', 'order client', 'order producer', 'inventory server', 'inventory client'],
  ...['payment server', 'payment client', 'payment consumer', 'payment producer'],
];

let watched: WatchedShop;

const sampled =
  (ratio: number): Change =>
  (spec) => ({ ...spec, sampling: { ...spec.sampling, ratio } });

beforeAll(async () => {
  // On a busy machine a call can take longer than the services wait for, and every order is to be good.
  watched = await openWatchedShop(sampled(1), { CALL_TIMEOUT_MS: '60000' });
}, 600_000);

afterAll(() => watched?.stop(), 60_000);

/** Waits until no span arrives any more; resolves to those that came after the first `from`. */
async function quiet(from = 0): Promise<ReceivedSpan[]> {
  let seen = -1;
  let since = performance.now();
  await until('spans arrive without end', 300_000, () => {
    if (watched.sink.spans.length !== seen) since = performance.now();
    seen = watched.sink.spans.length;
    return Promise.resolve(performance.now() - since > QUIET_MS);
  });
  return watched.sink.spans.slice(from);
}

/** What each service's agent reports once it follows a policy. */
async function reportsOf(revision: string): Promise<ReportBody[]> {
  const reports = () =>
    TRACED.map((name) => watched.operator.reports.findLast((r) => r.container === name && r.revision === revision));
  await until(`not all agents follow ${revision}`, 60_000, () => Promise.resolve(!reports().includes(undefined)));
  return reports() as ReportBody[];
}

const traceIds = (spans: readonly ReceivedSpan[]) => new Set(spans.map(({ traceId }) => traceId));
const isOrder = (span: ReceivedSpan) => span.name === 'POST /orders' && span.kind === 'server';

/** Answers that are none of a good order, with what services wrote of errors; empty where there is none. */
function failures(answers: readonly { status: number }[]): unknown[] {
  const bad: unknown[] = answers.filter(({ status }) => status !== 201);
  return bad.length === 0 ? [] : [...bad, ...Object.values(watched.shop.services).flatMap(({ errors }) => errors)];
}

function withKeyAttributes(span: ReceivedSpan): ReceivedSpan {
  return {
    ...span,
    attributes: Object.fromEntries(Object.entries(span.attributes).filter(([name]) => SHOWN.test(name))),
  };
}

function orphansOf(spans: readonly ReceivedSpan[]): string[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  return spans
    .filter(({ parentSpanId }) => parentSpanId !== '' && !known.has(parentSpanId))
    .map(({ name, kind, resource }) => `${kind} ${name} [${String(resource['service.name'])}]`);
}

describe('an order, through every system of the shop', () => {
  it('is one trace, and one of the batch that it is shipped with', async () => {
    const before = (await quiet()).length;
    const { status, body } = await placeOrder(watched.shop.orderUrl, {
      ...SAMPLE_ORDERS.good,
      card: '4000000000000119',
    });
    expect({ status, body }).toMatchObject({ status: 201, body: { status: 'paid' } });
    const spans = await quiet(before);
    expect(orphansOf(spans)).toEqual([]);
    const tree = treeOf(spans.map(withKeyAttributes));
    if (process.env['UPDATE_FIXTURES'] !== undefined) writeFileSync(GOLDEN, tree);
    expect(tree).toBe(readFileSync(GOLDEN, 'utf8'));
    const [journey = ''] = tree.split('\n\n');
    expect(countOf(journey)).toBeGreaterThanOrEqual(25);
    for (const service of Object.values(watched.shop.services))
      expect(service.log()).not.toContain('tracing-operator:');
  }, 120_000);

  it(`leaves no orphan and loses no span: ${ORDERS} orders, ${IN_FLIGHT} at a time`, async () => {
    const before = (await quiet()).length;
    const answers = await placeOrders(watched.shop.orderUrl, SAMPLE_ORDERS.good, {
      count: ORDERS,
      inFlight: IN_FLIGHT,
    });
    expect(failures(answers)).toEqual([]);
    const spans = await quiet(before);
    expect(orphansOf(spans)).toEqual([]);
    const orders = traceIds(spans.filter(isOrder));
    expect(orders.size).toBe(ORDERS);
    // Each was shipped in a batch, whose spans name it.
    const linked = spans.flatMap(({ links }) => links).filter(({ traceId }) => orders.has(traceId));
    expect(new Set(linked.map(({ traceId }) => traceId)).size).toBe(ORDERS);

    watched.shop.follow(watched.policy('counted', sampled(1)));
    const reports = await reportsOf('counted');
    const sum = (count: (report: ReportBody) => number) => reports.reduce((total, report) => total + count(report), 0);
    const { length: received } = await quiet();
    expect(sum(({ counters }) => counters.sampled)).toBe(received);
    expect(sum(({ counters }) => counters.exported)).toBe(received);
    expect(sum(({ counters }) => counters.queueFull + counters.exportFailed + counters.rejected)).toBe(0);
  }, 900_000);

  it('at a ratio of 0.1 is in whole traces, or none', async () => {
    watched.shop.follow(watched.policy('tenth', sampled(0.1)));
    await reportsOf('tenth');
    const before = (await quiet()).length;
    const orders = { count: SAMPLED_ORDERS, inFlight: IN_FLIGHT };
    const answers = await placeOrders(watched.shop.orderUrl, SAMPLE_ORDERS.good, orders);
    expect(failures(answers)).toEqual([]);
    const spans = await quiet(before);
    expect(orphansOf(spans)).toEqual([]);
    const traces = [...traceIds(spans.filter(isOrder))].map((id) => spans.filter(({ traceId }) => traceId === id));
    // Five standard deviations on both sides.
    expect(traces.length).toBeGreaterThan(10);
    expect(traces.length).toBeLessThan(70);
    for (const trace of traces) {
      const parts = new Set(trace.map(({ kind, resource }) => `${String(resource['service.name'])} ${kind}`));
      expect([...parts]).toEqual(expect.arrayContaining(PARTS));
    }
  }, 300_000);
});
