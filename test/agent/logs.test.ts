import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { writeMounted } from './mounted.ts';
import { installedApp } from './app.ts';
import { ROOT, startServer, type RunningServer } from './process.ts';
import { Sink } from './sink.ts';

/** The agent looks at its policy once a second; a busy machine may keep it waiting. */
const LOOK_MILLIS = 10_000;

let app: string;
let scratch: string;
let sink: Sink;
let server: RunningServer | undefined;
let revision = 0;

beforeAll(() => {
  app = installedApp(join(ROOT, 'test/agent/apps/signals'));
  scratch = mkdtempSync(join(tmpdir(), 'tracing-logs-'));
}, 120_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
  await sink.stop();
});

/** A folder in which a library has the version that the app knows by another name. */
function folderOf(library: string, alias: string): string {
  if (alias === library) return app;
  const folder = join(app, 'versions', alias);
  if (!existsSync(folder)) {
    const staging = `${folder}.${process.pid}`;
    mkdirSync(join(staging, 'node_modules'), { recursive: true });
    cpSync(join(app, 'node_modules', alias), join(staging, 'node_modules', library), { recursive: true });
    renameSync(staging, folder);
  }
  return folder;
}

function write(directory: string, signals: object): void {
  const spec = {
    sampling: { ratio: 1 },
    signals,
    exporters: [{ name: 'default', protocol: 'http/protobuf', endpoint: sink.url }],
    propagators: ['tracecontext'],
    resource: { attributes: {} },
  };
  const document = JSON.stringify({ key: 'p.json', revision: `r${++revision}`, source: 'test', spec });
  writeMounted(directory, { 'pod/key': 'p.json', 'p.json': document });
}

interface Started {
  directory: string;
  /** Lines on stdout and stderr that are JSON. */
  lines: () => Record<string, unknown>[];
  ask: (path: string) => Promise<void>;
}

async function start(alias: string, signals: object, line = '24', program = 'server.cjs'): Promise<Started> {
  const library = alias.split('-')[0]!;
  const directory = mkdtempSync(join(scratch, 'policy-'));
  write(directory, signals);
  server = await startServer({
    line,
    args: [join(app, program), library, folderOf(library, alias)],
    cwd: app,
    env: { TRACING_ACME_POLICY_DIR: directory, OTEL_SERVICE_NAME: 'shop', OTEL_BSP_SCHEDULE_DELAY: '20' },
  });
  const running = server;
  return {
    directory,
    lines: () =>
      running
        .output()
        .split('\n')
        .filter((text) => text.startsWith('{'))
        .map((text) => JSON.parse(text) as Record<string, unknown>),
    ask: async (path) => expect((await fetch(running.url + path)).status).toBe(200),
  };
}

/** Waits for a process to say something by a line of its own that satisfies a condition, asking for one again and again. */
async function untilLine(
  { lines, ask }: Started,
  condition: (line: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> {
  const deadline = Date.now() + LOOK_MILLIS;
  for (;;) {
    const before = lines().length;
    await ask('/say');
    while (lines().length === before && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    const line = lines().at(-1)!;
    if (condition(line)) return line;
    if (Date.now() > deadline) throw new Error(`the last line is ${JSON.stringify(line)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const PINO = ['pino', 'pino-9', 'pino-8', 'pino-7', 'pino-6', 'pino-5'];
const SENT = [...PINO, 'winston', 'winston-3.0', 'bunyan', 'bunyan-1.0'];

describe.each([...SENT, 'winston-2'])('%s', (alias) => {
  it('writes as without us until log correlation is switched on in the running process, and again afterwards', async () => {
    const started = await start(alias, {});
    const plain = await untilLine(started, () => true);
    expect(plain).not.toHaveProperty('trace_id');
    write(started.directory, { logCorrelation: true });
    const marked = await untilLine(started, (line) => line['trace_id'] !== undefined);
    const [span] = await sink.until((spans) => spans.some(({ traceId }) => traceId === marked['trace_id']));
    expect(span).toBeDefined();
    expect(marked['span_id']).toBe(sink.spans.find(({ traceId }) => traceId === marked['trace_id'])?.spanId);
    expect(marked['trace_flags']).toMatch(/^0[0-3]$/);
    // Nothing else of the line has changed.
    const timeless = ({ trace_id, span_id, trace_flags, time: _time, ...rest }: Record<string, unknown>) => ({
      ...rest,
      hasTrace: [trace_id, span_id, trace_flags].every((each) => each !== undefined),
    });
    expect(timeless(marked)).toEqual({ ...timeless(plain), hasTrace: true });
    write(started.directory, {});
    await untilLine(started, (line) => line['trace_id'] === undefined);
    expect(sink.records).toEqual([]);
    expect(server!.output()).not.toContain('tracing-operator:');
  }, 60_000);
});

describe.each(SENT)('%s', (alias) => {
  it('sends its records while logs are switched on in the running process, and its lines stay as they are', async () => {
    const started = await start(alias, {});
    await started.ask('/say?text=before');
    write(started.directory, { logs: true });
    const sent = async (): Promise<boolean> => {
      await started.ask('/say?text=ping');
      return sink
        .untilRecords((records) => records.length > 0, 500)
        .then(
          () => true,
          () => false,
        );
    };
    const deadline = Date.now() + LOOK_MILLIS;
    while (!(await sent()) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
    await started.ask('/say?text=paid');
    await started.ask('/fail');
    await started.ask('/hide');
    const records = await sink.untilRecords((all) =>
      all.some(({ attributes }) => 'exception.stacktrace' in attributes),
    );
    const paid = records.find(({ body }) => body === 'paid')!;
    expect(paid).toMatchObject({
      severity: 13,
      level: 'warn',
      scope: `tracing-operator/${alias.split('-')[0]!}`,
      attributes: { part: 'till', amount: 12.5, card: { number: '[Redacted]' }, items: ['a', 'b'] },
      resource: { 'service.name': 'shop' },
    });
    expect(
      Object.keys(paid.attributes)
        .filter((name) => name !== 'name')
        .sort(),
    ).toEqual(['amount', 'card', 'items', 'part']);
    await sink.until((spans) => spans.some(({ spanId }) => spanId === paid.spanId));
    expect(sink.spans.find(({ spanId }) => spanId === paid.spanId)?.traceId).toBe(paid.traceId);
    expect(Math.abs(Date.now() - paid.millis)).toBeLessThan(60_000);
    const failed = records.find(({ attributes }) => 'exception.stacktrace' in attributes)!;
    expect(failed).toMatchObject({ severity: 17, level: 'error', body: 'no stock' });
    expect(failed.attributes['exception.stacktrace']).toMatch(/^RangeError: no stock\n\s+at/);
    expect(records.map(({ body }) => body)).not.toContain('hidden');
    expect(records.map(({ body }) => body)).not.toContain('before');
    for (const line of started.lines()) expect(line).not.toHaveProperty('trace_id');
    write(started.directory, {});
    const isSent = async (body: string): Promise<boolean> => {
      await started.ask(`/say?text=${body}`);
      await new Promise((resolve) => setTimeout(resolve, 400));
      return sink.records.some((record) => record.body === body);
    };
    const end = Date.now() + LOOK_MILLIS;
    for (let i = 0; await isSent(`off-${i}`); i++) expect(Date.now()).toBeLessThan(end);
    expect(server!.output()).not.toContain('tracing-operator:');
  }, 60_000);
});

describe.each(['20', '22', '24'])('on Node %s', (line) => {
  it.each(['pino', 'winston', 'bunyan'])(
    'an ES module with %s has trace and records from its first line on',
    async (alias) => {
      const started = await start(alias, { logs: true, logCorrelation: true }, line, 'server.mjs');
      await started.ask('/say');
      const [record] = await sink.untilRecords((records) => records.length > 0);
      expect(record?.traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(started.lines()[0]).toMatchObject({ trace_id: record?.traceId, span_id: record?.spanId });
      expect(Object.keys(record?.attributes ?? {})).not.toContain('trace_id');
    },
    30_000,
  );
});

it.each(['pino', 'winston', 'bunyan'])(
  '%s: objects that lead to themselves and long texts do no harm',
  async (alias) => {
    const started = await start(alias, { logs: true });
    await started.ask('/say?cycle');
    await started.ask(`/say?text=${'x'.repeat(12_000)}`);
    await sink.untilRecords((records) => records.some(({ body }) => String(body).startsWith('xxx')));
    expect(server!.output()).not.toContain('tracing-operator:');
  },
  30_000,
);

it('what was said last arrives when the process ends by itself', async () => {
  const started = await start('pino', { logs: true });
  // The address has to be known by then.
  await started.ask('/say');
  await sink.untilRecords((records) => records.length > 0);
  await started.ask('/exit');
  await sink.untilRecords((records) => records.some(({ body }) => body === 'last words'));
}, 30_000);

it('says that winston before 3 cannot send, and goes on', async () => {
  const started = await start('winston-2', { logs: true, logCorrelation: true });
  await started.ask('/say');
  expect(started.lines()[0]).toHaveProperty('trace_id');
  expect(sink.records).toEqual([]);
}, 30_000);

it('a receiver of logs that is down loses logs alone', async () => {
  const directory = mkdtempSync(join(scratch, 'policy-'));
  write(directory, { logs: true });
  server = await startServer({
    args: [join(app, 'server.cjs'), 'pino', app],
    cwd: app,
    env: {
      ...{ TRACING_ACME_POLICY_DIR: directory, OTEL_BSP_SCHEDULE_DELAY: '20' },
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://127.0.0.1:9/v1/logs',
    },
  });
  for (let i = 0; i < 3; i++) await fetch(`${server.url}/say`);
  await sink.until((spans) => spans.length >= 3);
  expect(sink.records).toEqual([]);
}, 30_000);
