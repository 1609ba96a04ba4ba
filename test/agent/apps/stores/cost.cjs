// node cost.cjs: answers with the nanoseconds of CPU time that a get takes, in a request. For test/bench/local-cache.ts.
const { LRUCache } = require('lru-cache');
const NodeCache = require('node-cache');
const { serve } = require('./serve.cjs');

const GETS = 1_000_000;
const lru = new LRUCache({ max: 100 });
const plain = new NodeCache({ useClones: false });
for (const cache of [lru, plain]) cache.set('tea', 1);

function cost(cache) {
  const before = process.cpuUsage();
  for (let i = 0; i < GETS; i++) cache.get(i % 2 ? 'tea' : 'coffee');
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / GETS;
}

serve({ 'lru-cache': () => cost(lru), 'node-cache': () => cost(plain) });
