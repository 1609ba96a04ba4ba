// node local.cjs: caches of the process, as CommonJS has them.
const { LRUCache } = require('lru-cache');
const NodeCache = require('node-cache');
require('./lookups.cjs').serveLookups(LRUCache, NodeCache);
