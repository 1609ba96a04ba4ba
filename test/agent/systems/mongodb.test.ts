import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startMongo, type MongoDb } from '../../servers/mongodb.ts';
import { Scene } from './scene.ts';
import { GENERATIONS, expectWorks, storesApp } from './stores.ts';

let mongo: MongoDb | undefined;
let scene: Scene;
beforeAll(async () => {
  mongo = await startMongo();
}, 900_000); // where FerretDB has to be built first
afterAll(() => mongo?.stop());
beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

describe('MongoDB', () => {
  it.each(GENERATIONS)(
    'commands are shown without values, refused ones and those that no server takes as errors, those of mongoose beside its own: %s',
    async (generation) => {
      await expectWorks(
        scene,
        { args: ['mongo.cjs', mongo!.url], cwd: storesApp(generation) },
        {
          insert: 3,
          find: { _id: 1, name: 'secret', stock: { left: 5 } },
          pages: 3,
          update: 1,
          aggregate: [{ _id: 'secret', count: 2 }],
          delete: 1,
          // No command is ever sent.
          nobody: 'MongoServerSelectionError: connect ECONNREFUSED 127.0.0.1:9',
          duplicate: expect.stringMatching(/^11000: E11000 duplicate key/),
          'mongoose-save': 7,
          'mongoose-find': 1,
        },
        'mongodb.golden',
      );
    },
    300_000,
  );
});
