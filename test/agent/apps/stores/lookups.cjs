const { serve } = require('./serve.cjs');

exports.serveLookups = (LRUCache, NodeCache) => {
  const lru = new LRUCache({ max: 100 });
  const fetching = new LRUCache({ max: 100, fetchMethod: async (key) => `made ${key}` });
  const plain = new NodeCache();
  lru.set('tea', 1);
  plain.set('tea', 1);
  serve({
    // 3 hits, 2 misses.
    lru: () => ['tea', 'tea', 'tea', 'coffee', 'coffee'].map((key) => lru.get(key) ?? null),
    // 1 hit, 1 miss; the second one afterwards.
    fetch: async () => [await fetching.fetch('tea'), await fetching.fetch('tea')],
    // 3 hits, 3 misses.
    'node-cache': () => [
      plain.get('tea'),
      plain.get('milk') ?? null,
      plain.mget(['tea', 'milk', 'coffee']),
      plain.get('tea'),
    ],
    later: () => new Promise((resolve) => setTimeout(() => resolve(lru.get('tea')), 5)),
    nothing: () => 'nothing',
  });
  // Nobody's request.
  lru.get('tea');
};
