import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { issue } from '../../../webhook/certificates.ts';
import { installedApp } from '../app.ts';
import { ROOT } from '../process.ts';
import { Scene } from './scene.ts';

const FOUND = { status: 200, text: expect.stringContaining('from') };
/** What the app gets of each of its calls. */
const ANSWERS = {
  fetch: FOUND.text,
  http: FOUND,
  https: FOUND,
  undici: FOUND.text,
  'fetch-post': 201,
  'http-post': 201,
  'fetch-missing': 404,
  'http-missing': { status: 404, text: expect.stringContaining('not found') },
  'fetch-broken': 503,
  'http-broken': { status: 503, text: '' },
  'fetch-refused': 'ECONNREFUSED',
  'http-refused': 'ECONNREFUSED',
  'undici-refused': 'ECONNREFUSED',
  'fetch-aborted': 'AbortError',
  'http-aborted': 'AbortError',
  'fetch-timeout': 'TimeoutError',
  'keep-alive': 'one connection',
};

let app: string;
let scene: Scene;
beforeAll(() => {
  app = installedApp(join(ROOT, 'test/agent/apps/http'));
}, 120_000);
beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

describe('HTTP', () => {
  it.each(['22', '24'])(
    'a call is one pair of client and server, whatever it is made with: Node %s',
    async (line) => {
      const start = { line, cwd: app };
      const { certificate, privateKey } = await issue(['localhost'], Date.now());
      const back = await scene.server('back', { ...start, args: ['back.cjs'] });
      const secure = await scene.server('secure', {
        ...start,
        args: ['back.cjs'],
        env: { KEY: privateKey, CERT: certificate },
      });
      const front = await scene.server('front', {
        ...start,
        args: ['front.mjs', back.url, secure.url.replace('http://127.0.0.1', 'https://localhost')],
        env: { NODE_TLS_REJECT_UNAUTHORIZED: '0', NODE_NO_WARNINGS: '1' },
      });
      expect(await (await fetch(`${front.url}/calls/all?token=abc&sig=verysecret`)).json()).toEqual(ANSWERS);
      await scene.expectTree(join(import.meta.dirname, 'http.golden'), [[/(?<=\/silent\/)[1-9]\d*/g, 'PORT']]);
    },
    60_000,
  );

  it('a layer of express 5 is one span, though express 5 is made of a router that we know too', async () => {
    const cwd = installedApp(join(ROOT, 'test/agent/apps/signals'));
    const server = await scene.server('shop', { args: ['express.cjs'], cwd });
    expect(await (await fetch(`${server.url}/shop/items/7`)).text()).toBe('item');
    await scene.expectTree(join(import.meta.dirname, 'express.golden'));
  }, 120_000);
});
