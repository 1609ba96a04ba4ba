import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startPostgres, type Postgres } from '../servers/postgres.ts';
import { installedApp } from './app.ts';
import type { ReceivedSpan } from './otlp.ts';
import { ROOT, runNode, startServer, type RunningServer } from './process.ts';
import { Sink } from './sink.ts';

const PROGRAMS = join(ROOT, 'test/agent/programs');
let postgres: Postgres | undefined;
let app: string;
let sink: Sink;
let server: RunningServer | undefined;
beforeAll(async () => {
  app = installedApp(join(ROOT, 'test/agent/apps/matrix'));
  postgres = await startPostgres();
  await postgres.query("CREATE TABLE items AS SELECT 7 AS id, 'tea' AS name");
}, 300_000);
afterAll(() => postgres?.stop());
beforeEach(async () => {
  sink = await Sink.start();
});
afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
  await sink.stop();
});

/** Asks a real Postgres, well and badly, within a request. */
async function order(env: Record<string, string>): Promise<ReceivedSpan[]> {
  server = await startServer({
    args: [join(app, 'order.cjs')],
    cwd: app,
    env: {
      DATABASE_URL: postgres!.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
      OTEL_BSP_SCHEDULE_DELAY: '20',
      ...env,
    },
  });
  expect(await (await fetch(`${server.url}/items/7?a=1`)).text()).toBe('tea, then 42P01');
  return sink.until(
    (spans) =>
      spans.some((span) => span.kind === 'server') &&
      spans.filter((span) => 'db.query.text' in span.attributes).length >= 2,
  );
}

describe('what a receiver gets', () => {
  it('is named by the stable conventions, with shapes of statements, and says who it is from', async () => {
    const resource =
      'service.name=order,service.namespace=shop,service.instance.id=shop.order-1.main,k8s.namespace.name=shop,k8s.pod.name=order-1,k8s.pod.uid=5f,k8s.node.name=n1,k8s.container.name=main,k8s.deployment.name=order';
    const spans = await order({ TRACING_ACME_RESOURCE: resource });
    expect(spans[0]?.resource).toMatchObject({
      ...(Object.fromEntries(resource.split(',').map((pair) => pair.split('='))) as Record<string, string>),
      'process.pid': server?.child.pid,
      'process.executable.path': expect.stringMatching(/node$/),
      'process.runtime.name': 'nodejs',
      'process.runtime.version': expect.stringMatching(/^24\./),
      'host.name': expect.any(String),
      'telemetry.sdk.language': 'nodejs',
      'telemetry.sdk.name': 'opentelemetry',
      'telemetry.sdk.version': expect.any(String),
      'telemetry.distro.name': 'tracing-operator',
      'telemetry.distro.version': expect.any(String),
    });
    const [good, bad] = ['SELECT name FROM items WHERE id = ? AND name <> ?', 'SELECT ? FROM nothing'].map((text) =>
      spans.find((span) => span.attributes['db.query.text'] === text),
    );
    expect(good).toMatchObject({
      kind: 'client',
      status: { code: 0 },
      attributes: { 'db.system.name': 'postgresql', 'db.namespace': 'postgres', 'server.address': '127.0.0.1' },
    });
    expect(bad).toMatchObject({ status: { code: 2, message: expect.stringContaining('nothing') } });
    const entry = spans.find((span) => span.kind === 'server');
    expect(entry?.attributes).toMatchObject({
      'http.request.method': 'GET',
      'url.path': '/items/7',
      'url.query': 'a=1',
    });
    const all = JSON.stringify(spans.map((span) => [span.attributes, span.events, span.status.message]));
    expect(all).not.toContain('secret');
    expect(all).not.toMatch(/"(http\.method|http\.target|net\.peer\.name|db\.system|db\.statement)"/);
  });

  it('has the old names, too, where they are asked for', async () => {
    const spans = await order({ OTEL_SEMCONV_STABILITY_OPT_IN: 'http/dup, database/dup' });
    const entry = spans.find((span) => span.kind === 'server');
    expect(entry?.attributes).toMatchObject({
      'http.request.method': 'GET',
      'http.method': 'GET',
      'http.target': '/items/7?a=1',
      'http.status_code': 200,
      'http.response.status_code': 200,
      'net.host.name': '127.0.0.1',
      'http.scheme': 'http',
    });
    const call = spans.find((span) => span.attributes['db.query.text'] === 'SELECT ? FROM nothing');
    expect(call?.attributes).toMatchObject({
      'db.system': 'postgresql',
      'db.name': 'postgres',
      'db.statement': 'SELECT ? FROM nothing',
      'net.peer.name': '127.0.0.1',
    });
    expect(JSON.stringify(spans.map((span) => span.attributes))).not.toContain('secret');
  });

  it('has the old names of node:http and of fetch', async () => {
    server = await startServer({
      args: [join(PROGRAMS, 'http-server.mjs')],
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
        OTEL_SEMCONV_STABILITY_OPT_IN: 'http/dup',
        OTEL_BSP_SCHEDULE_DELAY: '20',
      },
    });
    await fetch(`${server.url}/fetch`);
    const spans = await sink.until((seen) => seen.length >= 3);
    // By node:http and by fetch.
    for (const span of spans) expect(span.attributes).toMatchObject({ 'http.method': 'GET', 'http.status_code': 200 });
  });

  it('tells of an exception by an event and the status', async () => {
    const ended = await runNode({
      args: ['-e', "require('http').get('http://127.0.0.1:9/x').on('error', () => {})"],
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url },
    });
    expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const [call] = await sink.until((spans) => spans.length === 1);
    expect(call).toMatchObject({
      kind: 'client',
      status: { code: 2, message: expect.stringContaining('ECONNREFUSED') },
      attributes: { 'error.type': 'ECONNREFUSED', 'url.full': 'http://127.0.0.1:9/x' },
      events: [
        {
          name: 'exception',
          attributes: {
            'exception.type': expect.stringMatching(/Error|ECONNREFUSED/),
            'exception.message': expect.stringContaining('ECONNREFUSED'),
            'exception.stacktrace': expect.stringContaining('127.0.0.1:9'),
          },
        },
      ],
    });
  });
});

// Some of them are cases of elastic-otel-node's tests.
const VARIABLES: [name: string, env: Record<string, string>, said: string[], spans: number][] = [
  ['a list with blanks', { OTEL_NODE_ENABLED_INSTRUMENTATIONS: ' http , express ' }, [], 1],
  ['a list without what is used', { OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'pg,  express' }, [], 0],
  [
    'names that are not known',
    { OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'bogus, @opentelemetry/instrumentation-http,runtime-node' },
    [
      'OTEL_NODE_DISABLED_INSTRUMENTATIONS: "bogus" is not known here and is not used',
      'OTEL_NODE_DISABLED_INSTRUMENTATIONS: "@opentelemetry/instrumentation-http" is not known here and is not used',
    ],
    1,
  ],
  [
    'what is switched on and off',
    { OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http', OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http' },
    [],
    0,
  ],
  ['a level in any case', { OTEL_LOG_LEVEL: ' WaRn ' }, [], 1],
  ['a level that is none', { OTEL_LOG_LEVEL: 'loud' }, [], 1],
  [
    'a share that is no number',
    { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: 'half' },
    ['OTEL_TRACES_SAMPLER_ARG: "half" is not a number of at least 0: using 1'],
    1,
  ],
  [
    'a share below nothing',
    { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '-0.1' },
    ['OTEL_TRACES_SAMPLER_ARG: "-0.1" is not a number of at least 0: using 1'],
    1,
  ],
  [
    'a share above all',
    { OTEL_TRACES_SAMPLER: 'TraceIdRatio', OTEL_TRACES_SAMPLER_ARG: '1.1' },
    ['OTEL_TRACES_SAMPLER_ARG: "1.1" is more than 1: using 1'],
    1,
  ],
  ['a share without a sampler', { OTEL_TRACES_SAMPLER_ARG: '0' }, [], 1],
  ['a sampler for nothing', { OTEL_TRACES_SAMPLER: 'Always_Off' }, [], 0],
  [
    'a sampler that is not known',
    { OTEL_TRACES_SAMPLER: 'jaeger_remote' },
    ['OTEL_TRACES_SAMPLER: "jaeger_remote" is not known here and is not used'],
    1,
  ],
  [
    'a protocol that is not known',
    { OTEL_EXPORTER_OTLP_PROTOCOL: 'bogus' },
    ['OTEL_EXPORTER_OTLP_PROTOCOL: "bogus" is not known here: using http/protobuf'],
    1,
  ],
  [
    'an endpoint that is no URL',
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'ftp://collector' },
    [
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "ftp://collector" is no URL and is not used. An example: http://collector:4318',
    ],
    1,
  ],
  [
    'numbers that are none',
    { OTEL_BSP_SCHEDULE_DELAY: 'soon', OTEL_BSP_MAX_QUEUE_SIZE: '0' },
    [
      'OTEL_BSP_MAX_QUEUE_SIZE: "0" is not a number of at least 1: using 2048',
      'OTEL_BSP_SCHEDULE_DELAY: "soon" is not a number of at least 0: using 1000',
    ],
    1,
  ],
  ['a switch in any case', { OTEL_SDK_DISABLED: 'TRUE' }, [], 0],
  ['variables that are empty', { OTEL_TRACES_SAMPLER: '', OTEL_SERVICE_NAME: ' ', OTEL_PROPAGATORS: '' }, [], 1],
];

describe('variables of OpenTelemetry: the app goes on, and what is not used is said once', () => {
  it.each(VARIABLES)('%s', async (_name, env, said, count) => {
    const program = `require('http').get('${sink.url}/nothing', (answer) => answer.resume().on('end', () => console.log('answered')))`;
    const ended = await runNode({ args: ['-e', program], env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, ...env } });
    expect(ended).toMatchObject({ code: 0, stdout: 'answered\n' });
    expect(ended.stderr.split('\n').filter(Boolean).sort()).toEqual(
      said.map((line) => `tracing-operator: ${line}`).sort(),
    );
    expect(sink.spans).toHaveLength(count);
  });

  it('an endpoint without a scheme is plaintext', async () => {
    const program = `require('http').get('${sink.url}/nothing', (answer) => answer.resume())`;
    const ended = await runNode({
      args: ['-e', program],
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url.replace('http://', '') },
    });
    expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(sink.spans).toHaveLength(1);
  });
});
