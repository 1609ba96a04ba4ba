// node local.mjs: caches of the process, as ES modules have them.
import { LRUCache } from 'lru-cache';
import NodeCache from 'node-cache';
import { serveLookups } from './lookups.cjs';

serveLookups(LRUCache, NodeCache);
