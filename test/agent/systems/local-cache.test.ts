import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeMounted } from '../mounted.ts';
import { Scene } from './scene.ts';
import { GENERATIONS, storesApp } from './stores.ts';

let directory: string;
let scene: Scene;
let revision = 0;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tracing-local-cache-'));
  scene = await Scene.open();
});
afterEach(async () => {
  await scene.close();
  rmSync(directory, { recursive: true, force: true });
});

function write(spec: object): void {
  const exporters = [{ name: 'default', protocol: 'http/protobuf', endpoint: scene.sink.url }];
  const whole = { sampling: { ratio: 1 }, exporters, propagators: ['tracecontext'], ...spec };
  const document = JSON.stringify({ key: 'p.json', revision: `r${++revision}`, source: 'test', spec: whole });
  writeMounted(directory, { 'pod/key': 'p.json', 'p.json': document });
}

const WORKS: [path: string, answer: unknown, counted: [hits: number, misses: number] | undefined][] = [
  ['lru', [1, 1, 1, null, null], [3, 2]],
  ['fetch', ['made tea', 'made tea'], [1, 1]],
  ['node-cache', [1, null, { tea: 1 }, 1], [3, 3]],
  ['later', 1, [1, 0]],
  ['nothing', 'nothing', undefined],
];
const counts = (attributes: Record<string, unknown>): unknown =>
  'cache.local.hits' in attributes ? [attributes['cache.local.hits'], attributes['cache.local.misses']] : undefined;

describe.each(GENERATIONS)('local caches of %s', (generation) => {
  it.each(['local.cjs', 'local.mjs'])('hits and misses are at the span of the request: %s', async (program) => {
    const server = await scene.server('shop', { args: [program], cwd: storesApp(generation) });
    for (const [path, answer, counted] of WORKS) {
      expect(await (await fetch(`${server.url}/${path}`)).json()).toEqual(answer);
      const [span] = await scene.sink.until((spans) => spans.length > 0);
      expect([path, counts(span!.attributes)]).toEqual([path, counted]);
      expect(scene.sink.spans.splice(0)).toHaveLength(1);
    }
  });
});

it('local caches are counted in a metric too, of all requests, and not while they are switched off', async () => {
  write({ sampling: { ratio: 0 }, signals: { metrics: true } });
  const server = await scene.server('shop', {
    args: ['local.mjs'],
    cwd: storesApp(),
    env: { TRACING_ACME_POLICY_DIR: directory, OTEL_METRIC_EXPORT_INTERVAL: '200' },
  });
  const ask = async (path: string): Promise<unknown> => (await fetch(`${server.url}/${path}`)).json();
  const lookups = (library: string, isHit: boolean, count: number) =>
    scene.sink.untilMetric('cache.local.lookups', ({ points }) =>
      points.some(
        ({ attributes, value }) =>
          attributes['cache.library'] === library && attributes['cache.hit'] === isHit && value === count,
      ),
    );
  await scene.sink.untilMetric('cache.local.lookups');
  await ask('lru');
  await ask('node-cache');
  await lookups('lru-cache', false, 2);
  await lookups('node-cache', true, 3);
  await lookups('node-cache', false, 3);
  expect(scene.sink.spans).toEqual([]);

  write({ instrumentations: [{ name: 'lru-cache', enabled: false }] });
  let spans = 0;
  const deadline = Date.now() + 15_000;
  for (let last: unknown = null; last !== undefined;) {
    if (Date.now() > deadline) throw new Error('lru-cache is still counted');
    await ask('lru');
    await scene.sink.until((seen) => seen.length > spans, 2_000).catch(() => undefined);
    spans = scene.sink.spans.length;
    last = spans === 0 ? null : counts(scene.sink.spans.at(-1)!.attributes);
  }
  await ask('node-cache');
  await scene.sink.until((seen) => counts(seen.at(-1)!.attributes) !== undefined);
});
