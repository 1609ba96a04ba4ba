import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startRedis, type Redis } from '../../servers/redis.ts';
import { writeMounted } from '../mounted.ts';
import { Scene } from './scene.ts';
import { GENERATIONS, expectWorks, storesApp } from './stores.ts';

let redis: Redis | undefined;
let scene: Scene;
beforeAll(async () => {
  redis = await startRedis();
}, 300_000);
afterAll(() => redis?.stop());
beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

const WRONG = expect.stringContaining('WRONGTYPE');
const WORKS = {
  set: 'OK',
  hit: 'secret',
  miss: null,
  several: ['secret', null, null],
  hash: [1, 'secret'],
  wrong: WRONG,
  // What a subscriber does is in no trace: messages of Redis have no headers.
  publish: ['secret order', 'secret'],
};

const NODE_REDIS = { multi: ['OK', 'secret', null], pipeline: ['secret', null] };

describe.each(GENERATIONS)('Redis, with the libraries of %s', (generation) => {
  it.each([
    ['redis', NODE_REDIS],
    [
      'ioredis',
      {
        multi: [
          [null, 'OK'],
          [null, 'secret'],
          [null, null],
        ],
        pipeline: [
          [null, 'secret'],
          [null, null],
        ],
      },
    ],
  ])(
    '%s shows each command, without values, and whether keys were there',
    async (library, works) => {
      await flush(redis!);
      await expectWorks(
        scene,
        { args: [`${library}.cjs`, redis!.url], cwd: storesApp(generation) },
        { ...WORKS, ...works },
        // An error of node-redis 4 has no stack.
        library === 'redis' ? `redis.${generation}.golden` : 'ioredis.golden',
      );
    },
    60_000,
  );
});

it('Redis, with node-redis 5, which is between them, shows the same', async () => {
  await flush(redis!);
  const start = { args: ['redis.cjs', redis!.url], cwd: storesApp('matrix') };
  await expectWorks(scene, start, { ...WORKS, ...NODE_REDIS }, 'redis.stores.golden');
}, 60_000);

it('Redis: the policy leaves texts of commands out', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tracing-redis-'));
  try {
    const spec = {
      sampling: { ratio: 1 },
      exporters: [{ name: 'default', protocol: 'http/protobuf', endpoint: scene.sink.url }],
      propagators: ['tracecontext'],
      instrumentations: [{ name: 'redis', queryText: 'Off' }],
    };
    const document = JSON.stringify({ key: 'p.json', revision: 'r1', source: 'test', spec });
    writeMounted(directory, { 'pod/key': 'p.json', 'p.json': document });
    const env = { TRACING_ACME_POLICY_DIR: directory };
    const server = await scene.server('shop', { args: ['redis.cjs', redis!.url], cwd: storesApp(), env });
    await scene.settled();
    await fetch(`${server.url}/hit`);
    const spans = await scene.sink.until((seen) => seen.length === 2);
    const asked = spans.find(({ kind }) => kind === 'client');
    expect(asked).toMatchObject({
      name: 'GET',
      attributes: { 'db.operation.name': 'GET', 'cache.hit': expect.any(Boolean) },
    });
    expect(asked?.attributes).not.toHaveProperty('db.query.text');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);

/** Begins with an empty one. */
async function flush(server: Redis): Promise<void> {
  await server.down();
  await server.up();
}
