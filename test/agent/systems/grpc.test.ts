import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { installedApp } from '../app.ts';
import { ROOT } from '../process.ts';
import { Scene } from './scene.ts';

let app: string;
let scene: Scene;
beforeAll(async () => {
  app = installedApp(join(ROOT, 'test/agent/apps/matrix'));
  scene = await Scene.open();
}, 120_000);
afterAll(() => scene.close());

describe('gRPC', () => {
  it('a call is one pair of client and server, unary or a stream, and its status is that of the spans', async () => {
    const server = await scene.server('payment', { args: ['grpc-server.cjs'], cwd: app });
    const address = server.url.replace('http://', '');
    const client = await scene.server('order', { args: ['grpc-client.mjs', address], cwd: app });
    expect(await (await fetch(client.url)).json()).toEqual({
      unary: 'charged 7, audited',
      'server stream': ['one', 'two'],
      'client stream': 'a+b',
      'both stream': ['a?', 'b?'],
      refused: 'FAILED_PRECONDITION',
      thrown: 'UNKNOWN',
      'of another code': 'UNKNOWN',
      'not implemented': 'UNIMPLEMENTED',
      unavailable: 'UNAVAILABLE',
      deadline: 'DEADLINE_EXCEEDED',
      cancelled: 'CANCELLED',
    });
    await scene.expectTree(join(import.meta.dirname, 'grpc.golden'), [
      [/(?<=DEADLINE_EXCEEDED: )[^"]*/g, 'WHY'],
      [/(?<=UNAVAILABLE: )[^"]*/g, 'WHY'],
    ]);
  }, 60_000);
});
