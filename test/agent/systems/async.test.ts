import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { installedApp } from '../app.ts';
import { ROOT } from '../process.ts';
import { Scene } from './scene.ts';

/** Ways to put work off in which it stays in its request's trace. */
const KEPT = [
  ...['timeout', 'interval', 'immediate', 'tick', 'microtask', 'promise', 'promisified', 'callback', 'stream'],
  ...['transform', 'emitter', 'once', 'on-iterator', 'p-queue-1', 'p-queue-2', 'worker-pool', 'worker-thread'],
  // Node calls a listener in the context of who emits.
  'early-listener',
];
/** Work that belongs to where its loop or binding was begun, before any request. */
const APART = ['bound-listener', 'early-iterator'];

let app: string;
let scene: Scene;
let stock: Server;
/** Paths asked for, with the parent's id of each. */
const asked = new Map<string, string | undefined>();
beforeAll(() => {
  app = installedApp(join(ROOT, 'test/agent/apps/async'));
}, 120_000);
beforeEach(async () => {
  scene = await Scene.open();
  asked.clear();
  stock = createServer((request, response) => {
    asked.set(request.url!.slice(1), request.headers['traceparent']?.toString().split('-')[2]);
    response.end('stock');
  }).listen(0, '127.0.0.1');
  await once(stock, 'listening');
});
afterEach(async () => {
  await scene.close();
  stock.closeAllConnections();
  stock.close();
});

describe('work that is put off', () => {
  it.each(['22', '24'])(
    'stays in the trace of its request: Node %s',
    async (line) => {
      const url = `http://127.0.0.1:${(stock.address() as AddressInfo).port}`;
      const server = await scene.server('app', { line, args: ['server.mjs', url], cwd: app });
      expect(await (await fetch(server.url)).text()).toBe('done');
      const spans = await scene.sink.until((seen) => seen.length > KEPT.length + APART.length);
      const request = spans.find((span) => span.kind === 'server')!;
      const below = spans.filter((span) => span.parentSpanId === request.spanId && span.traceId === request.traceId);
      const paths = (list: typeof spans): string[] => list.map((span) => String(span.attributes['url.path']).slice(1));
      expect(paths(below).sort()).toEqual([...KEPT].sort());
      const apart = spans.filter((span) => span.kind === 'client' && span.traceId !== request.traceId);
      expect(paths(apart).sort()).toEqual(APART);
      for (const span of [...below, ...apart]) expect(asked.get(paths([span])[0]!)).toBe(span.spanId);
      // Threads of the app are left alone: what they ask for is in no trace.
      expect([asked.has('in-the-pool'), asked.get('in-the-pool')]).toEqual([true, undefined]);
    },
    60_000,
  );
});
