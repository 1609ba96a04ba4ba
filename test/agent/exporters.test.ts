import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AGENT_BYTES } from '../../injector/agent/report-body.ts';
import { writeMounted } from './mounted.ts';
import { Operator } from './operator.ts';
import { ROOT, startServer, type RunningServer } from './process.ts';
import { Receiver, type Reply } from './receiver.ts';

const PATIENCE = 30_000;
/** A batch is sent when it is full, and not before. */
const WHEN_FULL = { delayMillis: 600_000 };
/** Waits that a test need not wait for. */
const QUICK = { retry: { initialMillis: 50, maxMillis: 200 } };

let scratch: string;
let directory: string;
let operator: Operator;
let server: RunningServer | undefined;
let receivers: Receiver[] = [];
let revision = 0;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'tracing-exporters-'));
  operator = await Operator.start();
});
afterAll(async () => {
  await operator.stop();
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(() => void (directory = mkdtempSync(join(scratch, 'policy-'))));
afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
  for (const receiver of receivers) await receiver.stop().catch(() => undefined);
  receivers = [];
});

async function receiver(protocol: 'http' | 'grpc'): Promise<Receiver> {
  const made = await Receiver.start(protocol);
  receivers.push(made);
  return made;
}

/** An exporter of a document for a receiver. */
function exporterFor(to: Receiver, more: object = {}) {
  return {
    name: 'default',
    protocol: to.protocol === 'grpc' ? 'grpc' : 'http/protobuf',
    endpoint: to.endpoint,
    ...more,
  };
}

/** Writes a policy; gives its revision. */
function write(exporters: object[], batch: object = {}, more: object = {}): string {
  const id = `r${++revision}`;
  const spec = { sampling: { ratio: 1 }, exporters, batch: { delayMillis: 50, ...batch }, propagators: [], ...more };
  const document = JSON.stringify({ key: 'p.json', revision: id, source: 'test', spec });
  writeMounted(directory, { 'pod/key': 'p.json', 'p.json': document, ...operator.files });
  return id;
}

async function serve(program = 'http-server.cjs'): Promise<RunningServer> {
  server = await startServer({
    args: [join(ROOT, 'test/agent/programs', program)],
    env: { TRACING_ACME_POLICY_DIR: directory, OTEL_METRIC_EXPORT_INTERVAL: '200' },
  });
  return server;
}

/** Requests, each of which makes one span. */
async function ask(count: number): Promise<void> {
  for (let i = 0; i < count; i++) expect((await fetch(server!.url)).status).toBe(200);
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const end = Date.now() + PATIENCE; !condition();) {
    if (Date.now() > end) throw new Error(what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
const arrive = (to: Receiver, count: number) =>
  until(`${count} spans do not arrive: ${to.taken.length} did`, () => to.taken.length >= count);

/** What the process reports once it has taken up the same policy under another revision. */
async function reported(exporters: object[], batch: object = {}) {
  return operator.reportOf(write(exporters, batch));
}

const BOTH = ['http', 'grpc'] as const;
/** By protocol: an answer that asks for another try. */
const UNAVAILABLE = { http: { status: 503 }, grpc: { status: 14 } } satisfies Record<string, Reply>;

describe('a destination', () => {
  it('gets spans in its own protocol and compression, and only signals that it takes', async () => {
    const http = await receiver('http');
    const grpc = await receiver('grpc');
    const others = await receiver('http');
    const exporters = [
      ...['http/protobuf', 'http/json', 'grpc'].flatMap((protocol) =>
        [{}, { compression: 'gzip' }].map((more) => ({
          ...exporterFor(protocol === 'grpc' ? grpc : http),
          protocol,
          ...more,
        })),
      ),
      { ...exporterFor(others), signals: ['metrics', 'logs'] },
    ].map((exporter, i) => ({ ...exporter, name: `exporter-${i}` }));
    write(exporters);
    await serve();
    await ask(3);
    await arrive(http, 12);
    await arrive(grpc, 6);
    const sent = (to: Receiver) =>
      new Set(
        to.requests.map(({ headers }) =>
          [headers['content-type'], headers['content-encoding'] ?? headers['grpc-encoding']].join(' '),
        ),
      );
    // A sidecar of a service mesh is to make no spans of exports.
    for (const { headers } of [...http.requests, ...grpc.requests])
      expect(headers.traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/);
    expect(sent(http)).toEqual(
      new Set(['application/x-protobuf ', 'application/x-protobuf gzip', 'application/json ', 'application/json gzip']),
    );
    expect(sent(grpc)).toEqual(new Set(['application/grpc ', 'application/grpc gzip']));
    expect(new Set([...http.taken, ...grpc.taken]).size).toBe(3);
    expect(others.requests).toEqual([]);
  });

  it('has a code of its own that is loaded only where it is used', async () => {
    const http = await receiver('http');
    const grpc = await receiver('grpc');
    const loaded = async () => (await (await fetch(server!.url)).text()).match(/\b(http2|tls|zlib)\b/g) ?? [];
    write([exporterFor(http)]);
    await serve('loaded.cjs');
    await loaded();
    await arrive(http, 1);
    expect(await loaded()).toEqual([]);
    write([exporterFor(grpc)]);
    await until('grpc is not used', () => (void fetch(server!.url).catch(() => undefined), grpc.taken.length > 0));
    expect(await loaded()).toContain('http2');
  });
});

describe.each(BOTH)('a receiver (%s)', (protocol) => {
  const unavailable = UNAVAILABLE[protocol];

  it('that is down gets everything when it is back, once, and others are not held up', async () => {
    const down = await receiver(protocol);
    const well = await receiver('http');
    await down.stop();
    const exporters = [exporterFor(down, QUICK), exporterFor(well, { name: 'well' })];
    write(exporters);
    await serve();
    await ask(40);
    await arrive(well, 40);
    expect(down.taken).toEqual([]);
    await down.start();
    await arrive(down, 40);
    const { exporters: report, counters } = await reported(exporters);
    expect([new Set(down.taken).size, down.taken.length]).toEqual([40, 40]);
    expect(report).toMatchObject([
      { name: 'default', exported: 40, dropped: 0, errors: 0 },
      { name: 'well', exported: 40, dropped: 0, errors: 0 },
    ]);
    expect(counters).toMatchObject({ exported: 80, queueFull: 0, exportFailed: 0 });
  });

  it('that cuts connections, does not answer, or is busy is asked again, later each time', async () => {
    const to = await receiver(protocol);
    to.next.push({ reset: true }, { silent: true }, unavailable, unavailable, unavailable);
    write([exporterFor(to, { timeoutMillis: 300, retry: { initialMillis: 100, maxMillis: 10_000 } })], {
      ...WHEN_FULL,
      maxBatch: 5,
    });
    await serve();
    await ask(5);
    await arrive(to, 5);
    expect([new Set(to.taken).size, to.taken.length, to.requests.length]).toEqual([5, 5, 6]);
    // By half to both sides: the fifth wait is at least four times as long as the shortest first.
    const waits = to.requests.map(({ at }, i) => at - (to.requests[i - 1]?.at ?? at)).slice(1);
    expect(waits[4]).toBeGreaterThan(750);
  });

  it('that says when to come back is not asked before, nor with another batch', async () => {
    const to = await receiver(protocol);
    const wait = { http: { status: 429, headers: { 'retry-after': '2' } }, grpc: { status: 8, headers: retryInfo(2) } };
    to.next.push(wait[protocol]);
    write([exporterFor(to, { retry: { initialMillis: 10, maxMillis: 20 } })], { timeoutMillis: 1_500 });
    await serve();
    await ask(1);
    await until('nothing is sent', () => to.requests.length === 1);
    await ask(4);
    await until('the receiver is not asked again', () => to.requests.length > 1);
    expect(to.requests[1]!.at - to.requests[0]!.at).toBeGreaterThan(1_950);
    await until('a later batch does not arrive', () => to.taken.length > 0);
  });

  it('that is never well gets no batch for longer than a batch may take, and what is lost is counted', async () => {
    const to = await receiver(protocol);
    to.always = unavailable;
    const exporters = [exporterFor(to, QUICK)];
    write(exporters, { ...WHEN_FULL, maxBatch: 7, timeoutMillis: 1_000 });
    await serve();
    await ask(7);
    await until('it is not given up', () => server!.output().includes('spans do not arrive'));
    to.always = {};
    write(exporters);
    await ask(2);
    await arrive(to, 2);
    const { counters, exporters: report } = await reported(exporters);
    expect(counters).toMatchObject({ exported: 2, exportFailed: 7, rejected: 0, queueFull: 0 });
    expect(report[0]).toMatchObject({ dropped: 7, errors: 1, queued: 0, queueSize: 2048 });
  });

  it('that refuses a batch for good is not asked again, and neither is any where there are no retries', async () => {
    const refusing = await receiver(protocol);
    const busy = await receiver(protocol);
    refusing.next.push({ http: { status: 400 }, grpc: { status: 3 } }[protocol]);
    busy.next.push(unavailable);
    const exporters = [exporterFor(refusing, QUICK), exporterFor(busy, { name: 'busy', retry: false })];
    write(exporters);
    await serve();
    await ask(1);
    await until('nothing is sent', () => refusing.requests.length === 1 && busy.requests.length === 1);
    await ask(1);
    await arrive(refusing, 1);
    await arrive(busy, 1);
    const { exporters: report } = await reported(exporters);
    expect(report).toMatchObject([
      { name: 'default', exported: 1, dropped: 1, errors: 1 },
      { name: 'busy', exported: 1, dropped: 1, errors: 1 },
    ]);
  });

  it('that takes a part of a batch has the rest counted as rejected, and said', async () => {
    const to = await receiver(protocol);
    // ExportTraceServiceResponse{partial_success{rejected_spans: 2, error_message: "too old"}}
    to.always = { body: Buffer.from('\x0a\x0b\x08\x02\x12\x07too old', 'latin1') };
    const exporters = [exporterFor(to)];
    write(exporters, { ...WHEN_FULL, maxBatch: 6 });
    await serve();
    await ask(6);
    await until('nothing is sent', () => to.requests.length > 0);
    await until('it is not said', () => /has rejected spans: too old/.test(server!.output()));
    const { counters, exporters: report } = await reported(exporters);
    expect(counters).toMatchObject({ exported: 4, rejected: 2, exportFailed: 0 });
    expect(report[0]).toMatchObject({ exported: 4, dropped: 2, errors: 0 });
    expect(report[0]!.trouble).toMatch(/rejected some .*too old/);
  });

  it('that hangs makes its own queue lose its oldest, and no other wait', async () => {
    const hanging = await receiver(protocol);
    const well = await receiver('http');
    hanging.always = { silent: true };
    const exporters = [exporterFor(hanging, { timeoutMillis: 3_000 }), exporterFor(well, { name: 'well' })];
    const small = { maxQueue: 20, maxBatch: 10, timeoutMillis: 600_000 };
    write(exporters, small);
    await serve();
    for (let i = 0; i < 6; i++) {
      await ask(10);
      await arrive(well, (i + 1) * 10);
    }
    const { exporters: report, counters } = await reported(exporters, small);
    expect(report[0]).toMatchObject({ name: 'default', exported: 0, queued: 20, queueSize: 20 });
    expect(report[1]).toMatchObject({ name: 'well', exported: 60, dropped: 0 });
    // What is under way is no longer in the queue.
    const underWay = hanging.requests[0]!.spans.length;
    expect(counters.queueFull).toBe(40 - underWay);
    hanging.always = {};
    await arrive(hanging, underWay + 20);
    const newest = well.taken.slice(-20);
    expect(newest.every((id) => hanging.taken.includes(id))).toBe(true);
  });
});

describe('a change of the policy', () => {
  it('changes how spans that wait are batched, and loses only those that there is no room for', async () => {
    const to = await receiver('http');
    const exporters = [exporterFor(to)];
    const slow = { ...WHEN_FULL, maxQueue: 100, maxBatch: 100 };
    write(exporters, slow);
    await serve();
    await ask(60);
    expect((await reported(exporters, { ...slow, maxQueue: 80, maxBatch: 80 })).exporters[0]).toMatchObject({
      ...{ queued: 60, queueSize: 80, dropped: 0 },
    });
    expect(to.requests).toEqual([]);
    write(exporters, { ...slow, maxQueue: 50, maxBatch: 20 });
    await arrive(to, 40);
    const { counters, exporters: report } = await reported(exporters, { maxBatch: 20, delayMillis: 20 });
    expect([counters.queueFull, report[0]!.dropped]).toEqual([10, 10]);
    await arrive(to, 50);
    expect(to.requests.map(({ spans }) => spans.length)).toEqual([20, 20, 10]);
    await ask(5);
    await arrive(to, 55);
    expect(new Set(to.taken).size).toBe(55);
  });

  it('sends what waits for a receiver that is away to the one that it names now', async () => {
    const gone = await receiver('http');
    const to = await receiver('grpc');
    await gone.stop();
    write([exporterFor(gone)]);
    await serve();
    await ask(30);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { counters } = await reported([exporterFor(to)]);
    await arrive(to, 30);
    expect([new Set(to.taken).size, to.taken.length, counters.exportFailed, counters.shutdown]).toEqual([30, 30, 0, 0]);
  });

  it('is told how much memory the agent takes with all that it holds', async () => {
    const gone = await receiver('http');
    await gone.stop();
    const memoryWith = async (more: object) => {
      const id = write([exporterFor(gone)], WHEN_FULL, { sampling: { ratio: 0 }, ...more });
      return (await operator.reportOf(id)).memory;
    };
    const keeping = { sampling: { ratio: 0, keep: { errors: true, slowerThanMillis: 600_000 } } };
    write([exporterFor(gone)], {}, keeping);
    await serve();
    expect(await memoryWith({})).toBe(AGENT_BYTES);

    await memoryWith(keeping);
    const waiting = new AbortController();
    void fetch(`${server!.url}/waiting`, { signal: waiting.signal }).catch(() => undefined);
    let held = 0;
    for (const end = Date.now() + PATIENCE; held === 0 && Date.now() < end;)
      held = (await memoryWith(keeping)) - AGENT_BYTES;
    expect(held).toBeGreaterThan(300);
    expect(held).toBeLessThan(5_000);
    waiting.abort();

    let measured = 0;
    for (const end = Date.now() + PATIENCE; measured < 10_000 && Date.now() < end;)
      measured = (await memoryWith({ signals: { metrics: true } })) - AGENT_BYTES;
    expect(measured).toBeGreaterThan(10_000);
  }, 120_000);

  it('under load loses no span and sends none twice, whatever it changes', async () => {
    const http = await receiver('http');
    const grpc = await receiver('grpc');
    write([exporterFor(http)]);
    await serve();
    const changes = [
      () => write([exporterFor(grpc)]),
      () => write([exporterFor(http, { protocol: 'http/json', compression: 'gzip' })], { maxBatch: 7 }),
      () => write([exporterFor(grpc, { timeoutMillis: 5_000 })], { delayMillis: 10 }),
      () => write([exporterFor(http, { name: 'renamed' })]),
      () => write([exporterFor(http, { name: 'renamed' })], { maxQueue: 4_096 }),
    ];
    let asked = 0;
    for (const change of changes) {
      const id = change();
      while (!operator.reports.some((report) => report.revision === id)) {
        await ask(10);
        asked += 10;
      }
    }
    await until('not all arrive', () => http.taken.length + grpc.taken.length >= asked);
    const all = [...http.taken, ...grpc.taken];
    expect([all.length, new Set(all).size]).toEqual([asked, asked]);
  }, 120_000);
});

/** The trailer by which a gRPC server says when it wants to be asked again: google.rpc.Status with RetryInfo. */
function retryInfo(seconds: number): Record<string, string> {
  const field = (tag: number, content: Buffer) => Buffer.concat([Buffer.from([tag, content.length]), content]);
  const type = field(0x0a, Buffer.from('type.googleapis.com/google.rpc.RetryInfo'));
  const any = Buffer.concat([type, field(0x12, field(0x0a, Buffer.from([0x08, seconds])))]);
  return { 'grpc-status-details-bin': field(0x1a, any).toString('base64') };
}
