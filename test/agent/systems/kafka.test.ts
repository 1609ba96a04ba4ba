import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startKafka, type Kafka } from '../../servers/kafka.ts';
import { installedApp } from '../app.ts';
import { ROOT } from '../process.ts';
import { Scene } from './scene.ts';

let kafka: Kafka | undefined;
let app: string;
let scene: Scene;
beforeAll(async () => {
  app = installedApp(join(ROOT, 'test/agent/apps/kafka'));
  kafka = await startKafka();
  scene = await Scene.open();
}, 300_000);
afterAll(async () => {
  await scene.close();
  await kafka?.stop();
});

describe('Kafka', () => {
  it('messages carry the trace of who sent them, and a batch has links to all of its messages', async () => {
    const producer = await scene.server('producer', { args: ['producer.mjs', kafka!.broker], cwd: app });
    const ways = ['payment', 'bad-payment', 'order', 'orders', 'batch', 'commit', 'abort', 'nowhere'];
    for (const way of ways) expect(await (await fetch(`${producer.url}/${way}`)).text()).toBe('done');
    await scene.server('consumer', { args: ['consumer.mjs', kafka!.broker, producer.url], cwd: app });
    await scene.expectTree(join(import.meta.dirname, 'kafka.golden'));
  }, 120_000);
});
