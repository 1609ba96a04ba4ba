// node ioredis.cjs URL
const { Redis } = require('ioredis');
const { serve } = require('./serve.cjs');

const [, , url] = process.argv;
const client = new Redis(url);
const subscriber = client.duplicate();
let told;

async function run() {
  await subscriber.subscribe('orders');
  // A look of its own, to see where it ends up.
  subscriber.on('message', async (_channel, message) => told([message, await client.get('item:1')]));
  serve({
    set: () => client.set('item:1', 'secret'),
    hit: () => client.get('item:1'),
    miss: () => client.get('item:2'),
    several: () => client.mget('item:1', 'item:2', 'item:3'),
    hash: async () => [await client.hset('stock', 'tea', 'secret'), await client.hget('stock', 'tea')],
    multi: () => client.multi().set('item:4', 'secret').get('item:4').get('item:5').exec(),
    pipeline: () => client.pipeline().get('item:1').get('item:2').exec(),
    wrong: () => client.lpush('item:1', 'secret'),
    async publish() {
      const heard = new Promise((resolve) => (told = resolve));
      await client.publish('orders', 'secret order');
      return heard;
    },
  });
}
run();
