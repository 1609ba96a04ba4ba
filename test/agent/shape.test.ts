import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startPostgres } from '../servers/postgres.ts';
import { installedApp } from './app.ts';
import { writeMounted } from './mounted.ts';
import type { ReceivedSpan } from './otlp.ts';
import { ROOT, startServer, type RunningServer } from './process.ts';
import { Sink } from './sink.ts';

const PROGRAMS = join(ROOT, 'test/agent/programs');
const PATIENCE = 20_000;

let scratch: string;
let sink: Sink;
let server: RunningServer | undefined;
let directory: string;
let next: Server | undefined;
let revision = 0;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tracing-shape-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
beforeEach(async () => {
  sink = await Sink.start();
  directory = mkdtempSync(join(scratch, 'policy-'));
});
afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
  next?.closeAllConnections();
  next?.close();
  next = undefined;
  await sink.stop();
});

interface Says {
  resource?: { useLabels?: boolean; attributes?: object };
  baggage?: object;
  spanNames?: string;
  propagators?: string[];
  instrumentations?: object[];
}

/** Writes a policy that says this, and whose spans say by `revision` that it is in force. Gives the revision. */
function write(says: Says): string {
  const { resource, ...others } = says;
  const id = `r${++revision}`;
  const spec = {
    sampling: { ratio: 1 },
    exporters: [{ name: 'default', protocol: 'http/protobuf', endpoint: sink.url }],
    propagators: ['tracecontext', 'baggage'],
    ...others,
    resource: { ...resource, attributes: { revision: id, ...resource?.attributes } },
  };
  writeMounted(directory, {
    'pod/key': 'p.json',
    'p.json': JSON.stringify({ key: 'p.json', revision: id, source: 'test', spec }),
  });
  return id;
}

async function serve(program: string, env: Record<string, string> = {}, cwd = PROGRAMS): Promise<RunningServer> {
  server = await startServer({
    args: [join(cwd, program)],
    cwd,
    env: {
      TRACING_ACME_POLICY_DIR: directory,
      TRACING_ACME_RESOURCE: 'service.name=order,service.version=1',
      OTEL_BSP_SCHEDULE_DELAY: '20',
      ...env,
    },
  });
  return server;
}

/** The program that asks another service; gives what that gets. */
async function serveCaller(): Promise<IncomingHttpHeaders[]> {
  const seen: IncomingHttpHeaders[] = [];
  next = createServer((request, response) => {
    seen.push(request.headers);
    response.setHeader('location', 'https://a.b/?token=secret').end('next');
  });
  await new Promise<void>((resolve) => next!.listen(0, '127.0.0.1', resolve));
  await serve('caller.cjs', { NEXT: `http://127.0.0.1:${(next.address() as AddressInfo).port}` });
  return seen;
}

/** Writes a policy, and asks for a path until its spans are sent under that policy. Gives the spans of one such request. */
async function under(says: Says, path: string, init: RequestInit = {}): Promise<ReceivedSpan[]> {
  const id = write(says);
  const deadline = Date.now() + PATIENCE;
  const ask = async (patience: number): Promise<ReceivedSpan[]> => {
    const before = sink.spans.length;
    await (await fetch(server!.url + path, init)).text();
    // None comes while HTTP is not traced.
    await sink.until((spans) => spans.slice(before).some(isEntry), patience).catch(() => undefined);
    // What a request leaves behind comes with the batches around that of its entry.
    await new Promise((resolve) => setTimeout(resolve, 150));
    return sink.spans.slice(before);
  };
  for (;;) {
    const spans = await ask(1500);
    // The resource is said when a batch is sent: another request is wholly under it.
    if (spans.some(({ resource }) => resource['revision'] === id)) return ask(PATIENCE);
    if (Date.now() > deadline) throw new Error(`${JSON.stringify(says)} has not come into force`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

// Of the program's own server, not of who asks it.
const isEntry = ({ kind, attributes }: ReceivedSpan): boolean =>
  kind === 'server' && attributes['url.path'] !== '/leaf';

describe('in a running process', () => {
  it('spans get the name of the service before theirs, and lose it', async () => {
    write({});
    await serve('express-server.cjs');
    const names = async (says: Says) => (await under(says, '/users/7')).filter(isEntry).map(({ name }) => name);
    expect(await names({})).toEqual(['GET /users/:id']);
    expect(await names({ spanNames: 'ServiceOperation' })).toEqual(['order.GET /users/:id']);
    expect(await names({ spanNames: 'SemanticConventions' })).toEqual(['GET /users/:id']);
  }, 240_000);

  it('the resource follows the policy, and labels where it wants them; what the container says wins', async () => {
    write({});
    await serve('http-server.cjs', {
      TRACING_ACME_RESOURCE_LABELS: 'service.name=shop-order,service.version=2',
      OTEL_RESOURCE_ATTRIBUTES: 'team=blue',
    });
    const resource = async (says: Says) => (await under(says, '/')).find(isEntry)?.resource;
    const attributes = { team: 'red', 'deployment.environment.name': 'test', 'service.name': 'weak' };
    expect(await resource({ resource: { attributes } })).toMatchObject({
      'service.name': 'order',
      'service.version': '1',
      team: 'blue',
      'deployment.environment.name': 'test',
    });
    const byLabels = await resource({ resource: { useLabels: true }, spanNames: 'ServiceOperation' });
    expect(byLabels).toMatchObject({ 'service.name': 'shop-order', 'service.version': '2', team: 'blue' });
    expect(byLabels).not.toHaveProperty('deployment.environment.name');
    expect(sink.spans.at(-1)?.name).toBe('shop-order.GET');
    expect(await resource({})).toMatchObject({ 'service.name': 'order', 'service.version': '1' });
  }, 240_000);

  it('baggage is passed on with the keys that are allowed', async () => {
    write({});
    const seen = await serveCaller();
    for (const path of ['/', '/fetch']) {
      const passedOn = async (says: Says) => {
        await under(says, path, { headers: { baggage: 'tenant=blue,user=alice' } });
        return seen.at(-1)?.baggage;
      };
      expect(await passedOn({})).toBe('tenant=blue,user=alice');
      expect(await passedOn({ baggage: { allow: ['tenant'] } })).toBe('tenant=blue');
      expect(await passedOn({ baggage: { allow: [] } })).toBeUndefined();
      expect(seen.at(-1)?.traceparent).toBeDefined();
    }
  }, 240_000);

  it.each([
    ['tracecontext', 'traceparent'],
    ['b3', 'b3'],
    ['b3multi', 'x-b3-traceid'],
    ['jaeger', 'uber-trace-id'],
    ['xray', 'x-amzn-trace-id'],
  ])(
    'a trace goes on in the format of %s, and comes back in it',
    async (name, header) => {
      write({ propagators: ['baggage'] });
      const seen = await serveCaller();
      const [span] = await under({ propagators: [name] }, '/');
      expect(String(seen.at(-1)?.[header]).replaceAll('-', '')).toContain(span?.traceId);
      const headers = Object.fromEntries(
        Object.entries(seen.at(-1)!).filter(([each]) => each === header || each.startsWith('x-b3')),
      ) as Record<string, string>;
      const [onward] = await under({ propagators: [name] }, '/', { headers });
      expect(onward?.traceId).toBe(span?.traceId);
    },
    240_000,
  );

  it('spans of layers go and come, and leave the request its route and its exceptions', async () => {
    write({});
    await serve('express-server.cjs');
    const seen = async (path: string, ...instrumentations: object[]) => {
      const spans = await under({ instrumentations }, path);
      const entry = spans.find(isEntry)!;
      const exceptions = entry.events.map(({ attributes }) => attributes['exception.message']);
      return { layers: spans.length - 1, name: entry.name, exceptions };
    };
    const before = await seen('/fails');
    expect(before).toMatchObject({ name: 'GET /fails', exceptions: [] });
    expect(before.layers).toBeGreaterThan(1);
    const without = { name: 'express', layerSpans: false };
    expect(await seen('/fails', without)).toEqual({ layers: 0, name: 'GET /fails', exceptions: ['no stock'] });
    // Off at all, there is nothing of it, with each of the two that express 5 consists of.
    const off = ['express', 'router'].map((name) => ({ name, enabled: false }));
    expect(await seen('/users/7', ...off)).toEqual({ layers: 0, name: 'GET', exceptions: [] });
    const again = await seen('/users/7');
    expect(again.name).toBe('GET /users/:id');
    expect(again.layers).toBeGreaterThan(1);
  }, 240_000);

  it('what was off at the start is on for what is loaded later', async () => {
    const off = ['express', 'router', 'http', 'undici'].map((name) => ({ name, enabled: false }));
    write({ instrumentations: off });
    const seen = await serveCaller();
    for (const path of ['/', '/fetch']) expect(await (await fetch(server!.url + path)).text()).toBe('next');
    const names = async (...instrumentations: object[]) =>
      (await under({ instrumentations }, '/express/7')).map(
        ({ name, scope }) => `${name} (${scope.replace(/^.*[/-]/, '')})`,
      );
    // In force before express is loaded.
    expect((await under({}, '/')).map(({ kind }) => kind).sort()).toEqual(['client', 'server']);
    const spans = await names();
    expect(spans).toContain('GET /express/:id (http)');
    expect(spans.filter((name) => name.endsWith('(express)')).length).toBeGreaterThan(0);
    expect((await under({}, '/fetch')).map(({ kind }) => kind).sort()).toEqual(['client', 'server']);
    expect(await under({ instrumentations: [off[3]!] }, '/fetch')).toHaveLength(1);
    // Requests that are sent are not even changed.
    write({ instrumentations: off });
    const leavesNothing = async () => {
      const before = sink.spans.length;
      await (await fetch(`${server!.url}/`)).text();
      await new Promise((resolve) => setTimeout(resolve, 700));
      return sink.spans.length === before;
    };
    for (const deadline = Date.now() + PATIENCE; !(await leavesNothing());)
      if (Date.now() > deadline) throw new Error('HTTP is still traced');
    expect(seen.at(-1)).not.toHaveProperty('traceparent');
  }, 240_000);

  it('HTTP requests are left alone by path and by URL, and headers are recorded by name', async () => {
    write({});
    const seen = await serveCaller();
    const shape = async (path: string, ...instrumentations: object[]) =>
      (await under({ instrumentations }, path, { headers: { 'x-user': 'alice', cookie: 'id=1' } })).map(
        ({ kind, attributes }) => [
          kind,
          Object.fromEntries(Object.entries(attributes).filter(([name]) => name.includes('.header.'))),
        ],
      );
    const captures = {
      captureRequestHeaders: ['X-User', 'x-tenant', 'cookie'],
      captureResponseHeaders: ['x-shard', 'location'],
    };
    const location = 'https://a.b/?token=REDACTED';
    expect(await shape('/', { name: 'http', ...captures })).toEqual([
      ['client', { 'http.request.header.x-tenant': ['by http'], 'http.response.header.location': [location] }],
      ['server', { 'http.request.header.x-user': ['alice'], 'http.response.header.x-shard': ['7'] }],
    ]);
    expect(await shape('/fetch', { name: 'undici', ...captures })).toEqual([
      ['client', { 'http.request.header.x-tenant': ['by fetch'], 'http.response.header.location': [location] }],
      ['server', {}],
    ]);
    for (const [name, path] of [
      ['http', '/consul/a'],
      ['undici', '/fetch/consul/b'],
    ]) {
      expect(await shape(path!, { name, ignoreOutgoingUrls: ['http://consul/*'] })).toHaveLength(2);
      expect(await shape(path!, { name, ignoreOutgoingUrls: ['http://127.0.0.1:*/consul/*'] })).toEqual([
        ['server', {}],
      ]);
      expect(seen.at(-1)).not.toHaveProperty('traceparent');
    }
    await under({ instrumentations: [{ name: 'http', ignoreIncomingPaths: ['/internal/*'] }] }, '/');
    const before = sink.spans.length;
    for (const path of ['/internal/a?b', '/internal/b']) await (await fetch(server!.url + path)).text();
    expect(seen.at(-1)).not.toHaveProperty('traceparent');
    expect(
      (await under({ instrumentations: [{ name: 'http', ignoreIncomingPaths: ['/internal/*'] }] }, '/')).length,
    ).toBe(2);
    expect(sink.spans.slice(before).filter(({ attributes }) => /internal/.test(JSON.stringify(attributes)))).toEqual(
      [],
    );
  }, 240_000);

  it('the text of statements goes and comes', async () => {
    const postgres = await startPostgres();
    try {
      await postgres.query("CREATE TABLE items AS SELECT 7 AS id, 'tea' AS name");
      write({});
      await serve('order.cjs', { DATABASE_URL: postgres.url }, installedApp(join(ROOT, 'test/agent/apps/matrix')));
      const statements = async (...instrumentations: object[]) =>
        (await under({ instrumentations }, '/'))
          .filter(({ attributes, name }) => 'db.system.name' in attributes && !name.includes('connect'))
          .map(({ attributes }) => attributes['db.query.text']);
      expect(await statements()).toContain('SELECT ? FROM nothing');
      const without = await statements({ name: 'pg', queryText: 'Off' });
      expect(without.length).toBeGreaterThan(1);
      expect(without.filter((text) => text !== undefined)).toEqual([]);
      expect(await statements({ name: 'pg', queryText: 'Sanitized' })).toContain('SELECT ? FROM nothing');
    } finally {
      await postgres.stop();
    }
  }, 240_000);
});
