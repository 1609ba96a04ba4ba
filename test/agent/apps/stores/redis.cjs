// node redis.cjs URL
const { setTimeout } = require('node:timers/promises');
const { createClient } = require('redis');
const { serve } = require('./serve.cjs');

const [, , url] = process.argv;
const client = createClient({ url });
const subscriber = client.duplicate();
let told;

async function run() {
  await client.connect();
  await subscriber.connect();
  // A look of its own, to see where it ends up. Traces begin at whole milliseconds: in the next one its place is certain.
  await subscriber.subscribe('orders', async (message) => {
    await setTimeout(5);
    told([message, await client.get('item:1')]);
  });
  serve({
    set: () => client.set('item:1', 'secret'),
    hit: () => client.get('item:1'),
    miss: () => client.get('item:2'),
    several: () => client.mGet(['item:1', 'item:2', 'item:3']),
    hash: async () => [await client.hSet('stock', 'tea', 'secret'), await client.hGet('stock', 'tea')],
    multi: () => client.multi().set('item:4', 'secret').get('item:4').get('item:5').exec(),
    pipeline: () => Promise.all([client.get('item:1'), client.get('item:2')]),
    wrong: () => client.lPush('item:1', 'secret'),
    async publish() {
      const heard = new Promise((resolve) => (told = resolve));
      await client.publish('orders', 'secret order');
      return heard;
    },
  });
}
run();
