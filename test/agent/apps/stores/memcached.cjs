// node memcached.cjs ADDRESS
const Memcached = require('memcached');
const memjs = require('memjs');
const { promisify } = require('util');
const { serve } = require('./serve.cjs');

const [, , address] = process.argv;
const client = new Memcached(address);
const call = (method) => promisify(client[method].bind(client));
const quiet = { log() {} };
const mem = memjs.Client.create(address, { logger: quiet });
const gone = memjs.Client.create('127.0.0.1:1', { logger: quiet, retries: 2, retry_delay: 0.01 });

serve({
  set: () => call('set')('item-1', 'secret', 60),
  hit: () => call('get')('item-1'),
  miss: async () => (await call('get')('item-2')) ?? 'nothing',
  several: () => call('getMulti')(['item-1', 'item-2', 'item-3']),
  'memjs-set': () => mem.set('item-4', 'secret', { expires: 60 }),
  'memjs-hit': async () => (await mem.get('item-4')).value.toString(),
  'memjs-miss': async () => (await mem.get('item-5')).value,
  'memjs-add': () => mem.add('item-4', 'secret', { expires: 60 }),
  'memjs-delete': () => mem.delete('item-4'),
  'memjs-callback': () =>
    new Promise((resolve) =>
      mem.get('item-5', () => mem.increment('count', 1, { initial: 1 }, (_, done) => resolve(done))),
    ),
  'memjs-gone': () => gone.get('item-4'),
});
