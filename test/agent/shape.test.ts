import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
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
  await sink.stop();
});

interface Says {
  resource?: { useLabels?: boolean; attributes?: object };
  baggage?: object;
  spanNames?: string;
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

async function serve(program: string, env: Record<string, string> = {}): Promise<RunningServer> {
  server = await startServer({
    args: [join(PROGRAMS, program)],
    env: {
      TRACING_ACME_POLICY_DIR: directory,
      TRACING_ACME_RESOURCE: 'service.name=order,service.version=1',
      OTEL_BSP_SCHEDULE_DELAY: '20',
      ...env,
    },
  });
  return server;
}

/** Writes a policy, and asks for a path until its spans are sent under that policy. Gives the spans of one such request. */
async function under(says: Says, path: string, init: RequestInit = {}): Promise<ReceivedSpan[]> {
  const id = write(says);
  const deadline = Date.now() + PATIENCE;
  const ask = async (): Promise<ReceivedSpan[]> => {
    const before = sink.spans.length;
    await (await fetch(server!.url + path, init)).text();
    await sink.until((spans) => spans.slice(before).some(isEntry), PATIENCE);
    // What a request leaves behind comes with the batches around that of its entry.
    await new Promise((resolve) => setTimeout(resolve, 150));
    return sink.spans.slice(before);
  };
  for (;;) {
    const spans = await ask();
    // The resource is said when a batch is sent: another request is wholly under it.
    if (spans.some(({ resource }) => resource['revision'] === id)) return ask();
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
  });

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
  });

  it('baggage is passed on with the keys that are allowed', async () => {
    const seen: IncomingHttpHeaders[] = [];
    const next = createServer((request, response) => {
      seen.push(request.headers);
      response.end();
    });
    await new Promise<void>((resolve) => next.listen(0, '127.0.0.1', resolve));
    try {
      write({});
      await serve('caller.cjs', { NEXT: `http://127.0.0.1:${(next.address() as AddressInfo).port}` });
      const passedOn = async (says: Says) => {
        await under(says, '/', { headers: { baggage: 'tenant=blue,user=alice' } });
        return seen.at(-1)?.baggage;
      };
      expect(await passedOn({})).toBe('tenant=blue,user=alice');
      expect(await passedOn({ baggage: { allow: ['tenant'] } })).toBe('tenant=blue');
      expect(await passedOn({ baggage: { allow: [] } })).toBeUndefined();
      expect(seen.at(-1)?.traceparent).toBeDefined();
      expect(await passedOn({})).toBe('tenant=blue,user=alice');
    } finally {
      next.closeAllConnections();
      await new Promise((resolve) => next.close(resolve));
    }
  });
});
