import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startPostgres, type Postgres } from '../../servers/postgres.ts';
import { Scene } from './scene.ts';
import { expectWorks, storesApp } from './stores.ts';

let postgres: Postgres | undefined;
let app: string;
let scene: Scene;
beforeAll(async () => {
  app = storesApp();
  postgres = await startPostgres();
  await postgres.query("CREATE TABLE items (id int PRIMARY KEY, name text); INSERT INTO items VALUES (7, 'tea')");
}, 300_000);
afterAll(() => postgres?.stop());
beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

const TEA = [{ name: 'tea' }];
const DUPLICATE = expect.stringMatching(/^23505: .*duplicate key/);

describe('SQL', () => {
  it.each(['22', '24'])(
    'statements are named by what they do and are without values, errors have their code: Node %s',
    async (line) => {
      await expectWorks(
        scene,
        { line, args: ['sql.cjs', postgres!.url], cwd: app },
        {
          query: TEA,
          written: [{ id: 7 }],
          callback: [{ count: 1 }],
          prepared: TEA,
          transaction: 'rolled back',
          duplicate: DUPLICATE,
          missing: expect.stringMatching(/^42P01: /),
          knex: TEA,
          'knex-transaction': 1,
          'knex-duplicate': DUPLICATE,
        },
        'sql.golden',
      );
    },
    60_000,
  );
});
