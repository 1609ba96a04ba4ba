// node server.mjs STOCK: a request that does its work in every way work is put off; each way asks STOCK, by its name.
import { AsyncResource } from 'node:async_hooks';
import { EventEmitter, on, once } from 'node:events';
import { createServer } from 'node:http';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGzip } from 'node:zlib';
import { readFile } from 'node:fs';
import { Worker } from 'node:worker_threads';
import Queue from 'p-queue';
import { Piscina } from 'piscina';

const [stock] = process.argv.slice(2);
const ask = async (way) => (await fetch(`${stock}/${way}`)).text();
const promised = (way, start) => new Promise((resolve) => start(() => ask(way).then(resolve)));
const queue = new Queue({ concurrency: 1 });
const pool = new Piscina({ filename: new URL('task.mjs', import.meta.url).href, maxThreads: 1 });
const bus = new EventEmitter();
// What was there before any request.
bus.on('early', (done) => ask('early-listener').then(done));
bus.on(
  'bound',
  AsyncResource.bind((done) => ask('bound-listener').then(done)),
);
(async () => {
  for await (const [done] of on(bus, 'tick')) ask('early-iterator').then(done);
})();

const WAYS = {
  timeout: (way) => promised(way, (work) => setTimeout(work, 1)),
  interval: (way) =>
    promised(way, (work) => {
      const timer = setInterval(() => (clearInterval(timer), work()), 1);
    }),
  immediate: (way) => promised(way, setImmediate),
  tick: (way) => promised(way, (work) => process.nextTick(work)),
  microtask: (way) => promised(way, queueMicrotask),
  promise: (way) => Promise.resolve().then(() => ask(way)),
  promisified: async (way) => {
    await promisify(setTimeout)(1);
    return ask(way);
  },
  callback: (way) => promised(way, (work) => readFile(import.meta.filename, work)),
  stream: (way) =>
    pipeline(Readable.from(['a']), createGzip(), async (parts) => {
      for await (const part of parts) if (part) return ask(way);
    }),
  transform: (way) =>
    pipeline(
      Readable.from(['a']),
      new Transform({ transform: (part, encoding, done) => ask(way).then(() => done(null, part), done) }),
      async (parts) => {
        for await (const part of parts) part.toString();
      },
    ),
  emitter: (way) => {
    const own = new EventEmitter();
    const done = promised(way, (work) => own.once('done', work));
    own.emit('done');
    return done;
  },
  once: async (way) => {
    setTimeout(() => bus.emit('now'), 1);
    await once(bus, 'now');
    return ask(way);
  },
  'on-iterator': async (way) => {
    setTimeout(() => bus.emit('some'), 1);
    for await (const [] of on(bus, 'some')) return ask(way);
  },
  'p-queue': (way) => Promise.all([queue.add(() => ask(`${way}-1`)), queue.add(() => ask(`${way}-2`))]),
  'worker-pool': async (way) => {
    await pool.run(`${stock}/in-the-pool`);
    return ask(way);
  },
  'worker-thread': async (way) => {
    await once(new Worker('require("worker_threads").parentPort.postMessage(1)', { eval: true }), 'message');
    return ask(way);
  },
  'early-listener': () => new Promise((resolve) => bus.emit('early', resolve)),
  'bound-listener': () => new Promise((resolve) => bus.emit('bound', resolve)),
  'early-iterator': () => new Promise((resolve) => bus.emit('tick', resolve)),
};

const server = createServer(async (request, response) => {
  for (const [way, work] of Object.entries(WAYS)) await work(way);
  response.end('done');
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
