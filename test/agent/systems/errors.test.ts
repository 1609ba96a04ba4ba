import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { installedApp } from '../app.ts';
import { ROOT, runNode } from '../process.ts';
import { Scene } from './scene.ts';

const ENDS = [
  ['throws', 1],
  ['throws later', 1],
  ['rejects', 1],
  ['rejects in express 4', 1],
  ['rejects with what is no error', 1],
  ['exits where rejections are handled', 4],
  ['goes on', 0],
] as const;

let app: string;
let scene: Scene;
beforeAll(() => {
  app = installedApp(join(ROOT, 'test/agent/apps/matrix'));
}, 120_000);
beforeEach(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.close());

describe('errors', () => {
  it('are an exception of one span, and the status of the request', async () => {
    const server = await scene.server('app', { args: ['errors.cjs'], cwd: app });
    const ports = JSON.parse(server.output().split('\n', 1)[0]!) as Record<string, number>;
    for (const [framework, port] of Object.entries(ports))
      for (const how of framework === 'plain' ? ['sees-to-it'] : ['throws', 'rejects'])
        expect([framework, how, (await fetch(`http://127.0.0.1:${port}/${how}`)).status]).toEqual([
          framework,
          how,
          500,
        ]);
    await scene.expectTree(join(import.meta.dirname, 'errors.golden'));
  }, 60_000);

  it.each(['20', '24'])(
    'that nobody caught are recorded before they end the process, as it would: Node %s',
    async (line) => {
      for (const [how, code] of ENDS) {
        const start = { line, args: ['ends.cjs', how], cwd: app };
        // No batch is ever due: what arrives was sent because the process ended.
        const env = { OTEL_BSP_SCHEDULE_DELAY: '600000' };
        const [bare, { millis, ...traced }] = await Promise.all([
          runNode({ ...start, agent: false }),
          scene.run(how, { ...start, env }),
        ]);
        expect([how, { ...traced, millis: bare.millis }]).toEqual([how, { ...bare, code }]);
        expect(millis).toBeLessThan(15_000);
      }
      await scene.expectTree(join(import.meta.dirname, 'ends.golden'));
    },
    120_000,
  );
});
