import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { startMemcached, type Memcached } from '../../servers/memcached.ts';
import { Scene } from './scene.ts';
import { expectWorks, storesApp } from './stores.ts';

let memcached: Memcached | undefined;
let scene: Scene;
beforeAll(async () => {
  memcached = await startMemcached();
}, 300_000);
afterAll(() => memcached?.stop());
beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

it('Memcached: memcached and memjs show each command and whether keys were there', async () => {
  await expectWorks(
    scene,
    { args: ['memcached.cjs', memcached!.address], cwd: storesApp() },
    {
      set: true,
      hit: 'secret',
      miss: 'nothing',
      several: { 'item-1': 'secret' },
      'memjs-set': true,
      'memjs-hit': 'secret',
      'memjs-miss': null,
      'memjs-add': false,
      'memjs-delete': true,
      'memjs-callback': true,
      'memjs-gone': expect.stringMatching(/^ECONNREFUSED: /),
    },
    'memcached.golden',
  );
}, 60_000);
